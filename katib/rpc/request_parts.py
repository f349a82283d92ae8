"""Katib's requests with their messages left as bytes (``proto/katib/v1/request_parts.proto``)."""

from __future__ import annotations

from katib.rpc.descriptors import load

globals().update(load("request_parts.binpb"))
