"""What all callbacks do: choose metrics, report them, and ask whether to go on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from katib.client.current_trial import current_trial
from katib.client.reporting import report_metrics
from katib.errors import InvalidInput

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Chosen", "Progress"]

Chosen = Mapping[str, str] | Iterable[str] | None
"""Which metrics are reported: a mapping from the library's names to those of the experiment, names alone, or None for all."""


class Progress:
    """Tells of a training, and asks about it.

    Args:
        metrics: Which.

    Raises:
        InvalidInput: These are no names.
    """

    def __init__(self, metrics: Chosen = None) -> None:
        if isinstance(metrics, str):
            raise InvalidInput(
                f"metrics must be a list of names, or a mapping from the library's to yours, not {metrics!r}"
            )
        self._names: dict[str, str] | None = None
        if metrics is not None:
            named = metrics.items() if isinstance(metrics, Mapping) else ((name, name) for name in metrics)
            self._names = dict(named)

    def report(self, values: Mapping[str, Any], step: int) -> None:
        """Report those of the values that were chosen and are numbers."""
        found = {}
        for name, value in values.items():
            if self._names is not None and name not in self._names:
                continue
            try:
                found[name if self._names is None else self._names[name]] = float(value)
            except (TypeError, ValueError, RuntimeError):  # such as the state of a metric with several numbers
                continue
        if found:
            report_metrics(found, step=step)

    def should_stop(self, *, alone: bool = False) -> bool:
        """Whether the trial is to end; never outside of one. The first call also begins to listen, perhaps ``alone``."""
        trial = current_trial()
        return trial is not None and trial.should_stop(alone=alone)
