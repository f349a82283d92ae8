"""Which resource a kind is: the server says, because a CRD's plural cannot be known, and may appear later.

One answer tells of all kinds of a group's version. What the server does not serve is asked for again, but not by every
trial of every experiment that wants it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.kube.errors import NotFound, UnknownKind
from katib.kube.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Discovery"]

_HOLDS: Final = 600.0
"""Seconds that an answer is believed: a CRD may be replaced by one of the same kind."""
_ASK_AGAIN: Final = 5.0
"""Seconds between two questions about what was not there."""
_MOST: Final = 1_000
"""Group versions that are remembered; they are users' words."""


class Discovery:
    """Knows resources by API version and kind.

    Args:
        get: Returns the document under a path of the server.
        clock: Seconds that only grow.
    """

    def __init__(self, get: Callable[[str], dict[str, Any]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._get = get
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, dict[str, Resource]]] = {}

    def resource_for(self, api_version: str, kind: str) -> Resource:
        """Return the resource of a kind.

        Raises:
            UnknownKind: The server does not serve it.
            InvalidInput: The API version is none.
        """
        group, _, version = api_version.rpartition("/")
        if not version or "/" in group or {".", ".."} & {group, version}:
            raise InvalidInput([Problem("apiVersion", "must be <group>/<version>, or v1", api_version)])
        now = self._clock()
        with self._lock:
            asked, kinds = self._known.get(api_version, (-_HOLDS, {}))
        if now - asked >= (_HOLDS if kind in kinds else _ASK_AGAIN):
            kinds = self._asked(group, version, kinds)
            with self._lock:
                if len(self._known) >= _MOST:
                    self._known.clear()
                self._known[api_version] = (now, kinds)
        if kind not in kinds:
            raise UnknownKind(
                f"the cluster has no {kind} of {api_version}: its CRD is not installed, or not served yet"
            )
        return kinds[kind]

    def _asked(self, group: str, version: str, known: dict[str, Resource]) -> dict[str, Resource]:
        path = Resource(group, version, "", "").path().rstrip("/")
        try:
            served = self._get(path).get("resources")
        except NotFound:
            return {}
        if not isinstance(served, list):
            return known
        found: dict[str, Resource] = {}
        for each in served:
            name, kind = str(each.get("name") or ""), str(each.get("kind") or "")
            if name and kind and "/" not in name:
                found.setdefault(kind, Resource(group, version, name, kind, bool(each.get("namespaced"))))
        return found
