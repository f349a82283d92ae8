"""Experiments at a server elsewhere: what a client, a notebook or another service's Python code asks over gRPC."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, Self

from katib.errors import InvalidInput, Problem
from katib.experiments.protocol import Changes, ExperimentQuery, Page
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_connection import Connection
from katib.rpc.experiments_outage import Outage
from katib.rpc.experiments_records import event_of, experiment_of_message, observed_of, trial_of_message
from katib.rpc.experiments_values import EXPERIMENT_STATES, TRIAL_STATES, request_of
from katib.rpc.experiments_watching import watched_changes
from katib.rpc.experiments_worker_client import RemoteWorkerTrials

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from types import TracebackType

    from katib.api.experiment import Experiment
    from katib.api.trial import TrialState
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Budget
    from katib.store.protocol import Event, Observed

__all__ = ["RemoteExperiments"]

_TRIALS: Final = 1_000
_MEASUREMENTS: Final = 10_000
_EXPERIMENTS: Final = 1_000


class RemoteExperiments:
    """Experiments at one server, as ``katib.experiments.protocol.Experiments``; may be used by any number of threads.

    A server that does not answer is asked again, with growing pauses, and the logger ``katib`` says so once; each change has a request
    id, so that it is made once however often it is sent. After ``patience`` seconds a call raises StoreUnavailable with gRPC's own reason.
    Everything else that goes wrong is the error that the server raised, with its type.

    Example::

        with RemoteExperiments("katib.team-a:6789", token_file=Path("token")) as experiments:
            experiments.create("team-a", Path("experiment.yaml").read_text())

    Args:
        address: ``HOST:PORT``, or ``unix:PATH``.
        token: Says who calls; empty for nobody.
        token_file: Where it is instead; read with each call, as it is renewed.
        root_ca: Whose certificate the server may have, in PEM; None for plain text.
        deadline: Seconds that one message and its answer may take.
        patience: Seconds for which a call is made again; 0 for not at all.
        told: Called with a sentence when the server goes away, and when it is back.

    Raises:
        InvalidInput: The file of certificates cannot be read.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str = "",
        token_file: Path | None = None,
        root_ca: Path | None = None,
        deadline: float = 30.0,
        patience: float = 60.0,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self._connection = Connection(
            address,
            token=token,
            token_file=token_file,
            root_ca=root_ca,
            deadline=deadline,
            outage=Outage(address, patience, told),
        )
        self._workers = RemoteWorkerTrials(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; calls that run end with StoreUnavailable."""
        self._connection.close()

    # -- experiments --------------------------------------------------------------------------------------------------

    def create(self, namespace: str, document: str, *, request_id: str = "", dry_run: bool = False) -> Experiment:
        """Record one experiment; see ``Experiments``."""
        request = request_of(
            wire.CreateExperimentRequest,
            namespace=namespace,
            document=document,
            request_id=request_id or _new_id(),
            dry_run=dry_run,
        )
        return experiment_of_message(self._connection.call("CreateExperiment", request))

    def get(self, namespace: str, name: str) -> Experiment:
        """Return an experiment with its status."""
        request = request_of(wire.GetExperimentRequest, namespace=namespace, name=name)
        return experiment_of_message(self._connection.call("GetExperiment", request))

    def find(self, namespace: str | None, query: ExperimentQuery) -> Page:
        """Return experiments of one namespace, or of all."""
        if query.limit < 1:
            raise InvalidInput([Problem("limit", "must be at least 1", query.limit)])
        states = [(state, EXPERIMENT_STATES.number(state)) for state in query.states]
        problems = [
            Problem("states", f"must be of {EXPERIMENT_STATES.words}", state) for state, number in states if not number
        ]
        if problems:
            raise InvalidInput(problems)
        found: list[Experiment] = []
        after = query.after
        while True:
            reply = self._connection.call(
                "ListExperiments",
                request_of(
                    wire.ListExperimentsRequest,
                    namespace=namespace or "",
                    all_namespaces=namespace is None,
                    states=[number for _, number in states],
                    algorithm=query.algorithm,
                    name_prefix=query.name_prefix,
                    labels=query.labels,
                    page_size=min(query.limit - len(found), _EXPERIMENTS),
                    page_token=after,
                ),
            )
            found += map(experiment_of_message, reply.experiments)
            after = reply.next_page_token
            if not after or len(found) >= query.limit:
                return Page(tuple(found), after)

    def stop(self, namespace: str, name: str, *, at_once: bool = False, request_id: str = "") -> Experiment:
        """Ask for the end of an experiment; see ``Experiments``."""
        request = request_of(
            wire.StopExperimentRequest,
            namespace=namespace,
            name=name,
            request_id=request_id or _new_id(),
            at_once=at_once,
        )
        return experiment_of_message(self._connection.call("StopExperiment", request))

    def resume(
        self,
        namespace: str,
        name: str,
        *,
        max_trials: int | None = None,
        parallel: int | None = None,
        request_id: str = "",
    ) -> Experiment:
        """Go on with an experiment; see ``Experiments``."""
        request = request_of(
            wire.ResumeExperimentRequest,
            namespace=namespace,
            name=name,
            request_id=request_id or _new_id(),
            max_trial_count=max_trials,
            parallel_trial_count=parallel,
        )
        return experiment_of_message(self._connection.call("ResumeExperiment", request))

    def edit_budget(self, namespace: str, name: str, budget: Budget, *, request_id: str = "") -> Experiment:
        """Change how many trials there are to be; see ``Experiments``."""
        counts = {
            "max_trial_count": budget.max_trial_count,
            "parallel_trial_count": budget.parallel_trial_count,
            "max_failed_trial_count": budget.max_failed_trial_count,
        }
        request = request_of(
            wire.EditBudgetRequest, namespace=namespace, name=name, request_id=request_id or _new_id(), **counts
        )
        return experiment_of_message(self._connection.call("EditBudget", request))

    def delete(self, namespace: str, name: str, *, purge: bool = False, request_id: str = "") -> None:
        """Remove an experiment; see ``Experiments``."""
        request = request_of(
            wire.DeleteExperimentRequest,
            namespace=namespace,
            name=name,
            request_id=request_id or _new_id(),
            purge=purge,
        )
        self._connection.call("DeleteExperiment", request)

    def events(self, namespace: str, name: str, *, trial: str | None = None) -> list[Event]:
        """Return what was worth telling, oldest first."""
        request = request_of(wire.ListEventsRequest, namespace=namespace, experiment=name, trial=trial or "")
        return [event_of(event) for event in self._connection.call("ListEvents", request).events]

    def changes(self, namespace: str, name: str | None, cursor: str) -> Changes:
        """Return what changed since a cursor, without waiting; see ``Experiments``."""
        request = request_of(wire.ListChangesRequest, namespace=namespace, name=name or "", cursor=cursor)
        messages = self._connection.gathered("ListChanges", request)
        return Changes(
            cursor=messages[-1].cursor,
            experiments=tuple(experiment_of_message(each) for message in messages for each in message.experiments),
            trials=tuple(trial_of_message(each) for message in messages for each in message.trials),
            deleted=tuple((each.namespace, each.name, each.uid) for message in messages for each in message.deleted),
        )

    def watch(
        self, namespace: str, name: str | None = None, *, trials: bool = False, until_over: bool = False
    ) -> Iterator[Changes]:
        """Yield what there is, and then what changes as soon as it does; across restarts of the server, without gaps.

        Args:
            namespace: Where.
            name: Of one experiment, whose watch ends when it is gone; None for all of the namespace.
            trials: Also its trials.
            until_over: End when the experiment is over.

        Raises:
            NotFound: There is no such experiment.
        """
        request = request_of(
            wire.WatchExperimentsRequest, namespace=namespace, name=name or "", trials=trials, until_over=until_over
        )
        return watched_changes(lambda begin: self._connection.stream("WatchExperiments", begin), request)

    # -- trials -------------------------------------------------------------------------------------------------------

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
        if states is not None and not states:
            self.get(namespace, name)
            return []
        request = request_of(
            wire.ListTrialsRequest,
            namespace=namespace,
            experiment=name,
            states=[TRIAL_STATES.number(state) for state in states or ()],
            after_index=after_index,
        )
        return [trial_of_message(trial) for trial in self._pages("ListTrials", request, "trials", _TRIALS, limit)]

    def trial(self, namespace: str, name: str, trial: str) -> TrialRecord:
        """Return one trial."""
        request = request_of(wire.GetTrialRequest, namespace=namespace, experiment=name, name=trial)
        return trial_of_message(self._connection.call("GetTrial", request))

    def logs(self, namespace: str, name: str, trial: str, *, follow: bool = False) -> Iterator[bytes]:
        """Yield what a trial printed, in pieces; see ``Experiments``. A stream that broke off goes on where it did."""
        request = request_of(wire.ReadLogsRequest, namespace=namespace, experiment=name, trial=trial, follow=follow)
        messages = self._connection.stream("ReadLogs", lambda: request)
        # What is not there is told at once: the server's first message says that it is.
        first = next(messages, None)

        def pieces() -> Iterator[bytes]:
            if first is None:
                return
            for message in messages:
                if message.text:
                    request.offset = message.offset + len(message.text)
                    yield message.text

        return pieces()

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
        request = request_of(
            wire.ListMeasurementsRequest,
            namespace=namespace,
            experiment=name,
            trial=trial,
            metric=metric or "",
            after_sequence=after_sequence,
        )
        found = self._pages("ListMeasurements", request, "measurements", _MEASUREMENTS, limit)
        return [observed_of(each) for each in found]

    def _pages(self, method: str, request: Any, field: str, size: int, limit: int | None) -> list[Any]:
        """Return the records of all pages, or of as many as are wanted."""
        found: list[Any] = []
        while limit is None or len(found) < limit:
            request.page_size = size if limit is None else min(size, limit - len(found))
            reply = self._connection.call(method, request)
            found += getattr(reply, field)
            request.page_token = reply.next_page_token
            if not request.page_token:
                break
        return found

    # -- trials that callers run --------------------------------------------------------------------------------------

    @property
    def workers(self) -> RemoteWorkerTrials:
        """Ask and tell."""
        return self._workers


def _new_id() -> str:
    return uuid.uuid4().hex
