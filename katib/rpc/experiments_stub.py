"""Calls of ``katib.v1.experiments.Experiments`` for a client, on a channel of ``grpc`` or ``grpc.aio``."""

from __future__ import annotations

from typing import Any

from google.protobuf import message_factory

from katib.rpc import experiments_v1 as wire

__all__ = ["ExperimentsStub"]


class ExperimentsStub:
    """The service as a client sees it: each of its methods is one of this.

    Example::

        experiments = ExperimentsStub(grpc.insecure_channel("127.0.0.1:6789"))
        found = experiments.ListExperiments(wire.ListExperimentsRequest())

    Args:
        channel: Stays open.
    """

    def __init__(self, channel: Any) -> None:
        service = wire.DESCRIPTOR.services_by_name["Experiments"]
        for name, method in service.methods_by_name.items():
            request, reply = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
            kind = channel.unary_stream if method.server_streaming else channel.unary_unary
            call = kind(
                f"/{service.full_name}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=reply.FromString,
            )
            setattr(self, name, call)

    def __getattr__(self, name: str) -> Any:
        # Only for what was not set: that there are others is nothing a type checker can know.
        raise AttributeError(name)
