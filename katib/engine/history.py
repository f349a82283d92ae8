"""From a trial's record to what its algorithm sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.algorithm.history import PastTrial
from katib.engine.observe import is_feasible, objective_values

if TYPE_CHECKING:
    from katib.api.experiment import ExperimentSpec
    from katib.engine.trial import TrialRecord
    from katib.space.space import Space

__all__ = ["past_trial"]


def past_trial(record: TrialRecord, space: Space, spec: ExperimentSpec) -> PastTrial:
    """Return the algorithm's view of a trial.

    Raises:
        InvalidInput: Its values are not in the space.
    """
    return PastTrial(
        index=record.index,
        name=record.name,
        point=space.parse(record.assignments),
        state=record.state,
        values=objective_values(record.observation, spec),
        started=record.started.timestamp() if record.started else None,
        labels=record.labels,
        feasible=not record.observation or is_feasible(record.observation, spec),
        seconds=(record.finished - record.started).total_seconds() if record.started and record.finished else None,
    )
