"""How our clients reach a server and say who calls: a channel that finds a server again soon, and a token that may be renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from katib.errors import InvalidInput, Problem, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["open_channel", "token_metadata"]


def open_channel(address: str, root_ca: Path | None, options: Sequence[tuple[str, Any]]) -> Any:
    """Return a channel; it connects with its first call.

    Args:
        address: ``HOST:PORT``, or ``unix:PATH``.
        root_ca: Whose certificate the server may have, in PEM; None for plain text.
        options: Of gRPC.

    Raises:
        InvalidInput: The file of certificates cannot be read.
    """
    if root_ca is None:
        return grpc.insecure_channel(address, options=options)
    try:
        certificates = root_ca.read_bytes()
    except OSError as error:
        raise InvalidInput([Problem("root_ca", f"cannot be read: {error.strerror}", str(root_ca))]) from error
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(certificates), options=options)


def token_metadata(what: str, address: str, token: str, token_file: Path | None) -> list[tuple[str, str]]:
    """Return what says who calls.

    Args:
        what: The server, for the message: ``the store``.
        address: Where it is, likewise.
        token: Empty for nobody.
        token_file: Where it is instead; read with each call, as it is renewed.

    Raises:
        StoreUnavailable: The token cannot be read.
    """
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StoreUnavailable(f"{what} at {address} cannot be asked: the token cannot be read: {error}") from error
    return [("authorization", f"Bearer {token}")] if token else []
