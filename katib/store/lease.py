"""What one process of several does, for as long as it lives (``TrackingStore.take_lease``)."""

from __future__ import annotations

import os
import secrets
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.store.tracking.protocol import TrackingStore
    from katib.store.tracking.records import LeaseState

__all__ = ["Lease"]


class Lease:
    """A lease that this process wants.

    Args:
        store: What the processes share.
        name: What is done by one of them.
        seconds: How long a holder may be silent before another one takes over.
        clock: A clock of this process.
    """

    def __init__(
        self, store: TrackingStore, name: str, *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._name = name
        self._seconds = seconds
        self._clock = clock
        self._holder = f"{socket.gethostname()[:100]}-{os.getpid()}-{secrets.token_hex(8)}"
        self._seen: LeaseState | None = None
        self._since = 0.0
        self._held_until: float | None = None

    @property
    def held(self) -> bool:
        """Whether nobody else can have taken over yet."""
        return self._held_until is not None and self._clock() < self._held_until

    def hold(self) -> bool:
        """Take the lease if it is free or its holder is silent, or stay its holder; to be called several times in ``seconds``.

        Raises:
            StoreUnavailable: The store is away; the lease is held until its time is over.
        """
        began = self._clock()
        silent = self._seen is not None and began - self._since >= self._seconds
        state = self._store.take_lease(self._name, self._holder, expired=self._seen if silent else None)
        if state != self._seen:
            self._seen, self._since = state, self._clock()
        # From before the call: whoever waits counts from after it.
        self._held_until = began + self._seconds if state.holder == self._holder else None
        return self._held_until is not None

    def give_up(self) -> None:
        """Let another process have it at once."""
        self._held_until = None
        self._store.give_lease_up(self._name, self._holder)
