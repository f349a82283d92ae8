"""What the HTTP server tells Prometheus, in the registry of the server that it stands beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["HttpMetrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class HttpMetrics:
    """Counters of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "katib_store_http_requests",
            "Requests that were answered.",
            ("api", "operation", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "katib_store_http_request_seconds",
            "How long they took until the answer began.",
            ("api", "operation"),
            buckets=_SECONDS,
            registry=registry,
        )

    def answered(self, api: str, operation: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(api, operation, str(status)).inc()
        self._seconds.labels(api, operation).observe(seconds)
