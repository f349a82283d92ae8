"""Results as a study of Optuna's, for its plots and its importances.

A trial with a value is a complete one: those that were stopped early count here, as they do for the experiment. Every parameter keeps the
range of its experiment, widened where a trial lies outside.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial
from typing_extensions import override

from katib.viz.figures import label

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from optuna.trial import FrozenTrial

    from katib.viz.results import Dimension, Result

__all__ = ["shared_by_all", "study_of"]


class _DrawnStudy(Study):
    """Trials to look at; one that Optuna makes in memory says on standard error that it was made."""

    def __init__(self, trials: list[FrozenTrial], *, minimise: bool) -> None:
        self._drawn = trials
        self._direction = StudyDirection.MINIMIZE if minimise else StudyDirection.MAXIMIZE

    @property
    @override
    def directions(self) -> list[StudyDirection]:
        return [self._direction]

    @override
    def get_trials(self, deepcopy: bool = True, states: Container[OptunaState] | None = None) -> list[FrozenTrial]:
        return [trial for trial in self._drawn if states is None or trial.state in states]


def shared_by_all(dimensions: Sequence[Dimension], trials: Sequence[Result]) -> list[Dimension]:
    """Return the parameters that all these trials have, and of which there are two values at least."""
    shared = [one for one in dimensions if all(one.name in trial.parameters for trial in trials)]
    return [one for one in shared if len({trial.parameters[one.name] for trial in trials}) > 1]


def study_of(
    trials: Sequence[Result], dimensions: Sequence[Dimension], metric: str, *, minimise: bool, unit: float = 1.0
) -> Study:
    """Return a study of trials that have a value of the metric; its texts are safe for plotly.

    Args:
        trials: Those of ``Results.measured``.
        dimensions: The parameters it has.
        metric: What it optimises.
        minimise: Whether less is better.
        unit: What its values are divided by: the sums of very large ones would be infinite.
    """
    distributions = {one.name: _distribution(one, trials) for one in dimensions}
    frozen = []
    for place, trial in enumerate(trials):
        given = {
            one.name: trial.parameters[one.name] if one.numeric else _word(one, trial)
            for one in dimensions
            if one.name in trial.parameters
        }
        made = create_trial(
            params={label(name): value for name, value in given.items()},
            distributions={label(name): distributions[name] for name in given},
            value=(trial.value(metric) or 0.0) / unit,
        )
        made.number = trial.index if trial.index >= 0 else place
        frozen.append(made)
    return _DrawnStudy(frozen, minimise=minimise)


def _word(dimension: Dimension, trial: Result) -> str:
    return label(trial.parameters[dimension.name])


def _distribution(dimension: Dimension, trials: Sequence[Result]) -> BaseDistribution:
    if not dimension.numeric:
        return CategoricalDistribution(list(dict.fromkeys(label(choice) for choice in dimension.choices)))
    values: list[Any] = [trial.parameters[dimension.name] for trial in trials if dimension.name in trial.parameters]
    low, high = min(values, default=0.0), max(values, default=0.0)
    if not math.isfinite(high - low):  # more than a double can tell apart
        low, high = low / 4, high / 4
    return FloatDistribution(low, high, log=dimension.log and low > 0)
