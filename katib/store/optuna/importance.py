"""How much each parameter of an experiment matters for a metric: Optuna's fANOVA, on the trials that are over.

Of experiments that we drive the space is known, of Optuna's the distributions; of others, a parameter goes from its least to its greatest
value, or is a choice among the texts that there were.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.study import Study, StudyDirection
from optuna.trial import create_trial
from typing_extensions import override

from katib.api.trial import TrialState
from katib.errors import InvalidInput, Problem
from katib.store.optuna.experiments import KatibReading
from katib.store.optuna.reading import OptunaReading
from katib.store.tracking.records import ExperimentKind, RunPart, RunScope

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from optuna.trial import FrozenTrial
    from optuna.trial import TrialState as OptunaState

    from katib.store.optuna.reading import StudyReading
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run, SearchExperiment

__all__ = ["MOST_TRIALS", "importances"]

MOST_TRIALS: Final = 1_000
"""The newest ones are looked at: more take long, and say little more."""

_TREES: Final = 32
_DEPTH: Final = 8
"""Of the trees: deeper ones split noise, and a thousand trials take half a minute."""
_FINISHED: Final = frozenset({TrialState.SUCCEEDED, TrialState.EARLY_STOPPED})
_FINISHED_FILTER: Final = "status = 'FINISHED'"
_PARTS: Final = frozenset({RunPart.PARAMETERS, RunPart.METRICS, RunPart.PROPERTIES})


def importances(tracking: Tracking, experiment_id: str, metric: str | None = None) -> dict[str, float]:
    """Return the importance of each parameter that all finished trials have, the greatest first; together they are 1.

    Args:
        tracking: What the namespace has.
        experiment_id: Which experiment.
        metric: None for its objective.

    Raises:
        InvalidInput: There is no metric, or there are not two trials with different values of it, or no parameter with two values.
    """
    search = tracking.search(experiment_id)
    wanted = metric or search.objective
    if not wanted:
        raise InvalidInput([Problem("metric", "has to be named: the experiment names no objective")])
    found = tracking.find_runs(
        _FINISHED_FILTER, "start_time DESC", scope=RunScope(experiment_ids=[search.id]), limit=MOST_TRIALS, parts=_PARTS
    )
    runs = [run for run in reversed(found.items) if run.state in _FINISHED]
    values = [_value(search, run, wanted) for run in runs]
    usable = [
        (run, value) for run, value in zip(runs, values, strict=True) if value is not None and math.isfinite(value)
    ]
    if len({value for _, value in usable}) < 2:  # noqa: PLR2004 - what differs
        raise InvalidInput(
            f"importances need two finished trials with different values of {wanted!r}; "
            f"of {len(runs)} finished ones, {len(usable)} have a number"
        )
    points = _points(search, [run for run, _ in usable])
    shared = _shared(points)
    if not shared:
        raise InvalidInput("importances need a parameter that all finished trials have, with two different values")
    study = _Finished(
        [
            create_trial(params={name: params[name] for name in shared}, distributions=shared, value=value)
            for (params, _), (_, value) in zip(points, usable, strict=True)
        ]
    )
    weights = get_param_importances(
        study, evaluator=FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_DEPTH, seed=0)
    )
    return {name: float(weight) for name, weight in weights.items()}


class _Finished(Study):
    """Trials that are over, as a study to look at: one in memory would say on standard error that it was made, wherever this runs."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        self._finished = trials

    @property
    @override
    def directions(self) -> list[StudyDirection]:
        return [StudyDirection.MINIMIZE]

    @override
    def get_trials(self, deepcopy: bool = True, states: Container[OptunaState] | None = None) -> list[FrozenTrial]:
        return [trial for trial in self._finished if states is None or trial.state in states]


def _value(search: SearchExperiment, run: Run, metric: str) -> float | None:
    """Return the value that counts: of an objective of ours, what its strategy says, else the latest."""
    found = next((one for one in run.metrics if one.name == metric), None)
    if found is None:
        return None
    objective = (search.spec or {}).get("objective") or {}
    strategies = {one.get("name"): one.get("value") for one in objective.get("metricStrategies") or []}
    chosen = {"min": found.min_value, "max": found.max_value}.get(strategies.get(metric, ""))
    return found.value if chosen is None else chosen


_Point = tuple[dict[str, Any], dict[str, BaseDistribution]]


def _points(search: SearchExperiment, runs: Sequence[Run]) -> list[_Point]:
    """Return the parameters of runs with their distributions."""
    reading: StudyReading | None = None
    if search.kind is ExperimentKind.KATIB and search.spec is not None:
        reading = KatibReading(search.spec)
    elif search.kind is ExperimentKind.OPTUNA:
        reading = OptunaReading([StudyDirection.MINIMIZE])
    if reading is None:
        return _inferred(runs)
    frozen: list[FrozenTrial] = [reading.frozen(run, ()) for run in runs]
    return [(trial.params, trial.distributions) for trial in frozen]


def _inferred(runs: Sequence[Run]) -> list[_Point]:
    given = [{parameter.name: parameter for parameter in run.parameters} for run in runs]
    distributions: dict[str, BaseDistribution] = {}
    numeric: set[str] = set()
    for name in dict.fromkeys(name for parameters in given for name in parameters):
        some = [parameters[name] for parameters in given if name in parameters]
        numbers = [one.number for one in some if one.number is not None and math.isfinite(one.number)]
        if len(numbers) == len(some) and math.isfinite(max(numbers) - min(numbers)):
            numeric.add(name)
            distributions[name] = FloatDistribution(min(numbers), max(numbers))
        else:
            distributions[name] = CategoricalDistribution(sorted({one.text for one in some}))
    return [
        (
            {name: one.number if name in numeric else one.text for name, one in parameters.items()},
            {name: distributions[name] for name in parameters},
        )
        for parameters in given
    ]


def _shared(points: Iterable[_Point]) -> dict[str, BaseDistribution]:
    """Return the distributions of the parameters that all points have, in which they are, and of which there are two values."""
    shared: dict[str, BaseDistribution] | None = None
    values: dict[str, set[Any]] = {}
    for params, distributions in points:
        if shared is None:
            shared = dict(distributions)
        shared = {name: one for name, one in shared.items() if distributions.get(name) == one}
        for name, value in params.items():
            values.setdefault(name, set()).add(value)
    return {name: one for name, one in (shared or {}).items() if len(values[name]) > 1 and not one.single()}
