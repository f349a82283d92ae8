"""What changed since a cursor: the experiments of a namespace, or one of them and its trials, watched while somebody asks.

A watch begins with the first question and ends when nobody has asked for a while. A cursor is a place in what watches have told; one of
other watches, or of another process, is answered with everything there is.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem, StoreUnavailable
from katib.experiments.protocol import Changes
from katib.kube.object_cache import is_older, version_of
from katib.kube.reflector import Reflector
from katib.operator import kinds
from katib.operator.cluster_objects import readable
from katib.operator.trial_objects import record_of

if TYPE_CHECKING:
    from katib.engine.trial import TrialRecord
    from katib.kube.client import Client
    from katib.kube.resource import Resource

__all__ = ["Watches"]

_UNASKED: Final = 60.0
"""Seconds after which a watch ends that nobody asks."""
_TO_BEGIN: Final = 30.0
_DELETED_KEPT: Final = 10_000
_IDLE: Final = 90.0
"""Of silence after which a connection counts as dead; the server sends a bookmark every minute."""
_STALE: Final = 120.0
_TO_CATCH_UP: Final = 5.0
_CURSOR: Final = re.compile(r"[0-9a-f]{8}\.[0-9]{1,18}(,[0-9a-f]{8}\.[0-9]{1,18})?")

Object = dict[str, Any]


class _Watched:
    """The objects of one resource, by the order of their last change.

    Args:
        client: Of the server.
        resource: What.
        namespace: Where.
        selector: Which.
    """

    def __init__(self, client: Client, resource: Resource, namespace: str, *, selector: str = "") -> None:
        self._namespace = namespace
        self._epoch = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._begun = False
        self._number = 0
        self._changed: dict[str, tuple[int, Object]] = {}
        """By uid, newest change last."""
        self._deleted: dict[str, tuple[int, Object]] = {}
        self._expected: dict[str, tuple[str, Object | None]] = {}
        """By name, the uid and what this process has written; None for what it has deleted."""
        self._reflector = Reflector(
            client, resource, namespace=namespace, label_selector=selector, on_change=self._saw, idle_seconds=_IDLE
        )
        self.asked = time.monotonic()

    def _saw(self, old: Object | None, new: Object | None) -> None:
        """Note a change; in the reflector's thread."""
        with self._lock:
            self._number += 1
            if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
                uid = old["metadata"]["uid"]
                self._changed.pop(uid, None)
                self._deleted[uid] = (self._number, old)
                while len(self._deleted) > _DELETED_KEPT:
                    del self._deleted[next(iter(self._deleted))]
            if new is not None:
                uid = new["metadata"]["uid"]
                self._changed.pop(uid, None)
                self._changed[uid] = (self._number, new)

    def begin(self) -> None:
        """Watch, and wait until everything there is is known.

        Raises:
            StoreUnavailable: The server does not answer.
        """
        with self._lock:
            begun, self._begun = self._begun, True
        if not begun:
            self._reflector.start()
        self.asked = time.monotonic()
        if not self._reflector.wait_synced(_TO_BEGIN) or self._reflector.staleness > _STALE:
            said = self._reflector.failure or "it is silent"
            raise StoreUnavailable(f"the API server cannot be watched: {said}")

    def stop(self) -> None:
        """Watch no more."""
        self._reflector.stop()

    def get(self, name: str) -> Object | None:
        """Return an object as it is known now."""
        return self._reflector.get(self._namespace, name)

    def knows(self, place: str) -> bool:
        """Whether a place is one of this watch."""
        return place.partition(".")[0] == self._epoch

    def since(self, place: str) -> tuple[str, list[Object], list[Object]]:
        """Return the place of now, what changed after a place, and what is gone since: nothing where that place is of another watch."""
        known = self.knows(place)
        with self._lock:
            after = int(place.partition(".")[2]) if known else 0
            now = f"{self._epoch}.{self._number}"
            return now, _after(self._changed, after), _after(self._deleted, after) if known else []

    # -- what this process writes itself

    def wrote(self, written: Object) -> None:
        """Tell nothing before what this process has written can be told with it."""
        with self._lock:
            self._expected[written["metadata"]["name"]] = (written["metadata"]["uid"], written)

    def deleted(self, name: str) -> None:
        """Likewise for what it has deleted."""
        there = self.get(name)
        with self._lock:
            if there is None:
                self._expected.pop(name, None)
            else:
                self._expected[name] = (there["metadata"]["uid"], None)

    def catch_up(self) -> None:
        """Wait for the news of this process's own changes, which come within moments."""
        until = time.monotonic() + _TO_CATCH_UP
        while time.monotonic() < until:
            with self._lock:
                waiting = dict(self._expected)
            waiting = {name: each for name, each in waiting.items() if not self._is_told(name, *each)}
            with self._lock:
                self._expected = waiting
            if not waiting:
                return
            time.sleep(0.01)
        with self._lock:
            self._expected.clear()

    def _is_told(self, name: str, uid: str, written: Object | None) -> bool:
        there = self.get(name)
        if there is None or there["metadata"]["uid"] != uid:
            with self._lock:  # gone, or another one; or it was made just now and is not here yet
                return written is None or uid in self._deleted
        return written is not None and not is_older(version_of(there), version_of(written))


