"""Katib's messages (``proto/katib/v1beta1/api.proto``); their types are in ``v1beta1.pyi``."""

from __future__ import annotations

from katib.rpc.descriptors import load

globals().update(load("v1beta1.binpb"))
