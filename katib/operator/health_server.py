"""Answers probes and Prometheus over HTTP: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from typing_extensions import override

from katib.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HealthServer"]

_TEXT: Final = "text/plain; charset=utf-8"


class HealthServer:
    """Answers in threads of its own, until it is closed.

    Args:
        address: ``HOST:PORT``; port 0 for any free one.
        is_well: Whether the process should live on.
        is_ready: Whether it is of use.
        registry: Of Prometheus.

    Raises:
        Conflict: The address is in use.
    """

    def __init__(
        self, address: str, *, is_well: Callable[[], bool], is_ready: Callable[[], bool], registry: Any
    ) -> None:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        def answer(path: str) -> tuple[int, str, bytes]:
            if path == "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(registry)
            checks = {"/healthz": is_well, "/readyz": is_ready}
            if path not in checks:
                return 404, _TEXT, b"there are /healthz, /readyz and /metrics\n"
            return (200, _TEXT, b"ok\n") if checks[path]() else (503, _TEXT, b"not now\n")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, kind, body = answer(self.path.partition("?")[0])
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: a probe comes every few seconds."""

        host, _, port = address.rpartition(":")
        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        except OSError as error:
            raise Conflict(f"cannot answer on {address}: {error.strerror}") from error
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