def _after(log: dict[str, tuple[int, Object]], number: int) -> list[Object]:
    found = []
    for at, obj in reversed(log.values()):
        if at <= number:
            break
        found.append(obj)
    found.reverse()
    return found


class Watches:
    """The watches of one client, each for as long as somebody asks.

    Args:
        client: Of the server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sweeper: threading.Thread | None = None
        self._watched: dict[tuple[str, str | None], _Watched] = {}
        """By namespace: its experiments; with a name: the trials of that experiment."""

    def changes(self, namespace: str, name: str | None, cursor: str) -> Changes:
        """Return what changed; see ``Experiments.changes``.

        Raises:
            InvalidInput: The cursor is none.
            NotFound: There is no such experiment.
            Denied: It may not be looked at.
            StoreUnavailable: The API server does not answer.
        """
        if cursor and not _CURSOR.fullmatch(cursor):
            raise InvalidInput([Problem("cursor", "is not what an answer before has said", cursor)])
        place, _, of_trials = cursor.partition(",")
        experiments = self._of(namespace, None, name)
        experiments.begin()
        experiments.catch_up()
        if name is None:
            now, changed, gone = experiments.since(place)
            return Changes(cursor=now, experiments=tuple(readable(changed)), deleted=tuple(map(_key, gone)))
        trials = self._of(namespace, name, name)
        trials.begin()
        if experiments.get(name) is None and not experiments.knows(place):
            # Somebody else may have made it just now.
            experiments.wrote(self._client.get(kinds.EXPERIMENTS, name, namespace))
            experiments.catch_up()
        # The trials first: what is told of the experiment is never older than what is told of them.
        now_of_trials, records, _ = trials.since(of_trials)
        now, changed, gone = experiments.since(place)
        there = experiments.get(name)
        gone = [each for each in gone if each["metadata"]["name"] == name]
        return Changes(
            cursor=f"{now},{now_of_trials}",
            experiments=tuple(readable(each for each in changed if each["metadata"]["name"] == name)),
            trials=tuple(_records(records, there)),
            deleted=tuple(map(_key, gone)),
        )

    def wrote(self, written: Object) -> None:
        """Let who asks next see what this process has written of an experiment, though the news of it come later."""
        watched = self._known(written["metadata"]["namespace"])
        if watched is not None:
            watched.wrote(written)

    def deleted(self, namespace: str, name: str) -> None:
        """Likewise for an experiment that it has deleted."""
        watched = self._known(namespace)
        if watched is not None:
            watched.deleted(name)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            watched, self._watched = self._watched, {}
            sweeper, self._sweeper = self._sweeper, None
            closed, self._closed = self._closed, threading.Event()
        closed.set()
        for each in watched.values():
            each.stop()
        if sweeper is not None:
            sweeper.join()

    def _known(self, namespace: str) -> _Watched | None:
        with self._lock:
            return self._watched.get((namespace, None))

    def _of(self, namespace: str, trials_of: str | None, name: str | None) -> _Watched:
        """Return what is watched, from now on if it was not."""
        key = (namespace, trials_of)
        with self._lock:
            known = self._watched.get(key)
            if known is not None:
                known.asked = time.monotonic()
                return known
        self._ask_once(namespace, trials_of, name)
        if trials_of is None:
            made = _Watched(self._client, kinds.EXPERIMENTS, namespace)
        else:
            selector = f"{kinds.EXPERIMENT_LABEL}={trials_of}"
            made = _Watched(self._client, kinds.TRIALS, namespace, selector=selector)
        with self._lock:
            if self._sweeper is None:
                self._sweeper = threading.Thread(
                    target=self._sweep, args=(self._closed,), name="watched-experiments", daemon=True
                )
                self._sweeper.start()
            return self._watched.setdefault(key, made)

    def _ask_once(self, namespace: str, trials_of: str | None, name: str | None) -> None:
        """Ask for what is to be watched: an error that stays is told to who asks, and not only logged.

        Raises:
            NotFound: There is no such experiment.
            Denied: It may not be looked at.
        """
        resource = kinds.EXPERIMENTS if trials_of is None else kinds.TRIALS
        self._client.request("GET", resource.path(namespace), query={"limit": 1})
        if name is not None:
            self._client.get(kinds.EXPERIMENTS, name, namespace)

    def _sweep(self, closed: threading.Event) -> None:
        """End the watches that nobody asks any more, and with the last one itself."""
        while not closed.wait(_UNASKED / 4):
            with self._lock:
                idle = [key for key, of in self._watched.items() if time.monotonic() - of.asked > _UNASKED]
                ended = [self._watched.pop(key) for key in idle]
                if not self._watched and self._sweeper is threading.current_thread():
                    self._sweeper = None
                last = self._sweeper is not threading.current_thread()
            for each in ended:
                each.stop()
            if last:
                return


def _records(trials: list[Object], experiment: Object | None) -> list[TrialRecord]:
    """Return the records of those trials that are of this experiment, and not of an earlier one of its name."""
    if experiment is None:
        return []
    uid = experiment["metadata"]["uid"]
    of_it = [each for each in trials if (each["metadata"].get("labels") or {}).get(kinds.EXPERIMENT_UID_LABEL) == uid]
    return [record for each in of_it if (record := record_of(each)) is not None]


def _key(obj: Object) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return metadata["namespace"], metadata["name"], metadata["uid"]
