"""Everything a store does: what the engine asks, what Katib's DB manager asks, and what ModelDB kept."""

from __future__ import annotations

from typing import Protocol

from katib.store.observation_logs import LoggingStore
from katib.store.tracking.protocol import TrackingStore

__all__ = ["FullStore"]


class FullStore(LoggingStore, TrackingStore, Protocol):
    """A store that does all of it."""
