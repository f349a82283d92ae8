"""What can be done with experiments, whatever runs them: this machine, a ``katib up`` server, or a cluster.

``LocalExperiments`` does it here, ``RemoteExperiments`` asks a server over gRPC (whose service asks one of the others), and
``ClusterExperiments`` has custom resources. ``katib.testing.experiments_contract`` holds all of them to the same rules:

- A method that returns has made its change durable. Made again with the same ``request_id`` it is made once, also by another process and
  for at least a day where the place can keep it; an id that was used in the namespace for anything else is a ``Conflict``. On a cluster
  an id is kept with its experiment (the last 16), and that of a deletion by whoever serves it only: there is nothing left to keep it with.
- Errors are those of ``katib.errors``, and say what to do: ``NotFound`` for an experiment or a trial that is not there, ``Conflict`` for
  a name that is taken or a state that does not allow it, ``InvalidInput`` with all that is wrong, ``StoreUnavailable`` for a place that
  does not answer.
- Any number of threads may share one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import datetime
    from types import TracebackType

    from katib.api.experiment import Experiment
    from katib.api.trial import TrialState
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Event, Observed

__all__ = [
    "Budget",
    "Changes",
    "ExperimentQuery",
    "Experiments",
    "HeldTrial",
    "Measurement",
    "Outcome",
    "Page",
    "StopOrder",
    "Suggested",
    "Volumes",
    "WorkerTrials",
]


@dataclass(frozen=True, slots=True)
class ExperimentQuery:
    """Which experiments are wanted.

    Attributes:
        states: In one of these (``Created``, ``Running``, ``Restarting``, ``Succeeded``, ``Failed``, ``Stopped``); empty for any.
        algorithm: With this one; empty for any.
        name_prefix: Whose name begins so.
        labels: That have these.
        limit: So many at most.
        after: What the page before said; empty for the first one.
    """

    states: Collection[str] = ()
    algorithm: str = ""
    name_prefix: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: int = 100
    after: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some experiments by namespace and name, and where the next ones begin; empty after the last."""

    experiments: tuple[Experiment, ...]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many trials there are to be; None leaves what there is."""

    max_trial_count: int | None = None
    parallel_trial_count: int | None = None
    max_failed_trial_count: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to experiments since a cursor.

    Attributes:
        cursor: To ask with next.
        experiments: Those that changed, as they are now.
        trials: Of the one that was asked for, those that changed, oldest change first.
        deleted: (namespace, name, uid) of those that are gone.
    """

    cursor: str
    experiments: tuple[Experiment, ...] = ()
    trials: tuple[TrialRecord, ...] = ()
    deleted: tuple[tuple[str, str, str], ...] = ()


