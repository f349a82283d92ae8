"""Finds the trial that a pod belongs to: by its label, or by asking who owns it, who owns that, and so on.

What owns what is remembered by uid, as it does not change, and also that somebody is owned by no trial: the pods of a large Deployment
cost one request, not one each. All of it is bounded: steps, entries, time.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Denied
from katib.kube.errors import NotFound
from katib.operator import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.kube.client import Client

__all__ = ["TrialFinder"]

_MOST_STEPS: Final = 8
_MOST_KNOWN: Final = 10_000
_FORGET: Final = 300.0
"""Seconds after which it is asked again: somebody may adopt what had no owner."""
_PATIENCE: Final = 2.0
_NOBODY: Final = ("", "")


class TrialFinder:
    """Finds trials; used by several threads at a time.

    Args:
        client: Of the API server.
        known: Returns a Trial that a watch has seen, by namespace and name.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        client: Client,
        known: Callable[[str, str], dict[str, Any] | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._known = known
        self._clock = clock
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, tuple[float, tuple[dict[str, Any], ...]]] = OrderedDict()

    def trial_of(self, pod: Mapping[str, Any], namespace: str) -> dict[str, Any] | None:
        """Return the Trial of a pod; None where it belongs to none.

        Raises:
            KatibError: The API server could not be asked.
        """
        until = self._clock() + _PATIENCE
        metadata = pod.get("metadata") or {}
        name = (metadata.get("labels") or {}).get(kinds.TRIAL_LABEL)
        if isinstance(name, str) and name:
            return self._trial(namespace, name, None, until)
        waiting = [(owner, 1) for owner in _owners(metadata)]
        seen: set[str] = set()
        while waiting:
            owner, steps = waiting.pop(0)
            uid = str(owner.get("uid"))
            if uid in seen or len(seen) > _MOST_STEPS:
                continue
            seen.add(uid)
            if owner.get("kind") == "Trial" and str(owner.get("apiVersion")).startswith("kubeflow.org/"):
                return self._trial(namespace, str(owner.get("name")), uid, until)
            if steps < _MOST_STEPS:
                waiting += [(above, steps + 1) for above in self._above(owner, uid, namespace, until)]
        return None

    def _above(self, owner: Mapping[str, Any], uid: str, namespace: str, until: float) -> tuple[dict[str, Any], ...]:
        """Return the owners of an owner."""
        now = self._clock()
        with self._lock:
            known = self._owners.get(uid)
            if known is not None and now < known[0]:
                self._owners.move_to_end(uid)
                return known[1]
        found = self._ask(owner, uid, namespace, until)
        with self._lock:
            self._owners[uid] = (now + _FORGET, found)
            self._owners.move_to_end(uid)
            while len(self._owners) > _MOST_KNOWN:
                self._owners.popitem(last=False)
        return found

    def _ask(self, owner: Mapping[str, Any], uid: str, namespace: str, until: float) -> tuple[dict[str, Any], ...]:
        try:
            resource = self._client.resource_for(str(owner.get("apiVersion")), str(owner.get("kind")))
            if not resource.namespaced:
                return ()  # such as a node, which is owned by no trial
            left = max(until - self._clock(), 0.1)
            obj = self._client.get(resource, str(owner.get("name")), namespace, timeout=left)
        except (NotFound, Denied):  # or a kind that is not served; what may not be read is no part of a trial
            return ()
        return tuple(_owners(obj["metadata"])) if obj["metadata"].get("uid") == uid else ()

    def _trial(self, namespace: str, name: str, uid: str | None, until: float) -> dict[str, Any] | None:
        found = self._known(namespace, name)
        if found is None or (uid is not None and found["metadata"].get("uid") != uid):
            try:
                left = max(until - self._clock(), 0.1)
                found = self._client.get(kinds.TRIALS, name, namespace, timeout=left)
            except NotFound:
                return None
        return found if uid is None or found["metadata"].get("uid") == uid else None


def _owners(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return who owns something: its controller alone where it has one."""
    owners = [owner for owner in metadata.get("ownerReferences") or () if isinstance(owner, dict)]
    controllers = [owner for owner in owners if owner.get("controller")]
    return controllers or owners
