"""TLS for HTTP with the same files as for gRPC, and as there a renewed certificate is used for the next connection."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Final

from katib.rpc.credentials import server_credentials

if TYPE_CHECKING:
    from katib.rpc.credentials import Tls

__all__ = ["Certificates"]

_LOGGER: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 5.0


class Certificates:
    """The files of a server.

    Attributes:
        context: For all connections, old and new.

    Raises:
        InvalidInput: A file cannot be read, or holds something else.
    """

    def __init__(self, tls: Tls) -> None:
        # Says what is wrong with the files, in the words of the gRPC server.
        server_credentials(tls)
        self._tls = tls
        self._seen = self._stamp()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load(self.context)
        if tls.client_ca is not None:
            self.context.load_verify_locations(tls.client_ca)
            self.context.verify_mode = ssl.CERT_REQUIRED

    async def follow(self) -> None:
        """Read files again when they have changed, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Read the files again if they have changed; those that are no good leave the old ones in use."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except OSError as error:  # such as a new certificate whose key is still to come
            _LOGGER.error("--tls-cert: %s; the last good files stay in use", error)  # noqa: TRY400 - said in full
        self._seen = stamp

    def _load(self, context: ssl.SSLContext) -> None:
        # Without a password it would be asked for, of a person at a terminal.
        context.load_cert_chain(self._tls.certificate, self._tls.key, password=lambda: "")

    def _stamp(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in (self._tls.certificate, self._tls.key):
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_ino, status.st_size))
        return tuple(found)
