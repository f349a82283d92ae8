"""How a server is reached: addresses, and TLS with certificates that are read again when they are renewed."""

from __future__ import annotations

import ipaddress
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc

from katib.errors import InvalidInput, Problem

__all__ = ["Tls", "check_plaintext", "host_of", "server_credentials"]

_LOGGER: Final = logging.getLogger(__name__)
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Tls:
    """Files with PEM texts.

    Attributes:
        certificate: The server's chain.
        key: Its private key.
        client_ca: Whose clients may call; None lets everybody call.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


def host_of(address: str) -> str:
    """Return the host of ``HOST:PORT`` or ``[IPv6]:PORT``, and of ``unix:PATH`` nothing.

    Raises:
        InvalidInput: It is neither.
    """
    if address.startswith("unix:"):
        return ""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise InvalidInput([Problem("--address", "must be HOST:PORT, such as 127.0.0.1:6789", address)])
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise InvalidInput([Problem("--address", "an IPv6 address stands in brackets, such as [::1]:6789", address)])
    return host[1:-1] if bracketed else host


def check_plaintext(address: str) -> None:
    """Refuse an address that other machines can reach.

    Raises:
        InvalidInput: It is not this machine's own.
    """
    host = host_of(address)
    if not host or host == "localhost":
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise InvalidInput(
        [
            Problem(
                "--address",
                "can be reached from other machines, which need --tls-cert and --tls-key, or --insecure-plaintext to go without",
                address,
            )
        ]
    )


def server_credentials(tls: Tls) -> Any:
    """Return credentials that follow their files: a renewed certificate is used for the next connection.

    Raises:
        InvalidInput: A file cannot be read, or holds something else.
    """
    files = _Files(tls)
    first = files.changed()
    if first is None:
        raise InvalidInput([_fault(tls) or Problem("", "the TLS files changed while they were read; start again")])
    return grpc.dynamic_ssl_server_credentials(
        first, files.changed, require_client_authentication=tls.client_ca is not None
    )


class _Files:
    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._texts: tuple[bytes, ...] = ()
        self._read(strict=True)

    def _read(self, *, strict: bool = False) -> tuple[bytes, ...]:
        texts = []
        for option, path in (
            ("--tls-cert", self._tls.certificate),
            ("--tls-key", self._tls.key),
            ("--tls-client-ca", self._tls.client_ca),
        ):
            if path is None:
                continue
            try:
                texts.append(path.read_bytes())
            except OSError as error:
                if strict:
                    raise InvalidInput([Problem(option, f"cannot be read: {error.strerror}", str(path))]) from error
                _LOGGER.error("%s: %s cannot be read: %s", option, path, error.strerror)  # noqa: TRY400 - said in full
                return self._texts
        return tuple(texts)

    def changed(self) -> Any:
        """Return the configuration if it is a new one, else None."""
        texts = self._read()
        if texts == self._texts:
            return None
        self._texts = texts
        fault = _fault(self._tls)
        if fault is not None:  # such as a new certificate whose key is still to come
            _LOGGER.error("%s; the last good files stay in use", fault)
            return None
        certificate, key, *client_ca = texts
        return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca[0] if client_ca else None)


def _fault(tls: Tls) -> Problem | None:
    """Return what is wrong with files that can be read; gRPC itself only says that it cannot listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for option, path in (("--tls-cert", tls.certificate), ("--tls-client-ca", tls.client_ca)):
        try:
            if path is not None:
                context.load_verify_locations(path)
        except OSError:
            return Problem(option, "holds no certificates in PEM form", str(path))
    try:
        # Without a password it would be asked for, of a person at a terminal.
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except OSError as error:
        mismatch = isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"
        message = "is the key of another certificate" if mismatch else "holds no unencrypted private key in PEM form"
        return Problem("--tls-key", message, str(tls.key))
    return None
