"""A server that goes away, as its client takes it: asked again with growing pauses, said once, and given up after a while."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Final

from katib.errors import Overloaded, Retry, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.errors import KatibError

__all__ = ["Attempts", "Outage"]

_LOGGER: Final = logging.getLogger("katib")
_FIRST: Final = 0.1
_LONGEST: Final = 2.0


class Outage:
    """What is known of a server that does not answer, by all calls of one client.

    Args:
        address: The server.
        patience: Seconds for which a call is made again.
        told: Called with a sentence when the server goes away, and when it is back; beside the logger ``katib``.
    """

    def __init__(self, address: str, patience: float, told: Callable[[str], None] | None = None) -> None:
        self._address = address
        self.patience = patience
        self._told = told
        self._away = False
        self._lock = threading.Lock()
        # Only for pauses, which must differ between clients.
        self.random = random.Random()

    def failed(self, error: KatibError) -> None:
        """Say it, unless it was said."""
        with self._lock:
            if self._away:
                return
            self._away = True
        self._say(f"{error}; asking again for up to {self.patience:g} s", logging.WARNING)

    def answered(self) -> None:
        """Say that it is over, if it was said that it began."""
        if not self._away:
            return
        with self._lock:
            if not self._away:
                return
            self._away = False
        self._say(f"the server at {self._address} answers again", logging.INFO)

    def _say(self, text: str, level: int) -> None:
        _LOGGER.log(level, "%s", text)
        if self._told is not None:
            try:
                self._told(text)
            except Exception:  # nobody else would answer the call that is told of
                _LOGGER.exception("what is told of the server cannot take it")


class Attempts:
    """The attempts at one call.

    Args:
        outage: Of its server.
    """

    def __init__(self, outage: Outage) -> None:
        self._outage = outage
        self._count = 0
        self._since: float | None = None

    def pause(self, error: KatibError) -> float:
        """Return after how many seconds a call that failed is made again.

        Raises:
            KatibError: It is not: it would fail again, or has failed for too long.
        """
        if error.retry is not Retry.LATER:
            raise error
        now = time.monotonic()
        since = self._since = now if self._since is None else self._since
        self._count += 1
        left = self._outage.patience - (now - since)
        if left <= 0:
            if not isinstance(error, StoreUnavailable | Overloaded) or self._outage.patience <= 0:
                raise error
            raise type(error)(f"{error} (asked {self._count} times in {now - since:.0f} s)") from error
        self._outage.failed(error)
        longest = min(_LONGEST, _FIRST * 2.0 ** min(self._count, 10))
        return min(left, longest * self._outage.random.uniform(0.5, 1.0))

    def answered(self) -> None:
        """Begin anew: a stream goes on."""
        self._since, self._count = None, 0
        self._outage.answered()
