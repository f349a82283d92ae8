"""Early stopping on a cluster: the stopper judges running trials by what the store has of them.

Rules that Katib's stoppers give travel with the trial and are kept by its collector, at once, where that can end the trainer: its
container's command has to be known for that. Here they are kept for all of them, and what they cannot say, the stopper decides: the
curves of running trials are read from the store every few seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from katib.algorithm import early_stoppers
from katib.api.trial import TrialState
from katib.engine.plan import StopTrial
from katib.errors import KatibError
from katib.local.early_stopping import MESSAGE, Judgement, Verdict, Watcher
from katib.metrics.sample import Sample
from katib.metrics.sidecar.rules import StoppingRules
from katib.metrics.sidecar.settings import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from katib.api.experiment import Experiment
    from katib.api.trial import EarlyStoppingRule
    from katib.engine.ledger import Ledger
    from katib.engine.trial import TrialRecord
    from katib.operator.store_access import StoreAccess

__all__ = ["EarlyStopping", "early_stopping_of"]

_LOGGER: Final = logging.getLogger(__name__)


def early_stopping_of(experiment: Experiment, store: StoreAccess, *, wake: Callable[[], None]) -> EarlyStopping | None:
    """Return an experiment's early stopping; None where it has none."""
    if experiment.spec.early_stopping is None:
        return None
    return EarlyStopping(experiment, store, wake=wake)


class EarlyStopping:
    """Watches the running trials of one experiment.

    Args:
        experiment: Admitted.
        store: Where their curves are.
        wake: Called when there is a verdict.
    """

    poll_seconds: Final = 2.0

    def __init__(self, experiment: Experiment, store: StoreAccess, *, wake: Callable[[], None]) -> None:
        self._experiment = experiment
        self._store = store
        stopper = early_stoppers.create(experiment, experiment.spec.seed or 0)
        self._maximizes = not stopper.problem.objectives[0].minimize
        self._watcher = Watcher(stopper, experiment.spec, wake=wake, stored=self._stored)
        self._seen: dict[str, int] = {}
        self._read_at = 0.0
        self._reading: threading.Thread | None = None
        self._read: dict[str, list[float | None]] = {}
        self._kept: dict[str, _KeptRules] = {}
        self._met: dict[str, Verdict] = {}

    @property
    def rules(self) -> tuple[EarlyStoppingRule, ...]:
        """What a new trial takes along."""
        return self._watcher.rules

    def record(self, records: Iterable[TrialRecord]) -> None:
        """Take in new states of trials."""
        for record in records:
            if record.state.is_active:
                self._seen.setdefault(record.name, 0)
                if record.rules:
                    self._keep_rules(record)
            else:  # what it reported since its curve was read last, and all of it where it ended before
                self._seen.pop(record.name, None)
                self._kept.pop(record.name, None)
                self._watcher.recall(record.name)
            self._watcher.record([record])

    def orders(self, ledger: Ledger) -> list[StopTrial]:
        """Return which trials to stop now; and have the curves read anew when it is time."""
        if self._reading is not None and not self._reading.is_alive():
            self._reading = None
            for name, values in self._read.items():
                new = values[self._seen.get(name, len(values)) :]
                if new:
                    self._seen[name] = len(values)
                    self._watcher.report(name, new)
            self._watcher.ask()
        if self._reading is None and time.monotonic() >= self._read_at:
            self._read_at = time.monotonic() + self.poll_seconds
            running = [record for record in ledger.active() if record.state is TrialState.RUNNING]
            self._reading = threading.Thread(target=self._read_curves, args=(running,), name="curves", daemon=True)
            self._reading.start()
        judgement = self._watcher.take() or Judgement()
        if judgement.error:
            _LOGGER.warning("%s: %s\n%s", self._experiment.metadata.name, judgement.error, judgement.details)
        met, self._met = self._met, {}
        orders: list[StopTrial] = []
        for verdict in (*judgement.verdicts, *met.values()):
            record = ledger.trial(verdict.name) if verdict.name in ledger else None
            if record is None or record.stopping or record.state is not TrialState.RUNNING:
                continue
            if record.attempt == verdict.attempt and record.name not in {order.name for order in orders}:
                message = f"{MESSAGE}: {verdict.sentence}"
                orders.append(StopTrial(record.name, TrialState.EARLY_STOPPED, "TrialEarlyStopped", message))
        return orders

    def close(self) -> None:
        """Let the stopper's thread end."""
        self._watcher.close()

    def _keep_rules(self, record: TrialRecord) -> None:
        """Follow the rules that a trial took along; from the beginning where it is run again."""
        kept = self._kept.get(record.name)
        if kept is None or kept.attempt != record.attempt:
            self._kept[record.name] = _KeptRules(record, self._watcher.metric, maximize=self._maximizes)

    # -- in the thread that reads -------------------------------------------------------------------------------------

    def _read_curves(self, records: list[TrialRecord]) -> None:
        read: dict[str, list[float | None]] = {}
        met: dict[str, Verdict] = {}
        for record in records:
            try:
                read[record.name] = self._stored(record.name, self._watcher.metric)
                kept = self._kept.get(record.name)
                if kept is not None:
                    for metric in kept.metrics:
                        own = metric == self._watcher.metric
                        kept.take(metric, read[record.name] if own else self._stored(record.name, metric))
                    if sentence := kept.rules.verdict():
                        met[record.name] = Verdict(record.name, kept.attempt, sentence)
            except KatibError:  # the store is away: the next look may find it
                break
        self._read, self._met = read, met

    def _stored(self, name: str, metric: str) -> list[float | None]:
        return self._store.series(self._experiment, name, metric)


class _KeptRules:
    """How far the rules of one attempt of a trial are met.

    Args:
        record: Of the trial.
        objective: The metric of which the best value counts.
        maximize: Whether more of it is better.
    """

    def __init__(self, record: TrialRecord, objective: str, *, maximize: bool) -> None:
        rules = [Rule(each.name, str(each.value), each.comparison, each.start_step or 0) for each in record.rules]
        self.attempt = record.attempt
        self.rules = StoppingRules(rules, objective=objective, maximize=maximize)
        self.metrics = dict.fromkeys(rule.name for rule in rules)
        self._taken: dict[str, int] = {}

    def take(self, metric: str, values: Sequence[float | None]) -> None:
        """Look at what is new of all that was reported of a metric."""
        new = values[self._taken.get(metric, 0) :]
        self._taken[metric] = len(values)
        self.rules.take(Sample(metric, repr(value)) for value in new if value is not None)
