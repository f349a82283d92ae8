"""Threads that look at what a queue says, until they are told to end."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from katib.errors import KatibError
from katib.kube.errors import NotLeading, ServerAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.kube.work_queue import WorkQueue
    from katib.operator.operator_metrics import OperatorMetrics
    from katib.operator.outage import Outage
    from katib.operator.parts import Key

__all__ = ["Workers"]

_LOGGER: Final = logging.getLogger(__name__)
_PAUSE: Final = 0.2
"""Seconds between two questions whether an outage is over."""


class Workers:
    """Some threads for one controller.

    Args:
        name: Of the controller, in metrics and the log.
        count: How many.
        queue: Says what to look at.
        look: Looks at one key; returns in how many seconds to look again, or None.
        metrics: Told how long looks take.
        outage: Says when the API server may be asked.
        failed: Told what a look that failed says, for an event.
    """

    def __init__(
        self,
        name: str,
        count: int,
        queue: WorkQueue[Key],
        look: Callable[[Key], float | None],
        *,
        metrics: OperatorMetrics,
        outage: Outage,
        failed: Callable[[Key, KatibError], None],
    ) -> None:
        self._name = name
        self._queue = queue
        self._look = look
        self._metrics = metrics
        self._outage = outage
        self._failed = failed
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float) -> bool:
        """Wait until all looks under way have ended, the queue having been shut down; returns whether they have."""
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while not self._queue.is_shut_down:
            if not self._outage.may_try():
                time.sleep(_PAUSE)
                continue
            key = self._queue.get(timeout=1.0)
            if key is None:
                continue
            try:
                self._look_at(key)
            finally:
                self._queue.done(key)

    def _look_at(self, key: Key) -> None:
        started = time.monotonic()
        failed = True
        try:
            again = self._look(key)
        except NotLeading:
            return  # another operator does it
        except ServerAway as error:
            self._outage.failed()
            _LOGGER.warning("%s %s/%s waits for the API server: %s", self._name, *key, error)
            self._queue.add(key)
        except KatibError as error:
            _LOGGER.warning("%s %s/%s: %s", self._name, *key, error)
            self._failed(key, error)
            self._queue.retry(key)
        except Exception:
            _LOGGER.exception("%s %s/%s failed", self._name, *key)
            self._queue.retry(key)
        else:
            failed = False
            self._queue.forget(key)
            if again is not None:
                self._queue.add_after(key, again)
        finally:
            self._metrics.looked(self._name, time.monotonic() - started, failed=failed)
