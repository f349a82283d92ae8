"""What the store server tells Prometheus: calls, what became of reports, commits, and what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from katib.rpc.server_metrics import CallMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric

    from katib.rpc.group_commits import GroupCommits
    from katib.store.observation_logs import Receipt

__all__ = ["StoreMetrics"]


class StoreMetrics(CallMetrics):
    """Counters of one server."""

    def __init__(self) -> None:
        super().__init__("store")
        rows = Counter(
            "katib_store_rows", "Rows that were reported, by what became of them.", ("outcome",), registry=self.registry
        )
        self._stored, self._repeated = rows.labels("stored"), rows.labels("repeated")

    def reported(self, receipt: Receipt) -> None:
        """Count a report."""
        self._stored.inc(receipt.stored)
        self._repeated.inc(receipt.repeated)

    def watch(self, *commits: GroupCommits[Any, Any]) -> None:
        """Report on commits, all together, whenever somebody asks."""
        self.registry.register(_CommitsCollector(commits))


class _CommitsCollector:
    def __init__(self, commits: Sequence[GroupCommits[Any, Any]]) -> None:
        self._commits = commits

    def collect(self) -> Iterator[Metric]:
        waiting = sum(each.waiting for each in self._commits)
        yield GaugeMetricFamily(
            "katib_store_waiting_reports", "Reports and other changes that wait to be stored.", waiting
        )
        commits = sum(each.commits for each in self._commits)
        yield CounterMetricFamily("katib_store_commits", "Commits; each may be of many reports.", commits)
