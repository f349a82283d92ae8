"""All trials of one experiment, folded as they change: counts, who is active, who is best; no question looks at all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.trial import TrialState
from katib.engine.best import Best

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from katib.api.experiment import Experiment, OptimalTrial
    from katib.engine.trial import TrialRecord

__all__ = ["Ledger"]

_RESULTS = (TrialState.SUCCEEDED, TrialState.EARLY_STOPPED)


class Ledger:
    """The newest record of every trial.

    Recording is constant time (with several objectives: linear in the Pareto set); a record never gives way to an older view of its
    trial, so duplicates, delays and a changed order do no harm.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._best = Best(experiment.spec)
        self._by_name: dict[str, TrialRecord] = {}
        self._by_index: dict[int, str] = {}
        self._names: dict[TrialState, dict[str, None]] = {state: {} for state in TrialState}
        self._stopped: dict[str, None] = {}
        self._imported = 0
        self._next_index = 0
        self._first_free = 0

    @classmethod
    def from_records(cls, experiment: Experiment, records: Iterable[TrialRecord]) -> Ledger:
        """Return the ledger of stored records."""
        ledger = cls(experiment)
        for record in records:
            ledger.record(record)
        return ledger

    def record(self, trial: TrialRecord) -> None:
        """Take in a new trial or a new state of a known one.

        Raises:
            ValueError: Its index belongs to a trial of another name, or its name to another index.
        """
        known = self._by_index.get(trial.index)
        if known is not None and known != trial.name:
            message = f"index {trial.index} is trial {known}, not {trial.name}"
            raise ValueError(message)
        old = self._by_name.get(trial.name)
        if old is None:
            self._add(trial)
        elif old.index != trial.index:
            message = f"trial {trial.name} has index {old.index}, not {trial.index}"
            raise ValueError(message)
        elif not trial.supersedes(old):
            return
        elif old.state is not trial.state:
            del self._names[old.state][trial.name]
        self._by_name[trial.name] = trial
        self._names[trial.state][trial.name] = None
        if trial.runs_again:
            self._stopped[trial.name] = None
        else:
            self._stopped.pop(trial.name, None)
        if trial.state in _RESULTS:
            self._best.record(trial)

    def _add(self, trial: TrialRecord) -> None:
        self._by_index[trial.index] = trial.name
        self._imported += trial.imported
        self._next_index = max(self._next_index, trial.index + 1)
        while self._first_free in self._by_index:
            self._first_free += 1

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[TrialRecord]:
        return (self._by_name[name] for _, name in sorted(self._by_index.items()))

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def trial(self, name: str) -> TrialRecord:
        """Return a trial by its name; KeyError when there is none."""
        return self._by_name[name]

    def at(self, index: int) -> TrialRecord:
        """Return a trial by its index; KeyError when there is none."""
        return self._by_name[self._by_index[index]]

    @property
    def counts(self) -> Mapping[TrialState, int]:
        """How many trials are in each state, imported ones included."""
        return {state: len(names) for state, names in self._names.items()}

    @property
    def imported(self) -> int:
        """How many trials came with their results; they use no budget."""
        return self._imported

    @property
    def total(self) -> int:
        """How many trials there are, imported ones not counted."""
        return len(self._by_name) - self._imported

    @property
    def completed(self) -> int:
        """How many trials have used up their part of ``maxTrialCount``: those that ended and do not run again."""
        return self.total - self.active_count - len(self._stopped)

    def names(self, state: TrialState) -> list[str]:
        """Return the names of the trials in a state, in the order in which they came into it."""
        return list(self._names[state])

    def active(self) -> list[TrialRecord]:
        """Return the trials that use a place of ``parallelTrialCount``, by index."""
        names = [*self._names[TrialState.CREATED], *self._names[TrialState.RUNNING]]
        return sorted((self._by_name[name] for name in names), key=lambda trial: trial.index)

    @property
    def active_count(self) -> int:
        """How many trials use a place of ``parallelTrialCount``."""
        return len(self._names[TrialState.CREATED]) + len(self._names[TrialState.RUNNING])

    def to_run_again(self) -> list[TrialRecord]:
        """Return the trials that ended only because their user stopped the experiment, by index."""
        return sorted((self._by_name[name] for name in self._stopped), key=lambda trial: trial.index)

    def free_indices(self, below: int) -> list[int]:
        """Return the indices under a bound that no trial has; asks nothing of the trials before the first of them."""
        return [index for index in range(self._first_free, below) if index not in self._by_index]

    @property
    def next_index(self) -> int:
        """The index of the next new trial."""
        return self._next_index

    @property
    def best(self) -> TrialRecord | None:
        """The best trial by the (first) objective."""
        return self._best.trial

    @property
    def optimum(self) -> OptimalTrial | None:
        """The best trial as the status shows it."""
        return self._best.optimal

    @property
    def pareto(self) -> list[OptimalTrial] | None:
        """The Pareto set as the status shows it; None with one objective."""
        return self._best.pareto

    @property
    def goal_reached_by(self) -> str | None:
        """The first trial that reached every objective's goal, if there is one."""
        return self._best.goal_reached_by
