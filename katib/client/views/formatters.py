"""Experiments and trials show themselves in notebooks: IPython is told how, and the resources know nothing of HTML.

Importing ``katib.client.views``, as ``KatibClient`` does, sees to it. Where there is no IPython, nothing happens.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from typing_extensions import override

from katib.client.views.html import experiment_html, trial_html, trials_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from katib.api.experiment import Experiment
    from katib.api.trial import Trial
    from katib.engine.trial import TrialRecord

__all__ = ["TrialList", "register"]

_VIEWS: dict[tuple[str, str], Callable[[Any], str]] = {
    ("katib.api.experiment", "Experiment"): experiment_html,
    ("katib.api.trial", "Trial"): trial_html,
    ("katib.engine.trial", "TrialRecord"): trial_html,
}


def register(shell: Any = None) -> bool:
    """Tell IPython how to show experiments and trials; again is fine.

    Args:
        shell: By default the one this program runs in.

    Returns:
        Whether there is one.
    """
    if shell is None:
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is None:
        return False
    formatter = shell.display_formatter.formatters["text/html"]
    for (module, name), view in _VIEWS.items():
        formatter.for_type_by_name(module, name, _or_nothing(view))
    return True


def _or_nothing(view: Callable[[Any], str]) -> Callable[[Any], str | None]:
    """Return a view that leaves to others what is not complete yet, as experiments that are being put together."""

    def shown(thing: Any) -> str | None:
        try:
            return view(thing)
        except (AttributeError, TypeError, ValueError):
            return None

    return shown


class TrialList(list["Trial | TrialRecord"]):
    """A list of trials that a notebook shows as a table.

    Args:
        experiment: Theirs, for the order of the columns and the mark at the best one.
    """

    def __init__(self, trials: Iterable[Trial | TrialRecord] = (), experiment: Experiment | None = None) -> None:
        super().__init__(trials)
        self.experiment = experiment

    def _repr_html_(self) -> str:
        return trials_html(self, self.experiment)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Trial | TrialRecord: ...

    @overload
    def __getitem__(self, place: slice) -> TrialList: ...

    @override
    def __getitem__(self, place: SupportsIndex | slice) -> Trial | TrialRecord | TrialList:
        found = super().__getitem__(place)
        return TrialList(found, self.experiment) if isinstance(found, list) else found
