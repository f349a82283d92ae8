"""The messages of the store's own API (``proto/katib/v1/store.proto``); their types are in ``store_v1.pyi``."""

from __future__ import annotations

from katib.rpc.descriptors import load

globals().update(load("store_v1.binpb"))
