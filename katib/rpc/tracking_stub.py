"""Calls of ``katib.v1.Store`` for a client, on a channel of ``grpc`` or ``grpc.aio``."""

from __future__ import annotations

from typing import Any

from katib.rpc import store_v1 as wire
from katib.rpc.service_stub import ServiceStub

__all__ = ["StoreStub"]


class StoreStub(ServiceStub):
    """The service as a client sees it: each of its methods is one of this.

    Example::

        store = StoreStub(grpc.insecure_channel("127.0.0.1:6789"))
        project = store.GetDefaultProject(wire.GetDefaultProjectRequest())

    Args:
        channel: Stays open.
    """

    def __init__(self, channel: Any) -> None:
        super().__init__(channel, wire.DESCRIPTOR.services_by_name["Store"])
