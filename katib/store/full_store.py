"""Everything a store does: what the engine asks, what Katib's DB manager asks, and what ModelDB kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from katib.store.observation_logs import LoggingStore
from katib.store.tracking.protocol import TrackingStore

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FullStore"]


class FullStore(LoggingStore, TrackingStore, Protocol):
    """A store that does all of it."""

    def guard_writes(self, check: Callable[[], None]) -> None:
        """Call this before each change of the store and before it is made durable; what it raises ends the change."""
