"""Calls of one of our own services for a client, on a channel of ``grpc`` or ``grpc.aio``."""

from __future__ import annotations

from typing import Any

from google.protobuf import message_factory

__all__ = ["ServiceStub"]


class ServiceStub:
    """A service as a client sees it: each of its methods is one of this.

    Args:
        channel: Stays open.
        service: Its descriptor.
    """

    def __init__(self, channel: Any, service: Any) -> None:
        for name, method in service.methods_by_name.items():
            request, reply = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
            kind = f"{_words(method.client_streaming)}_{_words(method.server_streaming)}"
            call = getattr(channel, kind)(
                f"/{service.full_name}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=reply.FromString,
            )
            setattr(self, name, call)

    def __getattr__(self, name: str) -> Any:
        # Only for what was not set: that there are others is nothing a type checker can know.
        raise AttributeError(name)


def _words(streaming: bool) -> str:  # noqa: FBT001 - what decides
    return "stream" if streaming else "unary"
