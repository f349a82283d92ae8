"""What pods said that were taken away before their trial's end was seen.

Some controllers delete the pods of a job as soon as it has ended, or one of its replicas has. What those pods left behind, an exit code or
the word of the collector, may be gone from the watch's cache when the job's end is looked at.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from katib.operator.pod_reasons import has_word

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GonePods"]

_MOST: Final = 16
"""Pods that are kept of a trial: the newest."""


class GonePods:
    """Pods by trial, until somebody forgets the trial."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pods: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def remember(self, trial: tuple[str, str], pod: Mapping[str, Any]) -> None:
        """Keep a pod as it was last seen, if that tells anything."""
        if has_word(pod):
            with self._lock:
                kept = self._pods.setdefault(trial, [])
                kept.append(dict(pod))
                del kept[:-_MOST]

    def of(self, trial: tuple[str, str]) -> list[dict[str, Any]]:
        """Return the pods of a trial that are gone, the one that went last first."""
        with self._lock:
            return self._pods.get(trial, [])[::-1]

    def forget(self, trial: tuple[str, str]) -> None:
        """Let go of a trial that has ended, or begins anew."""
        with self._lock:
            self._pods.pop(trial, None)
