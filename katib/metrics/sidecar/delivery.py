"""Brings what is in the spool to the store: in a thread of its own, so that a store that is away or slow delays nothing else.

The store answers with the number of the sample that it wants next, whatever it was sent, so whoever asks knows where to go on.
"""

from __future__ import annotations

import http.client
import json
import logging
import random
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from katib.metrics.sidecar.settings import SidecarSettings
    from katib.metrics.sidecar.spool import Record, Spool

__all__ = ["Answer", "Delivery", "StoreClient"]

_LOGGER: Final = logging.getLogger(__name__)
_PATH: Final = "/api/v1/reports"
_PATIENCE: Final = 10.0
"""Seconds without a byte of an answer."""
_LONGEST_ANSWER: Final = 30.0
"""Seconds for all of it, however steadily it comes."""
_MOST_SAMPLES: Final = 5_000
_MOST_BYTES: Final = 512 << 10
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 15.0
_LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds that a store may ask for."""
_LARGEST_ANSWER: Final = 64 << 10
_OK: Final = 200
_LATER: Final = frozenset({404, 408, 425, 429})
"""Not known yet, too slow, too early, too much: the same may be good later. 500 and above are, too."""
_MOST_REFUSALS: Final = 40
"""That many answers in a row, over about ten minutes, are the store's last word."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store said.

    Attributes:
        following: The number of the sample it wants next; None when it did not take anything.
        sentence: Why not.
        final: Whether the same will be refused again.
        after: Seconds before which it wants to hear nothing.
    """

    following: int | None
    sentence: str = ""
    final: bool = False
    after: float = 0.0


class StoreClient:
    """Calls the store's HTTP server over one connection that is kept.

    Args:
        settings: Where it is, and about which trial.
        source: What the samples are numbered within: this pod.
        token: The report token; empty for none.
    """

    def __init__(self, settings: SidecarSettings, *, source: str, token: str) -> None:
        place = urlsplit(settings.store)
        self._host, self._port = place.hostname or "", place.port
        self._path = place.path.rstrip("/") + _PATH
        self._context: ssl.SSLContext | None = None
        if place.scheme == "https":
            self._context = ssl.create_default_context(cadata=settings.store_ca or None)
        self._about = {"namespace": settings.namespace, "trial": settings.trial, "source": source}
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._connection: http.client.HTTPConnection | None = None

    def report(self, first: int, samples: list[list[Any]]) -> Answer:
        """Report samples, the first of which has this number; none at all asks only where to go on."""
        body = json.dumps({**self._about, "first": first, "samples": samples}, separators=(",", ":"))
        kept = self._connection is not None
        try:
            status, text, after = self._exchange(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if not kept:
                return Answer(None, f"{self._host} cannot be reached ({_said(error)})")
            return self.report(first, samples)  # it may have been closed meanwhile; to report twice changes nothing
        return _answer(status, text, after)

    def _exchange(self, body: str) -> tuple[int, bytes, str]:
        if self._connection is None:
            self._connection = (
                http.client.HTTPConnection(self._host, self._port, timeout=_PATIENCE)
                if self._context is None
                else http.client.HTTPSConnection(self._host, self._port, timeout=_PATIENCE, context=self._context)
            )
        if self._connection.sock is None:
            self._connection.connect()
        ending = threading.Timer(_LONGEST_ANSWER, _cut, [self._connection.sock])
        ending.daemon = True
        ending.start()
        try:
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            text = response.read(_LARGEST_ANSWER)
            if response.length:
                raise http.client.IncompleteRead(text, response.length)
        finally:
            ending.cancel()
        if not response.isclosed():
            self.close()
        return response.status, text, response.getheader("Retry-After", "")

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _cut(connection: socket.socket) -> None:
    """End a connection under the hands of whoever reads from it."""
    with suppress(OSError):
        # The socket below: to end TLS would wait for the other side.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _answer(status: int, text: bytes, after: str = "") -> Answer:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    document: dict[str, Any] = said if isinstance(said, dict) else {}
    following = document.get("next")
    if status == _OK and isinstance(following, int) and following >= 0:
        return Answer(following)
    sentence = str(document.get("message") or "")[:500] or f"the answer was {status} and nothing that can be read"
    return Answer(
        None,
        sentence,
        final=400 <= status < 500 and status not in _LATER,  # noqa: PLR2004 - HTTP's numbers
        after=min(float(after), _LONGEST_RETRY_AFTER) if after.isascii() and after.isdigit() else 0.0,
    )


def _said(error: Exception) -> str:
    """Return what happened to a connection, as words."""
    if isinstance(error, TimeoutError) and not error.strerror:
        return f"no answer for {_PATIENCE:g} s"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection ended without an answer"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended in the middle of the answer"
    if isinstance(error, http.client.HTTPException):
        return "the answer is no HTTP"
    return getattr(error, "strerror", None) or type(error).__name__


class Delivery:
    """Reports what is in the spool until it is told to end.

    Args:
        spool: Where the samples are.
        client: How the store is told.

    Attributes:
        stored: How many samples the store has.
        trouble: Why the store takes nothing now; empty while it does.
        refused: The store's last word, if it will not have them; nothing more is sent then.
    """

    def __init__(self, spool: Spool, client: StoreClient) -> None:
        self._spool = spool
        self._client = client
        self._news = threading.Event()
        self._ending = threading.Event()
        # Not ``random``'s own generator: many sidecars that start at once must not ask at once.
        self._random = random.Random()
        self._asked = False
        self._waiting: Record | None = None
        self._refusals = 0
        self.stored = 0
        self.trouble = ""
        self.refused = ""
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it still works; an end that nobody asked for is a fault."""
        return self._thread.is_alive()

    @property
    def is_idle(self) -> bool:
        """Whether the store has everything that is in the spool, or will not have it."""
        return bool(self.refused) or (self._asked and self.stored >= self._spool.following)

    def wake(self) -> None:
        """There is something new."""
        self._news.set()

    def end(self) -> None:
        """Send no more."""
        self._ending.set()
        self._news.set()
        self._thread.join(timeout=1)
        self._client.close()

    def _run(self) -> None:
        pause = 0.0
        while not self._ending.is_set() and not self.refused:
            first, samples = self._next()
            if samples or not self._asked:
                answer = self._client.report(first, samples)
                pause = self._take(answer, first + len(samples), pause)
                if pause:
                    self._ending.wait(max(pause * self._random.uniform(0.5, 1.0), answer.after))
            else:
                self._spool.tidy(self.stored)
                self._news.wait()
                self._news.clear()

    def _next(self) -> tuple[int, list[list[Any]]]:
        """Return samples that the store has not, of as many records as make one report, and the number of the first."""
        first, samples, size = self.stored, list[list[Any]](), 0
        while self._asked:
            record = self._waiting or self._spool.read()
            self._waiting = None
            if record is None:
                break
            new = record.samples[max(0, first + len(samples) - record.first) :]
            if not new:
                continue
            if samples and (len(samples) + len(new) > _MOST_SAMPLES or size + record.size > _MOST_BYTES):
                self._waiting = record
                break
            if not samples:
                first = record.following - len(new)
            samples += new
            size += record.size
        return first, samples

    def _take(self, answer: Answer, following: int, pause: float) -> float:
        """Go on after an answer; returns how long to wait before the next call.

        Args:
            answer: The store's.
            following: The number that it should want next, at least.
            pause: How long was waited last.
        """
        if answer.following is not None and answer.following < following:
            answer = Answer(None, f"it wants number {answer.following} after it was given those before {following}")
        if answer.following is not None:
            if self.trouble:
                _LOGGER.warning("the store takes reports again")
            self.trouble, self._refusals = "", 0
            self._asked, self.stored = True, answer.following
            return 0.0
        self._spool.rewind()
        self._waiting = None
        if answer.sentence != self.trouble:
            _LOGGER.warning("the store takes no reports, they are kept and sent again: %s", answer.sentence)
            self.trouble = answer.sentence
        self._refusals = self._refusals + 1 if answer.final else 0
        if self._refusals >= _MOST_REFUSALS:
            _LOGGER.error("the store will not take these reports: %s", answer.sentence)
            self.refused = answer.sentence
        return min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
