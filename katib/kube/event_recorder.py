"""Tells people what happens to an object, as Events beside it; never holds up who does it.

Events are news, not state: a server that is away loses them, an object that changes too often is told of less often, and
the same thing again raises a number.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import queue
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.errors import KatibError
from katib.kube.errors import NotFound
from katib.kube.resource import EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.kube.client import Client

__all__ = ["EventRecorder"]

_LOGGER: Final = logging.getLogger(__name__)
_BURST: Final = 25
_SECONDS_A_TOKEN: Final = 300.0
_MOST_OBJECTS: Final = 4_096
_MOST_WAITING: Final = 1_000
_LONGEST_MESSAGE: Final = 1_024
_LONGEST_REASON: Final = 128
_LONGEST_NAME: Final = 253
_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class _News:
    about: tuple[tuple[str, str], ...]
    """The reference to the object, as pairs so that it can be a key."""
    kind: str
    reason: str
    message: str
    at: str


@dataclass(slots=True)
class _Written:
    name: str
    count: int = 1


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class EventRecorder:
    """Records events, in a thread of its own.

    Args:
        client: Of the server; a fenced one records nothing while another process leads.
        component: Who says it.
        clock: Seconds that only grow.

    Attributes:
        lost: Events that nobody will see: too many at once, too many of one object, or no server.
    """

    def __init__(
        self, client: Client, *, component: str = "katib", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._component = component
        self._clock = clock
        self._waiting: queue.Queue[_News | None] = queue.Queue(_MOST_WAITING)
        self._written: OrderedDict[tuple[Any, ...], _Written] = OrderedDict()
        self._buckets: OrderedDict[tuple[tuple[str, str], ...], _Bucket] = OrderedDict()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self.lost = 0

    def record(self, obj: Mapping[str, Any], reason: str, message: str, kind: str = "Normal") -> None:
        """Tell of an object; returns at once and never raises.

        Args:
            obj: With ``apiVersion``, ``kind`` and ``metadata``.
            reason: One word in CamelCase.
            message: A sentence for people.
            kind: ``Normal`` or ``Warning``.
        """
        metadata = obj.get("metadata") or {}
        about = {
            "apiVersion": obj.get("apiVersion"),
            "kind": obj.get("kind"),
            "namespace": metadata.get("namespace"),
            "name": metadata.get("name"),
            "uid": metadata.get("uid"),
        }
        at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        reference = tuple((name, str(value)) for name, value in about.items() if value)
        shown = message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + "…"
        news = _News(reference, kind, reason[:_LONGEST_REASON], shown, at)
        with self._lock:
            if self._stopped or not self._let(news.about):
                self.lost += 1
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
            try:
                self._waiting.put_nowait(news)
            except queue.Full:
                self.lost += 1

    def stop(self, timeout: float = 2.0) -> None:
        """Write what waits, as far as that goes within a time, and end."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        if thread is None:
            return
        try:
            self._waiting.put(None, timeout=timeout)
        except queue.Full:
            return  # the thread is no reason for a process to stay
        thread.join(timeout)

    def _let(self, about: tuple[tuple[str, str], ...]) -> bool:
        """Tell whether an object has a token left: a burst, then one every five minutes."""
        now = self._clock()
        bucket = self._buckets.setdefault(about, _Bucket(_BURST, now))
        self._buckets.move_to_end(about)
        if len(self._buckets) > _MOST_OBJECTS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.at) / _SECONDS_A_TOKEN)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _run(self) -> None:
        while (news := self._waiting.get()) is not None:
            try:
                self._write(news)
            except KatibError as error:
                self.lost += 1
                _LOGGER.debug("an event is lost: %s", error)
            except Exception:
                self.lost += 1
                _LOGGER.exception("an event is lost")

    def _write(self, news: _News) -> None:
        about = dict(news.about)
        namespace = about.get("namespace") or "default"
        key = (news.about, news.kind, news.reason, news.message)
        written = self._written.get(key)
        if written is not None:
            patch = {"count": written.count + 1, "lastTimestamp": news.at}
            try:
                self._client.merge_patch(EVENTS, written.name, patch, namespace, timeout=_PATIENCE)
            except NotFound:
                del self._written[key]  # the server forgets events after an hour
            else:
                written.count += 1
                self._written.move_to_end(key)
                return
        # Unique also for a process that begins again with the number 0.
        suffix = f".{time.time_ns():x}{next(self._numbers) & 0xFFF:03x}"
        name = about.get("name", "unknown")[: _LONGEST_NAME - len(suffix)].rstrip(".-") + suffix
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": about,
            "reason": news.reason,
            "message": news.message,
            "type": news.kind,
            "count": 1,
            "firstTimestamp": news.at,
            "lastTimestamp": news.at,
            "source": {"component": self._component},
            "reportingComponent": self._component,
        }
        self._client.create(EVENTS, body, namespace, timeout=_PATIENCE)
        self._written[key] = _Written(name)
        if len(self._written) > _MOST_OBJECTS:
            self._written.popitem(last=False)
