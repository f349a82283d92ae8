"""A cache of one resource that stays right: list, then watch, and the same again whatever happens to the watch.

What can happen to it, and what is done:

====================================  =========================================================================
the server ends it, as it does often  watch on from the last version, at once
410, in the answer or in the stream   one list; what is missing in it is told as deleted
silence (a half-open connection)      given up after ``idle_seconds``, watched on from the last version
refused, broken off, 429, 5xx         watched on after a pause that doubles up to half a minute, with jitter
garbage                               the same; after a few times in a row, a list
a list older than what was seen       not believed, until it comes again and again: then the server was restored
the kind is not served (any more)     nothing is there; asked again, so it is found when its CRD appears
====================================  =========================================================================
"""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from katib.errors import KatibError
from katib.kube.back_off import BackOff
from katib.kube.errors import Gone, ServerAway, StrangeAnswer, UnknownKind, error_of_status, has_cause, retry_after
from katib.kube.object_cache import ObjectCache, is_older, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from katib.kube.client import Client
    from katib.kube.object_cache import Change
    from katib.kube.resource import Resource
    from katib.kube.watch_stream import WatchStream

__all__ = ["Reflector"]

_LOGGER: Final = logging.getLogger(__name__)
_PAUSES: Final = (1.0, 30.0)
_WATCH_SECONDS: Final = (240, 300)
_SHORT: Final = 1.0
"""Seconds before which the end of a watch is no clean one: a server that always ends it at once would be asked without pause."""
_PROVEN: Final = 10.0
"""Seconds a watch has to live until the pauses start small again."""
_MOST_STRANGE: Final = 3
"""Failures in a row, with an answer, after which the version itself is doubted."""
_LOG_AGAIN: Final = 60.0
_TO_STOP: Final = 2.0
"""Seconds to wait for the thread; one in the middle of a list is left to itself, and touches nothing any more."""
_CHANGES: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})


def _nobody(_old: dict[str, Any] | None, _new: dict[str, Any] | None) -> None:
    """Follow no changes."""


