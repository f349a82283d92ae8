"""What changed since a cursor: the objects of one namespace, or an experiment and its trials, watched while somebody asks.

A watch begins with the first question and ends when nobody has asked for a while. A cursor is a place in what one watch has told; one
of another watch, or of another process, is answered with everything there is.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, NotFound, Problem, StoreUnavailable
from katib.experiments.protocol import Changes
from katib.kube.object_cache import is_older, version_of
from katib.kube.reflector import Reflector
from katib.operator import kinds
from katib.operator.cluster_objects import readable
from katib.operator.trial_objects import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from katib.engine.trial import TrialRecord
    from katib.kube.client import Client
    from katib.kube.resource import Resource

__all__ = ["Watched", "Watches"]

_UNASKED: Final = 60.0
"""Seconds after which a watch ends that nobody asks."""
_TO_BEGIN: Final = 30.0
_DELETED_KEPT: Final = 10_000
_STALE: Final = 90.0
"""Seconds without a proof that the watch lives; the server sends a bookmark every minute."""

_TO_CATCH_UP: Final = 5.0
_CURSOR: Final = re.compile(r"[0-9a-f]{8}\.[0-9]{1,18}")

Object = dict[str, Any]
Key = tuple[str, str]


class _Log:
    """The objects of one resource by the order of their last change."""

    def __init__(
        self, client: Client, resource: Resource, namespace: str, *, selector: str, wake: Callable[[], int]
    ) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._changed: dict[str, tuple[int, Object]] = {}
        """By uid, newest change last."""
        self._deleted: dict[str, tuple[int, Object]] = {}
        self.reflector = Reflector(
            client, resource, namespace=namespace, label_selector=selector, on_change=self._saw, idle_seconds=_STALE
        )

    def _saw(self, old: Object | None, new: Object | None) -> None:
        """Note a change; in the reflector's thread."""
        with self._lock:
            if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
                uid = old["metadata"]["uid"]
                self._changed.pop(uid, None)
                self._deleted[uid] = (self._wake(), old)
                while len(self._deleted) > _DELETED_KEPT:
                    del self._deleted[next(iter(self._deleted))]
            if new is not None:
                uid = new["metadata"]["uid"]
                self._changed.pop(uid, None)
                self._changed[uid] = (self._wake(), new)

    def has_seen(self, uid: str) -> bool:
        """Whether there is, or was, an object."""
        with self._lock:
            return uid in self._changed or uid in self._deleted

    def since(self, number: int) -> tuple[list[Object], list[Object]]:
        """Return what changed after a number, and what is gone since."""
        with self._lock:
            return _after(self._changed, number), _after(self._deleted, number)


def _after(log: dict[str, tuple[int, Object]], number: int) -> list[Object]:
    found = []
    for at, obj in reversed(log.values()):
        if at <= number:
            break
        found.append(obj)
    found.reverse()
    return found


