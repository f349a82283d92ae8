"""Katib's three services as gRPC for Python has them: names, handlers for a server, and calls for a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import message_factory

from katib.rpc import v1beta1 as wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["MESSAGE_OPTIONS", "MOST_BYTES", "full_name", "handlers", "stub"]

MOST_BYTES: Final = 64 << 20
"""The largest message, either way."""
MESSAGE_OPTIONS: Final = (("grpc.max_receive_message_length", MOST_BYTES), ("grpc.max_send_message_length", MOST_BYTES))


def full_name(service: str) -> str:
    """Return ``api.v1.beta1.<Service>``."""
    return str(wire.DESCRIPTOR.services_by_name[service].full_name)


def handlers(service: str, methods: Mapping[str, Callable[[bytes, Any], Awaitable[bytes]]]) -> grpc.GenericRpcHandler:
    """Return what serves a service whose methods take a request's bytes and return a reply's.

    Messages are decoded by whoever needs them: what cannot be decoded is the caller's fault, which gRPC's own decoding would call
    ours, and a history is decoded only as far as it is new.
    """
    described = wire.DESCRIPTOR.services_by_name[service]
    return grpc.method_handlers_generic_handler(
        described.full_name,
        {name: grpc.unary_unary_rpc_method_handler(methods[name]) for name in described.methods_by_name},
    )


def stub(channel: Any, service: str, method: str) -> Any:
    """Return one call of a service on a channel, of grpc or grpc.aio."""
    described = wire.DESCRIPTOR.services_by_name[service]
    called = described.methods_by_name[method]
    return channel.unary_unary(
        f"/{described.full_name}/{method}",
        request_serializer=message_factory.GetMessageClass(called.input_type).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(called.output_type).FromString,
    )
