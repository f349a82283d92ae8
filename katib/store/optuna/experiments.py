"""Experiments that we drive, as studies that Optuna can read: its plots and its dashboard then work on them.

Their distributions come from the experiment's space. What Optuna has no distribution for (a normal one, a network) is shown as the
nearest it has.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState
from typing_extensions import override

from katib.api.experiment import ExperimentSpec
from katib.errors import InvalidInput
from katib.space.parameter import Choice, Double, Grid, parameter_from
from katib.store.optuna import facts
from katib.store.optuna.reading import StudyReading
from katib.store.optuna.times import to_local
from katib.store.optuna.trials import optuna_state
from katib.store.tracking.records import RunPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.space.parameter import Parameter
    from katib.store.protocol import Observed
    from katib.store.tracking.records import Json, Metric, Run

__all__ = ["KatibReading"]

_DIRECTIONS: Final = {"maximize": StudyDirection.MAXIMIZE, "minimize": StudyDirection.MINIMIZE}
_LOGARITHMIC: Final = ("logUniform", "logNormal")


class KatibReading(StudyReading):
    """Experiments of ours.

    Args:
        spec: As the store has it.
    """

    parts = frozenset({RunPart.PARAMETERS, RunPart.METRICS})
    reports_alone = True

    def __init__(self, spec: Mapping[str, Json]) -> None:
        read = ExperimentSpec.model_validate(spec)
        named = ([read.objective] if read.objective else []) + list(read.objectives or [])
        self._objectives = {one.objective_metric_name: _DIRECTIONS.get(one.type or "") for one in named}
        strategies = (read.objective.metric_strategies or []) if read.objective else []
        self._strategies = {strategy.name: strategy.value for strategy in strategies}
        self._parameters: dict[str, Parameter] = {}
        for parameter in read.parameters or []:
            self._parameters[parameter.name] = parameter_from(parameter)
        self._distributions = {name: _distribution(parameter) for name, parameter in self._parameters.items()}

    @property
    @override
    def intermediate(self) -> str:
        return next(iter(self._objectives), "")

    @property
    @override
    def directions(self) -> list[StudyDirection]:
        return [direction or StudyDirection.NOT_SET for direction in self._objectives.values()]

    @override
    def system_attrs(self) -> dict[str, Any]:
        return {facts.METRIC_NAMES: list(self._objectives)}

    @override
    def frozen(self, run: Run, reports: Sequence[Observed]) -> FrozenTrial:
        params: dict[str, Any] = {}
        user_attrs: dict[str, Any] = {}
        given = {parameter.name: parameter.text for parameter in run.parameters}
        for name in [*self._parameters, *(other for other in given if other not in self._parameters)]:
            if name not in given:
                continue  # its condition does not hold
            try:
                params[name] = self._value(name, given[name])
            except (InvalidInput, KeyError):
                user_attrs[name] = given[name]  # a text, or a value that is not of the space (an imported result)
        metrics = {metric.name: metric for metric in run.metrics}
        user_attrs |= {name: _shown(metric) for name, metric in metrics.items() if name not in self._objectives}
        values = [self._objective(name, metrics.get(name)) for name in self._objectives]
        state = optuna_state(run.state)
        measured = [value for value in values if value is not None and not math.isnan(value)]
        if not state.is_finished() or len(measured) < len(values) or not values:
            measured = []
        if state is OptunaState.COMPLETE and not measured:
            state = OptunaState.FAIL  # Optuna has no complete trial without numbers
        return FrozenTrial(
            number=run.index or 0,
            trial_id=run.serial,
            state=state,
            value=None,
            values=measured if measured and state is not OptunaState.FAIL else None,
            datetime_start=to_local(run.started),
            datetime_complete=to_local(run.ended) if state.is_finished() else None,
            params=params,
            distributions={name: self._distributions[name] for name in params},
            user_attrs=user_attrs,
            system_attrs={},
            intermediate_values=_by_step(reports),
        )

    def _value(self, name: str, text: str) -> object:
        parameter = self._parameters[name]
        value = parameter.parse(text)
        return parameter.number(value) if not isinstance(parameter, Choice) or parameter.kind == "discrete" else value

    def _objective(self, name: str, metric: Metric | None) -> float | None:
        if metric is None:
            return None
        strategy = self._strategies.get(name, "latest")
        chosen = {"min": metric.min_value, "max": metric.max_value}.get(strategy, metric.value)
        return metric.value if chosen is None else chosen


def _shown(metric: Metric) -> float | str:
    return metric.latest if metric.value is None else metric.value


def _by_step(reports: Sequence[Observed]) -> dict[int, float]:
    """Return reports by step; those that name none are counted."""
    return {
        index if report.step is None else report.step: report.value
        for index, report in enumerate(reports)
        if report.value is not None
    }


def _distribution(parameter: Parameter) -> BaseDistribution:
    """Return the distribution of Optuna's that has the same values."""
    if isinstance(parameter, Choice):
        if parameter.kind == "discrete":
            return CategoricalDistribution([parameter.number(choice) for choice in parameter.choices])
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, Double):
        return FloatDistribution(parameter.low, parameter.high, log=_has_log(parameter))
    if isinstance(parameter, Grid):
        if parameter.kind == "int":
            step = int(parameter.step)
            # Optuna's logarithmic integers have no step but 1.
            return IntDistribution(
                int(parameter.low), int(parameter.high), step=step, log=step == 1 and _has_log(parameter)
            )
        return FloatDistribution(float(parameter.low), float(parameter.high), step=float(parameter.step))
    raise InvalidInput(f"Optuna has no distribution for {parameter!r}")


def _has_log(parameter: Double | Grid) -> bool:
    return parameter.distribution in _LOGARITHMIC and parameter.low > 0