class Watched:
    """One namespace, or one experiment with its trials, as it is watched.

    Args:
        client: Of the server.
        namespace: Where.
        name: Of one experiment; None for all of them, without their trials.
    """

    def __init__(self, client: Client, namespace: str, name: str | None) -> None:
        self._namespace = namespace
        self._name = name
        self._epoch = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._number = 0
        self.asked = time.monotonic()
        self._experiments = _Log(client, kinds.EXPERIMENTS, namespace, selector="", wake=self._next)
        self._logs = [self._experiments]
        if name is not None:
            selector = f"{kinds.EXPERIMENT_LABEL}={name}"
            self._trials = _Log(client, kinds.TRIALS, namespace, selector=selector, wake=self._next)
            self._logs.append(self._trials)
        self._begun = False
        self._expected: dict[str, tuple[str, Object | None]] = {}

    def _next(self) -> int:
        with self._lock:
            self._number += 1
            return self._number

    def begin(self) -> None:
        """Watch, and wait until everything there is is known.

        Raises:
            StoreUnavailable: The server does not answer.
        """
        with self._lock:
            begun, self._begun = self._begun, True
        if not begun:
            for log in self._logs:
                log.reflector.start()
        until = time.monotonic() + _TO_BEGIN
        for log in self._logs:
            while not log.reflector.wait_synced(0.2):
                if time.monotonic() > until:
                    raise StoreUnavailable(f"the API server cannot be watched: {log.reflector.failure or 'no answer'}")

    def stop(self) -> None:
        """Watch no more."""
        for log in self._logs:
            log.reflector.stop()

    def wrote(self, written: Object) -> None:
        """Tell nothing before it can be told what this process has written."""
        with self._lock:
            self._expected[written["metadata"]["name"]] = (written["metadata"]["uid"], written)

    def deleted(self, name: str) -> None:
        """Tell nothing before it can be told that what this process has deleted is gone."""
        there = self._experiments.reflector.get(self._namespace, name)
        with self._lock:
            if there is None:
                self._expected.pop(name, None)
            else:
                self._expected[name] = (there["metadata"]["uid"], None)

    def _catch_up(self) -> None:
        """Wait for the news of this process's own changes, which come within moments."""
        until = time.monotonic() + _TO_CATCH_UP
        while time.monotonic() < until:
            with self._lock:
                self._expected = {name: each for name, each in self._expected.items() if not self._seen(name, *each)}
                if not self._expected:
                    return
            time.sleep(0.01)
        with self._lock:
            self._expected.clear()

    def _seen(self, name: str, uid: str, written: Object | None) -> bool:
        there = self._experiments.reflector.get(self._namespace, name)
        if there is None or there["metadata"]["uid"] != uid:
            # Gone, or another by now; or one that was made just now and is not here yet.
            return written is None or self._experiments.has_seen(uid)
        return written is not None and not is_older(version_of(there), version_of(written))

    def since(self, cursor: str) -> Changes:
        """Return what changed since a cursor.

        Raises:
            InvalidInput: It is no cursor.
            StoreUnavailable: What there is now is not known: the server has not been heard of for a while.
        """
        self.asked = time.monotonic()
        epoch, number = _place(cursor)
        self._catch_up()
        for log in self._logs:
            if log.reflector.staleness > _STALE + _TO_BEGIN:
                raise StoreUnavailable(f"the API server cannot be watched: {log.reflector.failure or 'it is silent'}")
        begins = epoch != self._epoch
        number = 0 if begins else number
        with self._lock:
            now = self._number
        changed, deleted = map(self._named, self._experiments.since(number))
        return Changes(
            cursor=f"{self._epoch}.{now}",
            experiments=tuple(readable(changed)),
            trials=tuple(self._records(number, begins=begins)),
            deleted=() if begins else tuple(map(_key, deleted)),
        )

    def _named(self, objects: Iterable[Object]) -> list[Object]:
        return [each for each in objects if self._name is None or each["metadata"]["name"] == self._name]

    def _records(self, number: int, *, begins: bool) -> list[TrialRecord]:
        if self._name is None:
            return []
        there = self._experiments.reflector.get(self._namespace, self._name)
        if there is None:
            if begins:
                raise NotFound(f"there is no experiment {self._namespace}/{self._name}")
            return []
        changed, _ = self._trials.since(number)
        uid = there["metadata"]["uid"]
        of_it = [each for each in changed if each["metadata"]["labels"].get(kinds.EXPERIMENT_UID_LABEL) == uid]
        return [record for each in of_it if (record := record_of(each)) is not None]


def _place(cursor: str) -> tuple[str, int]:
    if not cursor:
        return "", 0
    if not _CURSOR.fullmatch(cursor):
        raise InvalidInput([Problem("cursor", "is not what an answer before has said", cursor)])
    epoch, _, number = cursor.partition(".")
    return epoch, int(number)


def _key(obj: Object) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return metadata["namespace"], metadata["name"], metadata["uid"]


class Watches:
    """The watches of one client, each for as long as somebody asks.

    Args:
        client: Of the server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._watched: dict[tuple[str, str | None], Watched] = {}

    def changes(self, namespace: str, name: str | None, cursor: str) -> Changes:
        """Return what changed; see ``Experiments.changes``."""
        key = (namespace, name)
        _place(cursor)
        with self._lock:
            idle = [each for each, of in self._watched.items() if time.monotonic() - of.asked > _UNASKED]
            ended = [self._watched.pop(each) for each in idle if each != key]
            watched = self._watched.get(key)
        for each in ended:
            each.stop()
        if watched is None:
            self._allowed(namespace, name)
            with self._lock:
                watched = self._watched.setdefault(key, Watched(self._client, namespace, name))
        watched.begin()
        return watched.since(cursor)

    def wrote(self, written: Object) -> None:
        """Let who asks next see what this process has written, though the news of it come later."""
        metadata = written["metadata"]
        for each in self._about(metadata["namespace"], metadata["name"]):
            each.wrote(written)

    def deleted(self, namespace: str, name: str) -> None:
        """Likewise for what it has deleted."""
        for each in self._about(namespace, name):
            each.deleted(name)

    def _about(self, namespace: str, name: str) -> list[Watched]:
        with self._lock:
            found = (self._watched.get((namespace, of)) for of in (None, name))
            return [each for each in found if each is not None]

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            watched, self._watched = self._watched, {}
        for each in watched.values():
            each.stop()

    def _allowed(self, namespace: str, name: str | None) -> None:
        """Ask once for what is to be watched: an error that stays is told to who asks, and not only logged.

        Raises:
            NotFound: There is no such experiment.
            Denied: It may not be looked at.
        """
        self._client.request("GET", kinds.EXPERIMENTS.path(namespace), query={"limit": 1})
        if name is None:
            return
        self._client.get(kinds.EXPERIMENTS, name, namespace)
        self._client.request("GET", kinds.TRIALS.path(namespace), query={"limit": 1})
