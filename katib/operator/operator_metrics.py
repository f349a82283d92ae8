"""What Prometheus reads of an operator: Katib's names (facts 11), and how well the operator itself does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["OperatorMetrics"]

_TRIAL_COUNTERS: Final = {
    TrialState.SUCCEEDED.value: "succeeded",
    TrialState.FAILED.value: "failed",
    TrialState.METRICS_UNAVAILABLE.value: "metrics_unavailable",
    TrialState.EARLY_STOPPED.value: "early_stopped",
    TrialState.KILLED.value: "killed",
}


class OperatorMetrics:
    """Counters and gauges.

    Args:
        current: Returns how many experiments, and how many trials, are in which status: (kind, namespace, status, count).
        health: Returns the gauges of the operator itself by name and label.
    """

    def __init__(
        self,
        *,
        current: Callable[[], Iterable[tuple[str, str, str, int]]],
        health: Callable[[], Iterable[tuple[str, str, float]]],
    ) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry = CollectorRegistry()
        labels = ("namespace",)

        def counter(kind: str, what: str) -> Counter:
            return Counter(f"katib_{kind}_{what}", f"{kind.title()}s {what}", labels, registry=self.registry)

        self._experiments = {
            what: counter("experiment", what) for what in ("created", "succeeded", "failed", "deleted")
        }
        self._trials = {what: counter("trial", what) for what in ("created", "deleted", *_TRIAL_COUNTERS.values())}
        self._looks = Histogram(
            "katib_operator_look_seconds", "Time of one look", ("controller",), registry=self.registry
        )
        self._faults = Counter(
            "katib_operator_look_errors", "Looks that failed", ("controller",), registry=self.registry
        )
        self._current = current
        self._health = health
        self.registry.register(self)

    def collect(self) -> Iterable[Any]:
        """Yield the gauges, as they are now."""
        from prometheus_client.core import GaugeMetricFamily

        gauges = {
            kind: GaugeMetricFamily(
                f"katib_{kind}_current", f"{kind.title()} by status", labels=("namespace", "status")
            )
            for kind in ("experiments", "trials")
        }
        for kind, namespace, status, count in self._current():
            gauges[kind].add_metric((namespace, status), count)
        yield from gauges.values()
        own: dict[str, GaugeMetricFamily] = {}
        for name, label, value in self._health():
            family = own.setdefault(name, GaugeMetricFamily(name, "Of the operator itself", labels=("of",)))
            family.add_metric((label,), value)
        yield from own.values()

    def trial_created(self, namespace: str) -> None:
        """Count a new trial."""
        self._trials["created"].labels(namespace).inc()

    def trial_ended(self, namespace: str, state: str) -> None:
        """Count the end of a trial."""
        self._trials[_TRIAL_COUNTERS[state]].labels(namespace).inc()

    def trial_deleted(self, namespace: str) -> None:
        """Count a trial that was deleted."""
        self._trials["deleted"].labels(namespace).inc()

    def experiment_is(self, namespace: str, condition: str) -> None:
        """Count that an experiment came into a condition."""
        if condition.lower() in self._experiments:
            self._experiments[condition.lower()].labels(namespace).inc()

    def experiment_created(self, namespace: str) -> None:
        """Count a new experiment."""
        self._experiments["created"].labels(namespace).inc()

    def experiment_deleted(self, namespace: str) -> None:
        """Count an experiment that was deleted."""
        self._experiments["deleted"].labels(namespace).inc()

    def looked(self, controller: str, seconds: float, *, failed: bool) -> None:
        """Note a look."""
        self._looks.labels(controller).observe(seconds)
        if failed:
            self._faults.labels(controller).inc()
