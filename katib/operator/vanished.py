"""Experiments that were deleted while no operator ran: the store still has them as running, and nobody else will tell it.

What the store has of this cluster is compared with what the API server has. Only what a whole and fresh list lacks is told of, and only
experiments that were recorded with this cluster's own mark: those of other clusters, of other namespaces than the operator's and of
``katib run`` are never asked for. Telling twice is as telling once, so an operator that dies here leaves nothing half done.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from katib.errors import Denied, KatibError, Unsupported
from katib.kube.resource import NAMESPACES
from katib.operator import kinds

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.kube.client import Client
    from katib.kube.reflector import Reflector
    from katib.operator.recorder import Recorder
    from katib.rpc.store_client import StoreClient
    from katib.store.tracking.recording import OpenExperiment

__all__ = ["Vanished"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger(__name__)
_SYSTEM: Final = "kube-system"
_EVERY: Final = 1800.0
_PAUSES: Final = (5.0, 300.0)
"""Seconds after a look that failed: the first, and the longest."""
_MOST: Final = 1000
"""Experiments that one look tells of; the next one, soon after it, tells of more."""


class Vanished:
    """Finds them at the start, and once in a while.

    Args:
        client: Of the API server.
        namespace: The only one the operator looks at; None for all.
        store: Is asked what it has.
        recorder: Tells it what is gone, and marks what it records with the cluster.
        experiments: The cache of those that are there.
        is_leading: Whether this operator acts.
    """

    def __init__(
        self,
        client: Client,
        namespace: str | None,
        *,
        store: StoreClient,
        recorder: Recorder,
        experiments: Reflector,
        is_leading: Callable[[], bool],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._store = store
        self._recorder = recorder
        self._experiments = experiments
        self._is_leading = is_leading
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._said = ""

    def start(self) -> None:
        """Find out which cluster this is, before anything is recorded, and begin."""
        if not self._recorder.cluster:
            self._heeded(self._identify)
        self._thread = threading.Thread(target=self._work, name="vanished", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a question that is on its way is not waited for long."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def look(self) -> int:
        """Tell of those that are gone, and return how many they were.

        Raises:
            KatibError: The store or the API server did not answer as they should; nothing was told.
        """
        if not self._recorder.cluster:
            self._identify()
        known = {each["metadata"]["uid"] for each in self._experiments.items()}
        missing: list[OpenExperiment] = []
        for each in self._store.open_experiments(self._recorder.cluster, self._namespace):
            if each.uid not in known:
                missing.append(each)
            if len(missing) == _MOST:
                break
        if not missing:
            return 0
        # Asked after the store: what an operator has recorded was there before.
        there = self._listed()
        gone = [each for each in missing if each.uid not in there]
        if not self._is_leading():
            return 0
        for each in gone:
            _LOGGER.info("experiment %s of namespace %s was deleted while no operator ran", each.name, each.namespace)
            self._recorder.deleted(each.namespace, each.uid)
        return len(gone)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        pause = _PAUSES[0]
        while not self._stop.is_set():
            found = self._heeded(self.look)
            if found is None:
                wait, pause = pause, min(2 * pause, _PAUSES[1])
            else:
                wait, pause = _PAUSES[0] if found == _MOST else _EVERY, _PAUSES[0]
            self._stop.wait(wait)

    def _identify(self) -> None:
        """Learn the cluster's mark: the uid of a namespace, which no two clusters share and which lasts as long as the cluster.

        An operator of one namespace has no right in any other, so its mark is that namespace's own uid.
        """
        name = self._namespace or _SYSTEM
        self._recorder.cluster = self._client.get(NAMESPACES, name)["metadata"]["uid"]

    def _listed(self) -> set[str]:
        """Return the uids of all experiments that are there now."""
        found: set[str] = set()
        for page in self._client.pages(kinds.EXPERIMENTS, self._namespace):
            if page.starts_over:
                found.clear()
            found.update(each["metadata"]["uid"] for each in page.items)
        return found

    def _heeded(self, function: Callable[[], T]) -> T | None:
        """Return what a function returns; None where it failed, which is said once."""
        try:
            found = function()
        except (Denied, Unsupported) as error:
            self._say(f"experiments that are deleted while no operator runs stay as they were in the store: {error}")
        except KatibError as error:
            self._say(f"whether experiments were deleted while no operator ran is not known yet: {error}")
        else:
            self._said = ""
            return found
        return None

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            _LOGGER.warning("%s", text)
