"""What a driver that is somewhere else records in a store: the operator of a cluster, whose experiments have their uids from there.

Its calls come again, late, and in any order; the store keeps what is newest. What a driver forgets is kept: objects of a cluster are
deleted, and what they found is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import EventKind, Summary

__all__ = [
    "CLUSTER",
    "EXPERIMENT_DELETED",
    "EXPERIMENT_REPLACED",
    "OpenExperiment",
    "OpenExperiments",
    "RecordedExperiment",
    "RecordedTrial",
    "Recording",
]

CLUSTER: Final = "katib.kubeflow.org/cluster"
"""The annotation that says of which cluster an experiment is; several may record in one store."""
EXPERIMENT_DELETED: Final = "ExperimentDeleted"
"""The reason of what ended because the object of its experiment is gone."""
EXPERIMENT_REPLACED: Final = "ExperimentReplaced"
"""The reason of the event that says so of an experiment whose name a newer one has."""


@dataclass(frozen=True, slots=True)
class RecordedExperiment:
    """What became of a record of an experiment.

    Attributes:
        name: It has here.
        stored: Whether it was new.
    """

    name: str
    stored: bool


@dataclass(frozen=True, slots=True)
class RecordedTrial:
    """A trial as its driver sees it.

    Attributes:
        record: What is known of it.
        job: What it runs as; None leaves the one that is there.
        place: Where it runs (``node``, ``pod``), merged into what is there.
    """

    record: TrialRecord
    job: Mapping[str, Any] | None = None
    place: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenExperiment:
    """An experiment that is not over, as far as is known.

    Attributes:
        namespace: Where it is.
        uid: Of its object.
        name: It has here.
    """

    namespace: str
    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class OpenExperiments:
    """A page of them.

    Attributes:
        items: Maybe none though there are more.
        cursor: Where the next page begins; None on the last one.
    """

    items: list[OpenExperiment]
    cursor: str | None


class Recording(Protocol):
    """The part of ``Tracking`` that a driver elsewhere asks."""

    def record_experiment(self, experiment: Experiment, version: int) -> RecordedExperiment:
        """Record an experiment with its uid, name, labels, creation time, spec and status; one that is there is brought up to date.

        Of several experiments that have one name, the one that was created last has it (of two of one moment, the one of the greater
        version). The others are kept under ``NAME-UID``, the uid cut to eight characters, and are over, as after ``mark_deleted``.

        Args:
            experiment: Its resource.
            version: Grows with each change of it; the same or a lesser one than is known changes nothing.

        Raises:
            Conflict: Another namespace, or somebody who is no such driver, has the uid.
            InvalidInput: It has no name or no uid, or they are too long.
        """

    def record_trials(self, experiment_id: str, trials: Sequence[RecordedTrial]) -> int:
        """Insert trials, or bring them up to date, and return of how many something was new.

        What is older than what is known (``TrialRecord.supersedes``) changes nothing. Where the attempt grows, what the earlier ones
        reported is forgotten once: all of it, or if the new attempt has started, all from before its start. In an experiment that ended
        with its object, a trial that is active ends too.

        Raises:
            Conflict: An index would get another name, or a name another index; or the experiment is none of a driver.
        """

    def trial_summaries(
        self, experiment_id: str, trials: Collection[str], metrics: Collection[str] | None = None
    ) -> dict[str, dict[str, Summary]]:
        """Return metrics of trials in short, by the trials' names; those that reported nothing are absent.

        A trial that is reported of and not recorded yet is there: it may end before its driver comes to record it.

        Args:
            experiment_id: The experiment.
            trials: Names.
            metrics: Only these; None for all.
        """

    def run_of_trial(self, name: str) -> str:
        """Return the run's id of a trial: of those of the name, that of the trial that was created last.

        Raises:
            NotFound: No experiment of the namespace has one, or not yet.
        """

    def record_event(
        self,
        experiment_id: str,
        reason: str,
        message: str,
        *,
        kind: EventKind = "Normal",
        trial: str | None = None,
        event_id: str | None = None,
        count: int = 1,
        time: datetime | None = None,
    ) -> None:
        """Record something worth telling, as ``Store.record_event``.

        Args:
            experiment_id: The experiment.
            reason: A CamelCase word.
            message: A sentence.
            kind: Whether it is a warning.
            trial: Which one it is about; None for the experiment.
            event_id: An event that has it is changed, so that the same call again counts nothing twice.
            count: How often it happened; with an id a lesser number than is known changes nothing.
            time: When it happened last; None for now.
        """

    def mark_deleted(self, experiment_id: str) -> bool:
        """Record that the object of an experiment is gone; return False where that was known.

        The experiment and its trials are over if they were not, with the reason ``ExperimentDeleted``. What is recorded later of how
        they really ended replaces that.
        """
