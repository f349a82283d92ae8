"""The messages of the experiments' API (``proto/katib/v1/experiment.proto``); their types are in ``experiments_v1.pyi``."""

from __future__ import annotations

from katib.rpc.descriptors import load

globals().update(load("experiments_v1.binpb"))
