"""Answers the API server over HTTPS, for the optional webhook: bounded in size, time and number, and never wrong about a pod's life.

A certificate that is renewed is used for the next connection. Connections greet each other in threads of their own, so that one that
says nothing keeps nobody waiting.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from typing_extensions import override

from katib.errors import Conflict, InvalidInput, Problem
from katib.operator.pod_webhook import UnreadableReview

if TYPE_CHECKING:
    from pathlib import Path

    from katib.operator.pod_webhook import PodWebhook

__all__ = ["PodWebhookServer"]

_LOGGER: Final = logging.getLogger(__name__)
_PATH: Final = "/mutate-pod"
_MOST_BYTES: Final = 8 << 20
"""An object has at most 1.5 MiB in etcd, and a review holds it twice at the worst."""
_MOST_CONNECTIONS: Final = 64
_SILENCE: Final = 30.0
_HANDSHAKE: Final = 5.0
_JSON: Final = "application/json"


class PodWebhookServer:
    """Answers in threads of its own, until it is closed.

    Args:
        address: ``HOST:PORT``; port 0 for any free one.
        webhook: Looks at pods.
        certificate: The server's chain (PEM); read again when it changes.
        key: Its private key (PEM).
        client_ca: Whose clients may ask; None for everybody who reaches the port.

    Raises:
        InvalidInput: A file holds something else.
        Conflict: The address is in use.
    """

    def __init__(
        self, address: str, webhook: PodWebhook, *, certificate: Path, key: Path, client_ca: Path | None = None
    ) -> None:
        self._certificates = _Certificates(certificate, key, client_ca)
        host, _, port = address.rpartition(":")
        try:
            self._server = _Server((host.strip("[]"), int(port)), _handler(webhook), self._certificates)
        except ValueError as error:
            raise InvalidInput([Problem("--webhook-address", "must be HOST:PORT", address)]) from error
        except OSError as error:
            raise Conflict(f"cannot answer on {address}: {error.strerror}") from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Certificates:
    """The files of the server, and what they held when they were good last."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._files = (certificate, key)
        self._client_ca = client_ca
        self._lock = threading.Lock()
        self._seen = self._stamp()
        try:
            self._context = self._load()
        except OSError as error:
            raise InvalidInput(
                [Problem("--webhook-cert", f"no certificate and key can be read: {error}", str(certificate))]
            ) from error

    def context(self) -> ssl.SSLContext:
        """Return what the next connection is greeted with."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                try:
                    self._context = self._load()
                except OSError as error:  # such as a new certificate whose key is still to come
                    _LOGGER.error("--webhook-cert: %s; the last good files stay in use", error)  # noqa: TRY400 - said in full
            return self._context

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # Without a password it would be asked for, of a person at a terminal.
        context.load_cert_chain(*self._files, password=lambda: "")
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _stamp(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in self._files:
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_ino, status.st_size))
        return tuple(found)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], certificates: _Certificates
    ) -> None:
        self._certificates = certificates
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)  # the API server lets the pod through, as its webhook failed
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    @override
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    @override
    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_HANDSHAKE)
        try:
            encrypted = self._certificates.context().wrap_socket(request, server_side=True)
        except OSError as error:
            _LOGGER.debug("a connection did not come about: %s", error)
            return
        try:
            encrypted.settimeout(_SILENCE)
            super().finish_request(encrypted, client_address)
        finally:
            with contextlib.suppress(OSError):
                encrypted.close()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        _LOGGER.debug("a connection of the webhook broke off: %s", sys.exception())


def _handler(webhook: PodWebhook) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "katib"
        sys_version = ""

        def do_GET(self) -> None:
            code = 200 if self.path in ("/healthz", "/readyz") else 404
            self._answer(code, b"ok\n" if code == 200 else b"there is POST /mutate-pod\n", "text/plain")  # noqa: PLR2004 - HTTP's

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                self._refuse(411, "a review has a length")
            elif int(length) > _MOST_BYTES:
                self._refuse(413, f"a review has at most {_MOST_BYTES} bytes")
            else:
                body = self.rfile.read(int(length))
                if self.path.partition("?")[0] == _PATH:
                    self._review(body)
                else:
                    self._refuse(404, f"there is {_PATH}")

        def _review(self, body: bytes) -> None:
            try:
                answer = webhook.review(json.loads(body))
            except (UnreadableReview, ValueError, RecursionError) as error:
                self._refuse(400, f"this is no review: {error}")
            else:
                self._answer(200, json.dumps(answer).encode(), _JSON)

        def _refuse(self, code: int, said: str) -> None:
            self.close_connection = True  # what follows in it was not read
            self._answer(code, f"{said}\n".encode(), "text/plain")

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: a review comes with every pod."""

    return Handler
