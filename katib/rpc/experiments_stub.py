"""Calls of ``katib.v1.experiments.Experiments`` for a client, on a channel of ``grpc`` or ``grpc.aio``."""

from __future__ import annotations

from typing import Any

from katib.rpc import experiments_v1 as wire
from katib.rpc.service_stub import ServiceStub

__all__ = ["ExperimentsStub"]


class ExperimentsStub(ServiceStub):
    """The service as a client sees it: each of its methods is one of this.

    Example::

        experiments = ExperimentsStub(grpc.insecure_channel("127.0.0.1:6789"))
        found = experiments.ListExperiments(wire.ListExperimentsRequest())

    Args:
        channel: Stays open.
    """

    def __init__(self, channel: Any) -> None:
        super().__init__(channel, wire.DESCRIPTOR.services_by_name["Experiments"])
