"""The store as the operator asks it: quick to give up while it is away, so that nobody waits and nothing is asked again and again."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final

from katib.errors import NotFound, Overloaded, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import Experiment
    from katib.rpc.store_client import StoreClient
    from katib.store.protocol import Summary

__all__ = ["StoreAccess"]

_REST: Final = 1.0
"""Seconds in which a store that did not answer is not asked."""


class StoreAccess:
    """Reads of trials' metrics.

    Args:
        client: The store.
    """

    def __init__(self, client: StoreClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why the store does not answer, as a sentence; empty while it does."""
        return self._trouble

    def summaries(self, experiment: Experiment, name: str) -> dict[str, Summary]:
        """Return every metric of a trial in short; none where it reported nothing.

        Raises:
            StoreUnavailable: It is away.
        """
        with self._guarded():
            try:
                return self._client.summaries(experiment, [name]).get(name, {})
            except NotFound as error:  # it is recorded in the background, and may end before that
                raise StoreUnavailable(str(error)) from error

    def series(self, experiment: Experiment, name: str, metric: str) -> list[float | None]:
        """Return what a trial reported of a metric.

        Raises:
            StoreUnavailable: It is away.
        """
        with self._guarded():
            return self._client.series(experiment, name, metric)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Refuse at once what would only wait for a store that is away, and learn from how a call ends."""
        with self._lock:
            if time.monotonic() < self._not_before:
                raise StoreUnavailable(self._trouble)
        try:
            yield
        except (StoreUnavailable, Overloaded) as error:
            if isinstance(error.__cause__, NotFound):
                raise
            with self._lock:
                self._trouble = str(error)
                self._not_before = time.monotonic() + _REST
            raise
        self._trouble = ""
