"""The store beside a cluster as those ask it who look at trials: what trials reported, and what is to be removed for good."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from katib.api.experiment import Metric, Observation
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.errors import Conflict, NotFound
from katib.rpc import store_v1 as wire
from katib.rpc.server_access import token_metadata
from katib.rpc.store_client import StoreClient
from katib.store.protocol import Observed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from katib.experiments.protocol import Measurement

__all__ = ["ClusterStore"]

_LOGGER: Final = logging.getLogger(__name__)
_PAGE: Final = 10_000
_TOLD_WITHIN: Final = 1.0
"""Seconds in which an operator has told of what it knows."""
_LONGEST_PURGE: Final = 20.0
_STATES: Final = {
    wire.RUN_STATE_CREATED: TrialState.CREATED,
    wire.RUN_STATE_RUNNING: TrialState.RUNNING,
    wire.RUN_STATE_SUCCEEDED: TrialState.SUCCEEDED,
    wire.RUN_STATE_KILLED: TrialState.KILLED,
    wire.RUN_STATE_FAILED: TrialState.FAILED,
    wire.RUN_STATE_METRICS_UNAVAILABLE: TrialState.METRICS_UNAVAILABLE,
    wire.RUN_STATE_EARLY_STOPPED: TrialState.EARLY_STOPPED,
}


class ClusterStore(StoreClient):
    """A client of the store server; may be used by any number of threads.

    Args:
        address: As of every such client.
        former_token_file: Says who calls as long as ``token_file`` is not there, which is told once: of an installation whose Secret
            of keys is older than this version.
        options: Further ones of ``StoreClient``.
    """

    def __init__(self, address: str, *, former_token_file: Path | None = None, **options: Any) -> None:
        super().__init__(address, **options)
        self._former_token_file = former_token_file
        self._told = False

    @override
    def _metadata(self) -> list[tuple[str, str]]:
        wanted, former = self._token_file, self._former_token_file
        if wanted is None or former is None or wanted.exists():
            return super()._metadata()
        if not self._told:
            self._told = True
            _LOGGER.warning(
                "there is no %s, so the store is asked with %s, which may not purge: apply the manifests again, whose Job katib-keys adds "
                "what the Secret katib-keys lacks",
                wanted,
                former,
            )
        return token_metadata("the store", self._address, "", former)

    def observations(
        self,
        trial: Mapping[str, str],
        *,
        metric: str | None = None,
        after_sequence: int | None = None,
        limit: int | None = None,
    ) -> list[Observed]:
        """Return what a trial reported, in the order of reporting.

        Args:
            trial: Its ``namespace`` and ``name``, and the ``experiment_id``.
            metric: Only this one.
            after_sequence: Only later ones.
            limit: So many at most.

        Raises:
            NotFound: The trial was not recorded, or not yet.
        """
        run = self._run_id(trial)
        found: list[Observed] = []
        more = True
        while more and (limit is None or len(found) < limit):
            size = _PAGE if limit is None else min(_PAGE, limit - len(found))
            reply = self._call(
                "ListObservations",
                wire.ListObservationsRequest(
                    namespace=trial["namespace"],
                    run_id=run,
                    metric=metric or "",
                    after_sequence=after_sequence,
                    page_size=size,
                ),
            )
            found += map(_observed, reply.observations)
            more = reply.more
            if found:
                after_sequence = found[-1].sequence
        return found

    def trial(self, trial: Mapping[str, str]) -> TrialRecord:
        """Return what was recorded of a trial.

        Raises:
            NotFound: Nothing was.
        """
        run = self._call(
            "GetRun",
            wire.GetRunRequest(namespace=trial["namespace"], experiment_id=trial["experiment_id"], name=trial["name"]),
        )
        measured = [
            Metric(name=each.name, min=each.min or each.latest, max=each.max or each.latest, latest=each.latest)
            for each in run.metrics
        ]
        return TrialRecord(
            index=run.index,
            name=run.name,
            state=_STATES.get(run.state, TrialState.CREATED),
            assignments=tuple((each.name, each.text) for each in run.parameters),
            created=run.create_time.ToDatetime(UTC),
            started=_time(run, "start_time"),
            finished=_time(run, "end_time"),
            observation=Observation(metrics=measured) if measured else None,
            reason=run.reason,
            message=run.message,
        )

    def append(self, trial: Mapping[str, str], measurements: Iterable[Measurement], first_sequence: int) -> int:
        """Record what a trial's caller measured, and return the number of its next sample; numbers that are there stay as they are.

        Raises:
            NotFound: The trial was not recorded, or not yet.
        """
        request = wire.AppendRequest(
            namespace=trial["namespace"], run_id=self._run_id(trial), first_sequence=first_sequence
        )
        for each in measurements:
            message = request.observations.add(metric=each.name, text=each.text)
            if each.step is not None:
                message.step = each.step
            if each.time is not None:
                message.time.FromDatetime(each.time.astimezone(UTC))
        return int(self._call("Append", request).next_sequence)

    def forget(self, trial: Mapping[str, str]) -> None:
        """Remove what a trial reported, as it is run anew; nothing where nothing was."""
        try:
            request = wire.DeleteMetricsRequest(namespace=trial["namespace"], run_id=self._run_id(trial), all=True)
            self._call("DeleteMetrics", request)
        except NotFound:
            return

    def _run_id(self, trial: Mapping[str, str]) -> str:
        request = wire.GetRunRequest(
            namespace=trial["namespace"], experiment_id=trial["experiment_id"], name=trial["name"]
        )
        request.read_mask.paths.append("id")
        return str(self._call("GetRun", request).id)

    def check_purge(self, namespace: str, uid: str) -> None:
        """Return only if whoever this client is may purge there; nothing is purged.

        Raises:
            Denied: They may not.
        """
        request = wire.PurgeRequest(namespace=namespace, experiment_id=uid or "none")
        request.deleted_before.FromDatetime(datetime.fromtimestamp(1, UTC))
        try:
            self._call("Purge", request)
        except NotFound:
            return

    def purge(self, namespace: str, name: str, uid: str = "") -> None:
        """Remove what was recorded of a deleted experiment, for good; nothing where nothing was.

        Args:
            namespace: Its own.
            name: Its own.
            uid: Its own; empty where only its name is known: then of all that had it.

        Raises:
            Denied: Whoever this client is may not.
        """
        for each in [uid] if uid else self._named(namespace, name):
            self._purge(namespace, each)

    def _named(self, namespace: str, name: str) -> list[str]:
        quoted = name.replace("\\", "\\\\").replace("'", "\\'")
        request = wire.FindExperimentsRequest(
            namespace=namespace, filter=f"name = '{quoted}'", lifecycle=wire.LIFECYCLE_ALL
        )
        return [each.id for each in self._call("FindExperiments", request).experiments]

    def _purge(self, namespace: str, uid: str) -> None:
        """Remove an experiment; again where its operator, which tells of it in the background, has told of it meanwhile."""
        until = time.monotonic() + _LONGEST_PURGE
        while self.has(namespace, uid) and time.monotonic() < until:
            node = wire.Node(kind=wire.NODE_KIND_EXPERIMENT, id=uid)
            try:
                self._call("Delete", wire.DeleteRequest(namespace=namespace, node=node))
                request = wire.PurgeRequest(namespace=namespace, experiment_id=uid)
                # The store's clock may be another.
                request.deleted_before.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
                self._call("Purge", request)
            except (NotFound, Conflict):
                pass
            time.sleep(_TOLD_WITHIN)

    def has(self, namespace: str, uid: str) -> bool:
        """Whether anything is recorded of an experiment."""
        request = wire.FindExperimentsRequest(
            namespace=namespace, filter=f"experiment_id = '{uid}'", lifecycle=wire.LIFECYCLE_ALL
        )
        return bool(self._call("FindExperiments", request).experiments)


def _observed(message: Any) -> Observed:
    return Observed(
        sequence=message.sequence,
        name=message.metric,
        text=message.text,
        value=message.value if message.HasField("value") else None,
        time=_time(message, "time"),
        step=message.step if message.HasField("step") else None,
    )


def _time(message: Any, field: str) -> datetime | None:
    found: datetime | None = getattr(message, field).ToDatetime(UTC) if message.HasField(field) else None
    return found
