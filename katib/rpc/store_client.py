"""What a driver elsewhere asks of a store server: the calls of ``katib.v1.Store`` that a cluster's operator makes, for its threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import grpc

from katib.errors import NotFound, StoreUnavailable
from katib.rpc import store_v1 as wire
from katib.rpc.recording_text import experiment_text, job_text, trial_text
from katib.rpc.remote_errors import store_error
from katib.rpc.server_access import open_channel, token_metadata
from katib.rpc.services import MESSAGE_OPTIONS
from katib.rpc.tracking_stub import StoreStub
from katib.store.protocol import Summary
from katib.store.tracking.recording import OpenExperiment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import EventKind

__all__ = ["StoreClient"]

_MOST_TRIALS: Final = 1_000
"""In one call."""
_MOST_BYTES: Final = 4 << 20
"""In one call of several trials: their jobs may be large, and one commit should not last."""
_PAGE: Final = 100_000
_OPTIONS: Final = (
    *MESSAGE_OPTIONS,
    # A store that was away is asked again soon after it is back, and not after the two minutes that are gRPC's own limit.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Where the other machine is gone without a word, nothing ends a connection but this; calls would wait for it for a quarter of an hour.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


class StoreClient:
    """A client of one store server; may be used by any number of threads.

    Every call raises StoreUnavailable where the server does not answer, or not in time, and the other errors of ``katib.errors`` by what
    it answered. Every change can be made again: it is there once.

    Example::

        with StoreClient("katib-store:6789", token_file=Path("/var/run/secrets/katib/token")) as store:
            store.record_experiment(experiment, version=7)

    Args:
        address: ``HOST:PORT``, or ``unix:PATH``.
        token: Says who calls; empty for nobody.
        token_file: Where it is instead; read with each call, as it is renewed.
        root_ca: Whose certificate the server may have, in PEM; None for plain text.
        deadline: Seconds that one message and its answer may take.

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
        deadline: float = 10.0,
    ) -> None:
        self._address = address
        self._token = token
        self._token_file = token_file
        self._deadline = deadline
        self._channel = open_channel(address, root_ca, _OPTIONS)
        self._stub = StoreStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; calls that run end with StoreUnavailable."""
        self._channel.close()

    # -- what is recorded ---------------------------------------------------------------------------------------------

    def record_experiment(self, experiment: Experiment, version: int) -> None:
        """Record an experiment with its status.

        Args:
            experiment: With uid, name and namespace.
            version: Grows with each change of it; the same or a lesser one than was recorded changes nothing.
        """
        self._call(
            "RecordExperiment",
            wire.RecordExperimentRequest(
                namespace=_namespace(experiment), resource_json=experiment_text(experiment), version=version
            ),
        )

    def record_trials(
        self,
        experiment: Experiment,
        records: Sequence[TrialRecord],
        *,
        jobs: Mapping[str, Mapping[str, Any]] | None = None,
        places: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Record trials of an experiment that was recorded; what is older than what is known changes nothing.

        More than go into one message go in several: what those before a failure hold is there.

        Args:
            experiment: Theirs.
            records: Any number.
            jobs: What some of them run as, by their names.
            places: Where some of them run, likewise.

        Raises:
            NotFound: The experiment was not recorded.
        """
        for trials in _messages(records, jobs or {}, places or {}):
            self._call(
                "RecordTrials",
                wire.RecordTrialsRequest(
                    namespace=_namespace(experiment), experiment_id=_uid(experiment), trials=trials
                ),
            )

    def record_event(
        self,
        experiment: Experiment,
        reason: str,
        message: str,
        *,
        kind: EventKind = "Normal",
        trial: str = "",
        event_id: str = "",
        count: int = 1,
        time: datetime | None = None,
    ) -> None:
        """Record something worth telling; with an id of the caller's choosing, the same call again counts nothing twice."""
        request = wire.RecordEventRequest(
            namespace=_namespace(experiment),
            experiment_id=_uid(experiment),
            reason=reason,
            message=message,
            kind=wire.EVENT_KIND_WARNING if kind == "Warning" else wire.EVENT_KIND_NORMAL,
            trial=trial,
            event_id=event_id,
            count=count,
        )
        if time is not None:
            request.time.FromDatetime(time)
        self._call("RecordEvent", request)

    def mark_deleted(self, namespace: str, uid: str) -> None:
        """Record that the object of an experiment is gone; of one that the store does not have there is nothing to record."""
        try:
            self._call(
                "MarkExperimentDeleted", wire.MarkExperimentDeletedRequest(namespace=namespace, experiment_id=uid)
            )
        except NotFound:
            return

    def open_experiments(self, cluster: str, namespace: str | None) -> Iterator[OpenExperiment]:
        """Yield the experiments of a cluster that are not over as far as the store knows, a page at a time.

        Args:
            cluster: They were recorded with.
            namespace: Only those of one; None for all.
        """
        request = wire.ListOpenExperimentsRequest(namespace=namespace or "", cluster=cluster)
        while True:
            reply = self._call("ListOpenExperiments", request)
            for each in reply.experiments:
                yield OpenExperiment(each.namespace, each.experiment_id, each.name)
            if not reply.next_page_token:
                return
            request.page_token = reply.next_page_token

    # -- what was reported --------------------------------------------------------------------------------------------

    def summaries(self, experiment: Experiment, names: Sequence[str]) -> dict[str, dict[str, Summary]]:
        """Return the metrics of trials in short, by trial and metric; trials that reported nothing are absent.

        Raises:
            NotFound: The experiment was not recorded.
        """
        found: dict[str, dict[str, Summary]] = {}
        for start in range(0, len(names), _MOST_TRIALS):
            reply = self._call(
                "GetTrialSummaries",
                wire.GetTrialSummariesRequest(
                    namespace=_namespace(experiment),
                    experiment_id=_uid(experiment),
                    trials=names[start : start + _MOST_TRIALS],
                ),
            )
            for trial in reply.trials:
                found[trial.trial] = {
                    metric.name: Summary(
                        first=metric.first,
                        latest=metric.latest,
                        min=metric.min,
                        max=metric.max,
                        count=metric.count,
                    )
                    for metric in trial.metrics
                }
        return found

    def series(self, experiment: Experiment, trial: str, metric: str) -> list[float | None]:
        """Return one metric of a trial in the order of reporting; None stands for a word.

        Raises:
            NotFound: The trial was not recorded.
        """
        namespace = _namespace(experiment)
        request = wire.GetRunRequest(namespace=namespace, experiment_id=_uid(experiment), name=trial)
        request.read_mask.paths.append("id")
        run = self._call("GetRun", request).id
        values: list[float | None] = []
        after: int | None = None
        while True:
            reply = self._call(
                "ListObservations",
                wire.ListObservationsRequest(
                    namespace=namespace, run_id=run, metric=metric, after_sequence=after, page_size=_PAGE
                ),
            )
            values += [each.value if each.HasField("value") else None for each in reply.observations]
            if not reply.more:
                return values
            after = reply.observations[-1].sequence

    # -- calls --------------------------------------------------------------------------------------------------------

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request, timeout=self._deadline, metadata=self._metadata())
        except grpc.RpcError as error:
            raise store_error(self._address, error) from error
        except ValueError as error:  # what gRPC says of a closed channel
            raise StoreUnavailable(f"the store at {self._address} cannot be asked: {error}") from error

    def _metadata(self) -> list[tuple[str, str]]:
        return token_metadata("the store", self._address, self._token, self._token_file)


def _namespace(experiment: Experiment) -> str:
    return experiment.metadata.namespace or ""


def _uid(experiment: Experiment) -> str:
    return experiment.metadata.uid or ""


def _messages(
    records: Sequence[TrialRecord],
    jobs: Mapping[str, Mapping[str, Any]],
    places: Mapping[str, Mapping[str, str]],
) -> Iterator[list[wire.RecordedTrial]]:
    """Yield trials as they fit into one call each."""
    trials: list[wire.RecordedTrial] = []
    size = 0
    for record in records:
        job = jobs.get(record.name)
        trial = wire.RecordedTrial(
            record_json=trial_text(record),
            job_json="" if job is None else job_text(job),
            place=places.get(record.name),
        )
        if trials and (len(trials) == _MOST_TRIALS or size + trial.ByteSize() > _MOST_BYTES):
            yield trials
            trials, size = [], 0
        trials.append(trial)
        size += trial.ByteSize()
    if trials:
        yield trials