class Outcome(enum.Enum):
    """How a trial ended that its caller ran."""

    COMPLETED = "completed"
    BROKEN = "broken"
    INFEASIBLE = "infeasible"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of one metric; what the store calls a sample (``katib.store.protocol.Reported``)."""

    name: str
    text: str
    time: datetime | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class StopOrder:
    """Whether to end a trial, and why."""

    should_stop: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HeldTrial:
    """What a client is told about a trial it believes to hold.

    Attributes:
        lost: It is somebody else's now, or has ended.
    """

    name: str
    lost: bool = False
    should_stop: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Suggested:
    """Trials for a client to run.

    Attributes:
        trials: Those it holds now.
        over: There will be no more: ``state`` and ``reason`` say why.
        waiting: Why there are fewer than asked, if it is not over.
    """

    trials: tuple[TrialRecord, ...]
    over: bool = False
    state: str = ""
    reason: str = ""
    waiting: str = ""


class Experiments(Protocol):
    """Experiments in one place, and their trials."""

    def close(self) -> None:
        """Let go of what it holds; experiments run on where they run without this process."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    # -- experiments ----------------------------------------------------------------------------------------------

    def create(self, namespace: str, document: str, *, request_id: str = "", dry_run: bool = False) -> Experiment:
        """Record one experiment, which begins at once, and return it as it is recorded.

        Args:
            namespace: Where; takes the place of the document's.
            document: One Experiment as YAML or JSON. Without a trial template, its trials are run by callers (``WorkerTrials``).
            request_id: Of the caller's choosing.
            dry_run: Only check it, and return it with its defaults.

        Raises:
            InvalidExperiment: With every problem.
            Conflict: The namespace has another one of the name.
        """

    def get(self, namespace: str, name: str) -> Experiment:
        """Return an experiment with its status."""

    def find(self, namespace: str | None, query: ExperimentQuery) -> Page:
        """Return experiments of one namespace, or of all."""

    def stop(self, namespace: str, name: str, *, at_once: bool = False, request_id: str = "") -> Experiment:
        """Ask for the end of an experiment, which comes by and by; one that is over is left as it is."""

    def resume(
        self,
        namespace: str,
        name: str,
        *,
        max_trials: int | None = None,
        parallel: int | None = None,
        request_id: str = "",
    ) -> Experiment:
        """Go on with an experiment that was stopped or used up its budget; one that runs is left as it is, but for the counts.

        Raises:
            InvalidExperiment: Its state or its resume policy does not allow it; the message says which edit would.
        """

    def edit_budget(self, namespace: str, name: str, budget: Budget, *, request_id: str = "") -> Experiment:
        """Change how many trials there are to be; a running experiment heeds it. One that used up its budget goes on with a greater one.

        Raises:
            InvalidExperiment: As ``resume``; or a count is none.
        """

    def delete(self, namespace: str, name: str, *, purge: bool = False, request_id: str = "") -> None:
        """Remove an experiment, ending what runs of it; one that is not there is fine.

        Args:
            purge: Also what was recorded of it; else that stays in the store, for ``restore``.
        """

    def events(self, namespace: str, name: str, *, trial: str | None = None) -> list[Event]:
        """Return what was worth telling, oldest first."""

    def changes(self, namespace: str, name: str | None, cursor: str) -> Changes:
        """Return what changed since a cursor, without waiting; the empty cursor asks for everything.

        Args:
            name: Of one experiment, with its trials; None for all of the namespace, without.
        """

    # -- trials ---------------------------------------------------------------------------------------------------

    def trials(
        self,
        namespace: str,
        name: str,
        *,
        states: Collection[TrialState] | None = None,
        after_index: int | None = None,
        limit: int | None = None,
    ) -> list[TrialRecord]:
        """Return trials by index."""

    def trial(self, namespace: str, name: str, trial: str) -> TrialRecord:
        """Return one trial."""

    def logs(self, namespace: str, name: str, trial: str, *, follow: bool = False) -> Iterator[bytes]:
        """Yield what a trial printed, in pieces; with ``follow`` until it has ended. NotFound at once where there can be nothing."""

    def observations(
        self,
        namespace: str,
        name: str,
        trial: str,
        *,
        metric: str | None = None,
        after_sequence: int | None = None,
        limit: int | None = None,
    ) -> list[Observed]:
        """Return what a trial reported, in the order of reporting."""

    # -- trials that callers run ----------------------------------------------------------------------------------

    @property
    def workers(self) -> WorkerTrials:
        """Ask and tell.

        Raises:
            Unsupported: Not in this place.
        """


class Volumes(Protocol):
    """Volumes that trials share; places have them whose trials are pods (``ClusterExperiments.volumes``)."""

    def claim(self, namespace: str, document: Mapping[str, Any]) -> bool:
        """Claim one, and return whether it is new: one of the name stays as it is.

        Raises:
            InvalidInput: It cannot be claimed so; the message is the server's.
        """

    def release(self, namespace: str, name: str) -> None:
        """Give a claim up; one that is not there is fine."""


class WorkerTrials(Protocol):
    """Ask and tell: trials of an experiment without a trial template, run by callers.

    A trial is its client's for the time of a lease (seconds), which every call about it renews; then it is given to somebody else, and
    after three of them have lost it, it has failed. Everything is durable when its future is done, and survives the server: a client that
    comes back gets what it held. A call gives its future at once, whatever it waits for: whoever serves others needs no thread for it.
    Futures are done by other threads; a caller that only wants the answer says ``.result()``.
    """

    def suggest(
        self, namespace: str, experiment: str, client_id: str, *, count: int = 1, lease: float = 60.0, wait: float = 0.0
    ) -> Future[Suggested]:
        """Give a client trials to run, those it holds already first.

        Args:
            wait: Seconds to wait for the first one where there is none now.

        Raises (in the future):
            NotFound, Conflict: There is no such experiment, or its trials are not run by callers.
        """

    def heartbeat(
        self, namespace: str, experiment: str, client_id: str, trials: Sequence[str] = (), *, lease: float = 60.0
    ) -> Future[list[HeldTrial]]:
        """Renew leases: of these trials, or of all that the client holds."""

    def report(
        self,
        namespace: str,
        experiment: str,
        trial: str,
        client_id: str,
        measurements: Sequence[Measurement],
        *,
        request_id: str = "",
    ) -> Future[StopOrder]:
        """Record values of metrics; Conflict where the trial is not the client's any more."""

    def complete(
        self,
        namespace: str,
        experiment: str,
        trial: str,
        client_id: str,
        outcome: Outcome,
        *,
        measurements: Sequence[Measurement] = (),
        message: str = "",
        request_id: str = "",
    ) -> Future[TrialRecord]:
        """Record how a trial ended, with its last values; the same again is answered with the same.

        Raises (in the future):
            Conflict: It is not the client's any more, or ended otherwise.
        """

    def should_stop(self, namespace: str, experiment: str, trial: str, client_id: str) -> Future[StopOrder]:
        """Say whether to go on with a trial."""
