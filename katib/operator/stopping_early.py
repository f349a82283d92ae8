"""Early stopping on a cluster: the stopper judges running trials by what the store has of them.

Rules that Katib's stoppers give travel with the trial and are kept by its collector, at once. What they cannot say, the stopper decides
here: the curves of running trials are read from the store every few seconds.
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
from katib.local.early_stopping import MESSAGE, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
        self._watcher = Watcher(stopper, experiment.spec, wake=wake, stored=self._stored)
        self._seen: dict[str, int] = {}
        self._read_at = 0.0
        self._reading: threading.Thread | None = None
        self._read: dict[str, list[float | None]] = {}

    @property
    def rules(self) -> tuple[EarlyStoppingRule, ...]:
        """What a new trial takes along."""
        return self._watcher.rules

    def record(self, records: Iterable[TrialRecord]) -> None:
        """Take in new states of trials."""
        for record in records:
            if record.state.is_active:
                self._seen.setdefault(record.name, 0)
            else:  # what it reported since its curve was read last, and all of it where it ended before
                self._seen.pop(record.name, None)
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
            running = [record.name for record in ledger.active() if record.state is TrialState.RUNNING]
            self._reading = threading.Thread(target=self._read_curves, args=(running,), name="curves", daemon=True)
            self._reading.start()
        judgement = self._watcher.take()
        if judgement is None:
            return []
        if judgement.error:
            _LOGGER.warning("%s: %s\n%s", self._experiment.metadata.name, judgement.error, judgement.details)
        orders = []
        for verdict in judgement.verdicts:
            record = ledger.trial(verdict.name) if verdict.name in ledger else None
            if record is None or record.stopping or record.state is not TrialState.RUNNING:
                continue
            if record.attempt == verdict.attempt:
                message = f"{MESSAGE}: {verdict.sentence}"
                orders.append(StopTrial(record.name, TrialState.EARLY_STOPPED, "TrialEarlyStopped", message))
        return orders

    def close(self) -> None:
        """Let the stopper's thread end."""
        self._watcher.close()

    def _read_curves(self, names: list[str]) -> None:
        read: dict[str, list[float | None]] = {}
        for name in names:
            try:
                read[name] = self._store.series(self._experiment, name, self._watcher.metric)
            except KatibError:  # the store is away: the next look may find it
                break
        self._read = read

    def _stored(self, name: str, metric: str) -> list[float | None]:
        return self._store.series(self._experiment, name, metric)
