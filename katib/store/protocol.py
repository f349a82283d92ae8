"""What a store does, whatever database is behind it; ``katib.testing.store_contract`` holds every store to it.

Rules that all methods share:

- A method that returns has made its change durable, or the enclosing ``transaction()`` will.
- All or nothing: a method that raises has changed nothing; where a server was lost in the middle of a commit, the message says that
  this one change may be there as a whole.
- Any number of threads may share a store; every process opens its own (a forked child must not use its parent's).
- Every method raises ``StoreUnavailable`` when the database is away, full, damaged or locked beyond patience, and ``NotFound``
  for an experiment or a trial that is not there, unless it says otherwise.
- Times are aware; they come back in UTC, to the microsecond.
- Text comes back as it was given; what UTF-8 cannot hold (lone surrogates) comes back escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from types import TracebackType

    from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
    from katib.api.trial import TrialState
    from katib.engine.trial import TrialRecord

__all__ = [
    "Answer",
    "Event",
    "EventKind",
    "ExperimentSummary",
    "ExperimentVersion",
    "Observed",
    "Reported",
    "RequestKind",
    "Store",
    "Summary",
]

EventKind = Literal["Normal", "Warning"]
RequestKind = Literal["stop", "kill", "reload"]
"""End the experiment; kill what runs of it; read it again, as it was edited or resumed."""


class Reported(Protocol):
    """One value of one metric as a collector hands it over."""

    @property
    def name(self) -> str:
        """The metric."""

    @property
    def text(self) -> str:
        """The value as it was reported."""

    @property
    def time(self) -> datetime | None:
        """When, if the report says so (aware)."""

    @property
    def step(self) -> int | None:
        """The training step, if the report says so."""


class Observed(NamedTuple):
    """One stored value of one metric; a tuple, as thousands of them are made for one chart.

    Attributes:
        sequence: Its number among all reports of the trial, from 0.
        name: The metric.
        text: As it was reported.
        value: The same as a double, NaN and infinities included; None for a word such as ``unavailable``.
        time: When, if the report said so.
        step: The training step, if the report said so.
    """

    sequence: int
    name: str
    text: str
    value: float | None
    time: datetime | None
    step: int | None


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What is reported of one trial, for a call about several.

    Attributes:
        trial: Its name.
        samples: In the order of reporting.
        first_sequence: The number of the first one.
        checkpoint: The collector's place after them; None leaves the one before.
    """

    trial: str
    samples: Sequence[Reported]
    first_sequence: int
    checkpoint: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """One metric of one trial in short, all as reported.

    Attributes:
        first: The report with the least time; of several, the one reported first.
        latest: The report with the greatest time; of several, the one reported last (a report without a time is older than any
            with one, as in Katib).
        min: The least number; NaN and words do not count, infinities do; empty where there is none.
        max: The greatest number, likewise.
        count: How many reports.
    """

    first: str
    latest: str
    min: str
    max: str
    count: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling a person; the same thing again raises ``count`` and ``last``.

    Attributes:
        reason: A CamelCase word.
        trial: The trial it is about, or None for the experiment.
        first: When it was recorded first.
        last: When it was recorded last.
    """

    reason: str
    message: str
    kind: EventKind
    trial: str | None
    count: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """An experiment as a list shows it."""

    name: str
    namespace: str
    uid: str
    created: datetime
    status: ExperimentStatus
    algorithm: str
    max_trials: int | None


@dataclass(frozen=True, slots=True)
class ExperimentVersion:
    """Which experiment has a name, and whether it is still what it was.

    Attributes:
        version: ``resourceVersion``; another one after each change of its spec or status.
    """

    namespace: str
    name: str
    uid: str
    version: str


class Answer(NamedTuple):
    """What was answered to a request that may be made again.

    Attributes:
        request: Stands for all that was asked for.
        document: The answer.
    """

    request: str
    document: dict[str, Any]


class Store(Protocol):
    """Experiments, trials, observations and events; may be used by any number of threads and processes at once."""

    def close(self) -> None:
        """Let go of the database; a closed store can only be closed again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def transaction(self) -> AbstractContextManager[None]:
        """Make all calls of this thread inside the block one change; a block inside a block can fail alone.

        ``StoreUnavailable`` inside is the end of the whole change, even where it is caught.
        """

    # -- experiments ----------------------------------------------------------------------------------------------

    def create_experiment(self, experiment: Experiment, *, owner: str = "") -> Experiment:
        """Record an experiment and return it with uid, creation time, namespace, generation and resource version.

        These are new ones, whatever the given experiment has there, and its status starts empty. Its project is the one that the
        label ``katib.kubeflow.org/project`` names, made if it is not there, or else ``Default``.

        Args:
            owner: Whose it is.

        Raises:
            Conflict: The namespace has one of this name.
            InvalidInput: It has no name, or one of more than 255 characters.
        """

    def experiment(self, namespace: str, name: str) -> Experiment:
        """Return an experiment with its status."""

    def experiments(self, namespace: str | None = None) -> list[ExperimentSummary]:
        """Return the experiments of one namespace or of all, by namespace and name; the cost does not depend on trials."""

    def versions(self, namespace: str | None = None, name: str | None = None) -> list[ExperimentVersion]:
        """Return what experiments there are, of one name or of all, by namespace and name; reads no document, to be asked often."""

    def save_status(self, uid: str, status: ExperimentStatus) -> None:
        """Replace the status of an experiment; counts as a change of it (``resource_version``)."""

    def update_spec(self, uid: str, spec: ExperimentSpec, *, resource_version: str | None = None) -> None:
        """Replace the spec of an experiment and count its generation up.

        Args:
            resource_version: Of the experiment the change was made from.

        Raises:
            Conflict: The experiment was changed since that resource version.
        """

    def delete_experiment(self, uid: str) -> None:
        """Remove an experiment and everything of it; one that is not there is fine."""

    # -- trials ---------------------------------------------------------------------------------------------------

    def record_trials(self, uid: str, records: Sequence[TrialRecord]) -> None:
        """Insert or replace trials by their index; of several with one index the last counts.

        Raises:
            Conflict: An index would get another name, or a name another index.
            InvalidInput: A name has more than 255 characters, or a number is larger than the database takes.
        """

    def trials(
        self,
        uid: str,
        *,
        states: Collection[TrialState] | None = None,
        after_index: int | None = None,
        limit: int | None = None,
    ) -> list[TrialRecord]:
        """Return trials by index; pass the last index seen as ``after_index`` to go on."""

    def trial(self, uid: str, name: str) -> TrialRecord:
        """Return one trial."""

    def count_trials(self, uid: str) -> int:
        """Return how many trials the experiment has."""

    def changes(self, uid: str, since: int) -> tuple[int, list[TrialRecord]]:
        """Return the trials recorded after ``since``, oldest change first, and the cursor to ask with next; 0 asks for all.

        A cursor taken inside a transaction is worth what the transaction is: nothing when it fails.
        """

    def save_job(self, uid: str, trial_name: str, job: Mapping[str, Any]) -> None:
        """Keep the job document of a trial."""

    def save_jobs(self, uid: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the job documents of several trials, by their names, for less than one after the other."""

    def job(self, uid: str, trial_name: str) -> dict[str, Any] | None:
        """Return the job document of a trial, or None when none was kept."""

    def jobs(self, uid: str) -> dict[str, dict[str, Any]]:
        """Return the job documents of all trials that have one, by the trial's name."""

    # -- observations ---------------------------------------------------------------------------------------------

    def append_observations(
        self,
        uid: str,
        trial_name: str,
        samples: Sequence[Reported],
        *,
        first_sequence: int,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> None:
        """Append samples numbered from ``first_sequence``; those stored before are left alone, so repeating a call is safe.

        Args:
            checkpoint: The collector's place after these samples, kept in the same transaction; ignored when the store is
                already further. None leaves the one before.

        Raises:
            Conflict: Samples between the stored ones and these are missing.
        """

    def append_reports(self, uid: str, reports: Sequence[TrialReport]) -> None:
        """Do as ``append_observations`` for several trials, each of which is there once, for less than one after the other.

        Raises:
            Conflict: Of one of them samples are missing; then nothing was appended, and a transaction goes on without.
            NotFound: One of them is not there; likewise.
        """

    def clear_observations(self, uid: str, trial_name: str) -> None:
        """Forget what a trial reported and where its collector stands: it is run again from its beginning."""

    def collector_state(self, uid: str, trial_name: str) -> tuple[dict[str, Any] | None, int]:
        """Return the last checkpoint and the number of the next sample."""

    def series(
        self,
        uid: str,
        trial_name: str,
        metric: str | None = None,
        *,
        after_sequence: int | None = None,
        limit: int | None = None,
    ) -> list[Observed]:
        """Return what a trial reported, in the order of reporting."""

    def summaries(self, uid: str, trial_name: str) -> dict[str, Summary]:
        """Return every metric of a trial in short, by name, in the order of first report."""

    def summaries_of(self, uid: str, names: Sequence[str]) -> dict[str, dict[str, Summary]]:
        """Return every metric of several trials in short, by trial, as ``summaries``."""

    # -- events and requests --------------------------------------------------------------------------------------

    def record_event(
        self, uid: str, reason: str, message: str, *, kind: EventKind = "Normal", trial: str | None = None
    ) -> None:
        """Record something worth telling; the same words about the same thing are counted, not kept twice."""

    def events(self, uid: str, trial: str | None = None, limit: int | None = None) -> list[Event]:
        """Return the events of an experiment and its trials, or of one trial only, in the order of ``last``.

        Args:
            limit: Only so many of the most recent ones.
        """

    def answer(self, namespace: str, request_id: str) -> Answer | None:
        """Return what was kept of a request that may be made again; None where nothing was, or it is too long ago."""

    def keep_answer(self, namespace: str, request_id: str, request: str, document: Mapping[str, Any]) -> None:
        """Keep the answer to a request for a day, in place of one that was kept before.

        Said in the transaction of a change, it is there if and only if the change is.

        Args:
            namespace: Where it was made.
            request_id: Of its maker's choosing.
            request: Stands for all that was asked for: at most 64 characters.
            document: What was answered.
        """

    def request(self, uid: str, action: RequestKind) -> None:
        """Ask the process that drives the experiment for something; asking twice is asking once."""

    def requests(self, uid: str) -> list[str]:
        """Return what was asked, oldest first."""

    def clear_requests(self, uid: str) -> None:
        """Forget what was asked."""
