"""The store beside a cluster as those ask it who look at trials: what trials reported, and what is to be removed for good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict, NotFound
from katib.rpc import store_v1 as wire
from katib.rpc.store_client import StoreClient
from katib.store.protocol import Observed

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ClusterStore"]

_PAGE: Final = 10_000


class ClusterStore(StoreClient):
    """A client of the store server; may be used by any number of threads."""

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
        request = wire.GetRunRequest(**trial)
        request.read_mask.paths.append("id")
        run = self._call("GetRun", request).id
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

    def knows_deleted(self, namespace: str, uid: str) -> bool:
        """Whether the store was told that the object of an experiment is gone, or never heard of it."""
        try:
            found = self._call("GetExperiment", wire.GetExperimentRequest(namespace=namespace, experiment_id=uid))
        except NotFound:
            return True
        return bool(found.HasField("delete_time"))

    def deleted_experiments(self, namespace: str, name: str) -> list[str]:
        """Return the uids of the deleted experiments that had a name."""
        quoted = name.replace("\\", "\\\\").replace("'", "\\'")
        request = wire.FindExperimentsRequest(
            namespace=namespace, filter=f"name = '{quoted}'", lifecycle=wire.LIFECYCLE_DELETED
        )
        return [each.id for each in self._call("FindExperiments", request).experiments]

    def purge(self, namespace: str, uid: str) -> None:
        """Remove everything that was recorded of an experiment; of one that is not there, there is nothing to remove.

        Raises:
            Denied: Whoever this client is may not.
        """
        try:
            self.mark_deleted(namespace, uid)
            request = wire.PurgeRequest(namespace=namespace, experiment_id=uid)
            request.deleted_before.FromDatetime(datetime.now(UTC))
            self._call("Purge", request)
        except (NotFound, Conflict):
            if not self.knows_deleted(namespace, uid):
                raise


def _observed(message: Any) -> Observed:
    return Observed(
        sequence=message.sequence,
        name=message.metric,
        text=message.text,
        value=message.value if message.HasField("value") else None,
        time=message.time.ToDatetime(UTC) if message.HasField("time") else None,
        step=message.step if message.HasField("step") else None,
    )
