"""Why a server cannot be reached over TLS, as a sentence: gRPC's own words name a routine of its library and leave it at that.

Asked only after a call has failed: one more connection, whose handshake is looked at.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final

__all__ = ["tls_trouble"]

_EXPIRED, _NOT_YET_VALID = 10, 9
_UNKNOWN_AUTHORITY: Final = frozenset({2, 18, 19, 20, 21})
_ANOTHER_NAME: Final = frozenset({62, 64})
"""Codes of OpenSSL's verification."""


def tls_trouble(address: str, roots: str, server_name: str, *, seconds: float) -> str:
    """Return what is wrong with a server's certificate or its TLS; empty where nothing is, or where it cannot be reached at all.

    Args:
        address: ``HOST:PORT``.
        roots: Who may sign its certificate, in PEM; empty for those that this machine trusts.
        server_name: The name that the certificate has to have.
        seconds: How long this may take.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        context = ssl.create_default_context(cadata=roots or None)
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((host, int(port)), timeout=seconds) as connection:
            connection.settimeout(seconds)
            with contextlib.closing(context.wrap_socket(connection, server_hostname=server_name)) as secure:
                if secure.selected_alpn_protocol() != "h2":
                    return "it speaks TLS, but not HTTP/2"
    except ssl.SSLCertVerificationError as error:
        return _certificate(
            error, server_name, trusted="the given authorities" if roots else "an authority that is trusted here"
        )
    except ssl.SSLError as error:
        if error.reason in (
            "WRONG_VERSION_NUMBER",
            "HTTP_REQUEST",
            "UNEXPECTED_EOF_WHILE_READING",
            "RECORD_LAYER_FAILURE",
        ):
            return "it does not speak TLS"
        return f"its TLS fails: {error.reason or error}"
    except (OSError, ValueError):
        return ""
    return ""


def _certificate(error: ssl.SSLCertVerificationError, name: str, *, trusted: str) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet"
    if error.verify_code in _ANOTHER_NAME:
        return f"its certificate is not for the name {name}"
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return f"its certificate is not signed by {trusted}"
    return f"its certificate is not accepted: {error.verify_message}"