class Reflector:
    """Keeps a cache of one resource, in a thread of its own.

    Args:
        client: Of the server.
        resource: What is watched.
        namespace: Where; None is everywhere.
        label_selector: Which.
        on_change: Is called with the object before and after, in the reflector's thread, once the cache has it; None
            before is a new one, None after a deleted one.
        keep: Returns the part of an object that is worth its memory; ``managedFields`` never are.
        idle_seconds: Of silence after which a connection counts as dead; the server sends a bookmark every minute.
        pauses: Seconds of the first pause after a failure, and of the longest.
        jitter: Where the jitter comes from.

    Attributes:
        lists: Lists begun.
        watches: Watches begun.
        events: Events read, bookmarks included.
        failure: Why it does not watch just now; empty when it does.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None,
        label_selector: str = "",
        on_change: Callable[[dict[str, Any] | None, dict[str, Any] | None], None] = _nobody,
        keep: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        idle_seconds: float = 75.0,
        pauses: tuple[float, float] = _PAUSES,
        jitter: random.Random | None = None,
    ) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._label_selector = label_selector
        self._on_change = on_change
        self._keep = keep
        self._idle_seconds = idle_seconds
        self._jitter = jitter or random.Random()
        self._pauses = BackOff(*pauses, self._jitter)
        self._cache = ObjectCache()
        self._version = ""
        """To watch on from; empty when a list has to come first."""
        self._newest = ""
        """The newest version that was seen; a list is not older."""
        self._strange = 0
        self._old_lists = 0
        self._unknown = 0
        self._fruitless = 0
        self._synced = threading.Event()
        self._stop = threading.Event()
        self._stream: WatchStream | None = None
        self._stream_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._proof = time.monotonic()
        self._logged = ("", 0.0)
        self.lists = 0
        self.watches = 0
        self.events = 0
        self.failure = ""

    # -- for its owner

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._proof = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"reflector-{self._resource.plural}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what it holds can be read on."""
        self._stop.set()
        with self._stream_lock:
            if self._stream is not None:
                self._stream.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_TO_STOP)

    def wait_synced(self, timeout: float | None = None) -> bool:
        """Wait until the first list is in the cache and told; return whether it is."""
        return self._synced.wait(timeout)

    @property
    def staleness(self) -> float:
        """Seconds since the server last proved that it would have told of a change."""
        return time.monotonic() - self._proof

    # -- for those who read

    def get(self, namespace: str | None, name: str) -> dict[str, Any] | None:
        """Return an object, or None. It belongs to the cache: copy it before you change it."""
        return self._cache.get(namespace or "", name)

    def items(self) -> list[dict[str, Any]]:
        """Return all objects of this moment. They belong to the cache."""
        return self._cache.items()

    def add_index(self, name: str, function: Callable[[dict[str, Any]], Iterable[str]]) -> None:
        """Find objects by what a function of each yields."""
        self._cache.add_index(name, function)

    def indexed(self, name: str, key: str) -> list[dict[str, Any]]:
        """Return the objects for which an index's function yields a key."""
        return self._cache.indexed(name, key)

    def put(self, obj: dict[str, Any]) -> None:
        """Take in the server's answer to a write of this process, so that it reads its own writes.

        An answer that is older than what is known, or of an object that was deleted, changes nothing. The change is
        told when the watch brings it.
        """
        self._cache.put(self._kept(obj))

    # -- its thread

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if not self._version:
                    self._list()
                pause = 0.0 if self._stop.is_set() else self._watch()
            except Exception as error:  # noqa: BLE001 (whatever it is, the cache goes on, and it is logged)
                if self._stop.is_set():
                    return
                pause = self._after(error)
            if pause:
                self._stop.wait(pause)

    def _after(self, error: Exception) -> float:
        """Decide what follows a failure; return the seconds to wait."""
        if isinstance(error, Gone):
            self._version = ""
            self._fruitless += 1
            # The first list is the cure; one after the other, without an event between them, is not.
            return 0.0 if self._fruitless == 1 else self._pauses.next()
        if not isinstance(error, ServerAway) or error.code:
            self._strange += 1
        if self._strange >= _MOST_STRANGE or has_cause(error, "ResourceVersionTooLarge"):
            self._version = ""
            self._strange = 0
        self._say(error)
        return max(self._pauses.next(), min(retry_after(error) or 0.0, self._pauses.most))

    def _say(self, error: Exception) -> None:
        """Log a failure, but not the same one with every attempt."""
        self.failure = str(error)
        logged, at = self._logged
        now = time.monotonic()
        if self.failure == logged and now - at < _LOG_AGAIN:
            return
        self._logged = (self.failure, now)
        expected = isinstance(error, KatibError)
        text = "watching %s is interrupted: %s"
        _LOGGER.warning(text, self._resource.plural, self.failure, exc_info=None if expected else error)

    def _list(self) -> None:
        self.lists += 1
        objects: list[dict[str, Any]] = []
        version = ""
        try:
            # No repetition inside: the pauses here are the longer ones.
            for page in self._client.pages(
                self._resource, self._namespace, label_selector=self._label_selector, attempts=1
            ):
                if page.starts_over:
                    objects.clear()
                objects += [self._kept(obj) for obj in page.items]
                version = page.version
        except UnknownKind:
            self._unknown += 1
            self._proof = time.monotonic()  # nothing is there, and that is known
            if self._unknown == _MOST_STRANGE:  # once may be a server that is just starting
                self._tell(self._cache.replace([], "", restored=True))
            raise
        if self._stop.is_set():
            return
        self._unknown = 0
        restored = self._believed(version)
        changes = self._cache.replace(objects, version, restored=restored)
        self._version = self._newest = version
        self._proof = time.monotonic()
        self._tell(changes)
        self._synced.set()

    def _believed(self, version: str) -> bool:
        """Tell whether an old list has to be believed all the same.

        Raises:
            StrangeAnswer: Not yet.
        """
        if not is_older(version, self._newest):
            self._old_lists = 0
            return False
        self._old_lists += 1
        if self._old_lists < _MOST_STRANGE:
            raise StrangeAnswer(
                f"the list of {self._resource.plural} is of version {version}, older than {self._newest}"
            )
        self._old_lists = 0
        return True

    def _watch(self) -> float:
        """Follow one watch to its clean end; return the seconds to wait before the next one."""
        self.watches += 1
        begun = time.monotonic()
        stream = self._client.watch_lines(
            self._resource,
            self._namespace,
            resource_version=self._version,
            label_selector=self._label_selector,
            timeout_seconds=self._jitter.randint(*_WATCH_SECONDS),
            idle_seconds=self._idle_seconds,
        )
        with self._stream_lock:
            self._stream = stream
        self._proof = time.monotonic()
        self.failure = ""
        try:
            if self._stop.is_set():
                return 0.0
            for event in stream:
                self._take(event)
        finally:
            with self._stream_lock:
                self._stream = None
            stream.close()
            lived = time.monotonic() - begun
            if lived >= _PROVEN:
                self._pauses.reset()
                self._fruitless = 0
        if lived < _SHORT:
            return self._pauses.next()
        self._pauses.reset()
        return 0.0

    def _take(self, event: dict[str, Any]) -> None:
        kind, obj = event.get("type"), event["object"]
        if kind == "ERROR":
            raise error_of_status(f"watch {self._resource.plural}", obj)
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict) or not (kind == "BOOKMARK" or (kind in _CHANGES and metadata.get("name"))):
            raise StrangeAnswer(f"watch {self._resource.plural}: the API server sends an event of type {kind!r:.50}")
        self.events += 1
        self._proof = time.monotonic()
        self._strange = self._fruitless = 0
        if kind == "DELETED":
            self._tell(self._cache.gone(obj))
        elif kind != "BOOKMARK":
            self._tell(self._cache.seen(self._kept(obj)))
        # Only now: whoever starts again from this version has what came before it.
        version = version_of(obj)
        if version:
            self._version = version
            if not is_older(version, self._newest):
                self._newest = version

    def _kept(self, obj: dict[str, Any]) -> dict[str, Any]:
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict) or not metadata.get("name"):
            raise StrangeAnswer(f"{self._resource.plural}: the API server sends an object without a name")
        if "managedFields" in metadata:
            obj = {**obj, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
        if self._keep is None:
            return obj
        try:
            return self._keep(obj)
        except Exception:
            # One object that nobody expected costs its memory, and not the watch of all others.
            _LOGGER.exception("%s %s is kept as it is", self._resource.plural, metadata["name"])
            return obj

    def _tell(self, changes: list[Change]) -> None:
        for old, new in changes:
            try:
                self._on_change(old, new)
            except Exception:
                _LOGGER.exception("a change of %s was not taken in", self._resource.plural)
