"""One line for each trial of an experiment: its state, its result, its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.age import age, duration
from katib.cli.measures import Measures, short_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord

__all__ = ["TrialTable", "state_of_trial"]


def state_of_trial(record: TrialRecord) -> str:
    """Return the state as people should read it: a running trial that was told to end is ``Stopping``."""
    return "Stopping" if record.stopping is not None and record.state.is_active else str(record.state)


class TrialTable:
    """The columns of one experiment's trials; ``wide`` adds further metrics, times and reasons."""

    def __init__(self, experiment: Experiment, *, wide: bool = False) -> None:
        self._measures = Measures(experiment.spec)
        self._parameters = [parameter.name for parameter in experiment.spec.parameters or []]
        self._wide = wide
        self._metrics = self._measures.names if wide else self._measures.objectives

    @property
    def heading(self) -> list[str]:
        """The column names; metrics and parameters keep their own spelling."""
        more = ["INDEX", "REASON"] if self._wide else []
        return ["NAME", "STATUS", *self._metrics, *self._parameters, "TIME", "AGE", *more]

    @property
    def passing(self) -> set[int]:
        """The columns that change with the time alone."""
        time = 2 + len(self._metrics) + len(self._parameters)
        return {time, time + 1}

    def row(self, record: TrialRecord, at: datetime, *, latest: Mapping[str, str] | None = None) -> list[str]:
        """Return the cells of one trial.

        Args:
            record: The trial.
            at: The time now.
            latest: What it reported so far, while it runs.
        """
        values = {**(latest or {}), **self._measures.values(record.observation)}
        assignments = dict(record.assignments)
        ended = record.finished or at
        took = duration(ended - record.started) if record.started else ""
        row = [
            record.name,
            state_of_trial(record),
            *(short_number(values.get(name, "")) for name in self._metrics),
            *(short_number(assignments.get(name, "")) for name in self._parameters),
            took,
            age(record.created, at),
        ]
        return [*row, str(record.index), record.reason] if self._wide else row
