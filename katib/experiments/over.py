"""What whoever asks for trials of an experiment that is over, or waits for one that is being deleted, is told, whatever ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.experiments.protocol import Suggested

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.api.experiment import Experiment
    from katib.store.protocol import Event

__all__ = ["DELETING", "RESUMED", "is_being_deleted", "suggested_of_over"]

DELETING: Final = "ExperimentDeleting"
"""The reason of the event before a deletion ends what runs of an experiment, which is Stopped by it before it is gone."""
RESUMED: Final = "ExperimentResumed"


def is_being_deleted(events: Iterable[Event]) -> bool:
    """Whether an experiment of these events ends because it is being deleted, and did not go on since."""
    deleting, resumed = None, None
    for event in events:
        if event.reason == DELETING:
            deleting = event.last
        elif event.reason == RESUMED:
            resumed = event.last
    return deleting is not None and (resumed is None or resumed <= deleting)


def suggested_of_over(experiment: Experiment) -> Suggested:
    """Return that there will be no more trials, and why."""
    current = experiment.status.conditions[-1] if experiment.status and experiment.status.conditions else None
    return Suggested(
        (),
        over=True,
        state=current.type if current else "",
        reason=(current.message or "") if current else "",
    )
