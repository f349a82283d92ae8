"""Trials whose collectors run, and of which nothing has come to the store for long.

A trainer that reports at its end only is as silent as a collector that a mesh or a policy keeps from the store, and the operator cannot
tell them apart. So it judges nothing: it says what is so, and where to read more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.errors import StoreUnavailable
from katib.operator.pod_reasons import collected_pod
from katib.template.collection import COLLECTOR_CONTAINER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from katib.api.experiment import Experiment
    from katib.operator.store_access import StoreAccess

__all__ = ["Silence"]

_LONG: Final = 300.0
"""Seconds of silence that are worth a word."""
_ASK_AGAIN: Final = 60.0
"""Seconds between two questions to the store about one trial."""

Key = tuple[str, str]


@dataclass(slots=True)
class _Silent:
    due: float
    told: str = ""
    heard: bool = False


class Silence:
    """Asks the store of trials that run whether it has heard of them; once it has, never again.

    Args:
        store: Which.
    """

    def __init__(self, store: StoreAccess) -> None:
        self._store = store
        self._trials: dict[Key, _Silent] = {}

    def of(self, key: Key, experiment: Experiment, pods: Iterable[Mapping[str, Any]]) -> tuple[str, float | None]:
        """Return what there is to say of a trial's silence, empty for nothing, and in how many seconds to ask again.

        Args:
            key: Namespace and name of the trial.
            experiment: Its own.
            pods: Its own. Without a collector at work among them there is nothing to say or to ask.
        """
        pod, now = collected_pod(pods), time.monotonic()
        if pod is None:
            return "", None
        trial = self._trials.setdefault(key, _Silent(due=now + _LONG))
        if trial.heard:
            return "", None
        if now >= trial.due:
            trial.due = now + _ASK_AGAIN
            try:
                trial.heard = bool(self._store.summaries(experiment, key[1]))
            except StoreUnavailable:
                return trial.told, _ASK_AGAIN
            if trial.heard:
                return "", None
            trial.told = (
                f"nothing that it reported has come to the store in {_LONG / 60:.0f} minutes; whether its collector can "
                f"get there says `kubectl logs {pod} -c {COLLECTOR_CONTAINER}`"
            )
        return trial.told, trial.due - now

    def forget(self, key: Key) -> None:
        """Let go of a trial that has ended."""
        self._trials.pop(key, None)
