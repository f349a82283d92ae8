"""What a server tells Prometheus about itself: calls; for suggestions what algorithms noted, the workers and their queue."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from katib.rpc.worker_pool import WorkerPool

__all__ = ["CallMetrics", "SuggestionMetrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(slots=True)
class MeasuredCall:
    """One call as it is counted.

    Attributes:
        code: The name of its gRPC status.
    """

    code: str = "OK"


class CallMetrics:
    """Counters of the calls of one server.

    Args:
        subject: What their names begin with, after ``katib_``.
        registry: Of a server that counts other things too; None for one of their own.
    """

    def __init__(self, subject: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._calls = Counter(f"katib_{subject}_calls", "Calls that ended.", ("method", "code"), registry=self.registry)
        self._seconds = Histogram(
            f"katib_{subject}_call_seconds",
            "How long they took.",
            ("method",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    @contextlib.contextmanager
    def call(self, method: str) -> Iterator[MeasuredCall]:
        """Count the call within this block."""
        started, measured = time.perf_counter(), MeasuredCall()
        try:
            yield measured
        finally:
            self._seconds.labels(method).observe(time.perf_counter() - started)
            self._calls.labels(method, measured.code).inc()

    def serve(self, host: str, port: int) -> int:
        """Answer Prometheus over HTTP from a thread, and return the port.

        Raises:
            OSError: The address cannot be used.
        """
        server, _ = start_http_server(port, host, registry=self.registry)
        return int(server.server_port)


class SuggestionMetrics(CallMetrics):
    """What the suggestion server counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__("suggestion", registry)
        self._notes = Counter(
            "katib_suggestion_notes",
            "What algorithms said about their answers, such as reduced-model or ignored-trial.",
            ("kind",),
            registry=self.registry,
        )

    def noted(self, kind: str) -> None:
        """Count a note of an algorithm."""
        self._notes.labels(kind).inc()

    def watch(self, pool: WorkerPool) -> None:
        """Report a pool whenever somebody asks."""
        self.registry.register(_PoolCollector(pool))


class _PoolCollector:
    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        pool = self._pool
        yield GaugeMetricFamily("katib_suggestion_waiting_calls", "Calls that wait for a worker.", pool.waiting)
        yield GaugeMetricFamily("katib_suggestion_busy_workers", "Workers that compute.", pool.busy)
        yield CounterMetricFamily(
            "katib_suggestion_worker_deaths", "Workers that ended by themselves.", pool.counts.deaths
        )
        yield CounterMetricFamily(
            "katib_suggestion_abandoned_calls", "Calls left because their caller had gone.", pool.counts.interrupted
        )
        yield CounterMetricFamily(
            "katib_suggestion_refused_calls", "Calls for which there was no room.", pool.counts.refused
        )
