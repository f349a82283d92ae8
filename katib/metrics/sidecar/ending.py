"""The signals that end the sidecar. They wait until it can do what they say: the first process of a container would never see them again."""

from __future__ import annotations

import signal
from typing import Final

__all__ = ["ENDING", "hold"]

ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def hold() -> None:
    """Keep the signals until they are let through."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
