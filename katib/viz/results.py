"""What the plots draw: the trials of one experiment as numbers and words, wherever they came from."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.api.metric_names import metric_names
from katib.api.trial import Trial, TrialState
from katib.engine.observe import is_feasible, metric_value
from katib.engine.trial import TrialRecord
from katib.errors import InvalidInput, NotFound, Problem
from katib.space.parameter import Choice, parameter_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from katib.api.experiment import Experiment
    from katib.space.parameter import Parameter
    from katib.store.protocol import Observed

__all__ = ["Aim", "Curve", "Dimension", "Result", "Results", "curve_of"]

Curve = list[tuple[float, float]]
"""Steps and values, in the order of the steps."""

_INDEX: Final = "katib.kubeflow.org/trial-index"
ENDED_WELL: Final = frozenset({TrialState.SUCCEEDED, TrialState.EARLY_STOPPED})


@dataclass(frozen=True, slots=True)
class Aim:
    """A metric that is optimised."""

    metric: str
    minimise: bool
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Dimension:
    """A parameter as an axis.

    Attributes:
        numeric: Its values are numbers.
        log: It is searched on a logarithmic scale.
        choices: Its words in their order; those that only trials have come last.
    """

    name: str
    numeric: bool
    log: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One trial.

    Attributes:
        parameters: Numbers and words; inactive ones are absent.
        values: What stands for the trial, of each metric that is a number; NaN and infinities as they are.
        feasible: Within the bounds of the experiment.
    """

    index: int
    name: str
    state: TrialState
    parameters: Mapping[str, float | str]
    values: Mapping[str, float]
    feasible: bool = True
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None

    def value(self, metric: str) -> float | None:
        """Return the value of a metric that can be drawn: of a trial that ended well, and finite."""
        value = self.values.get(metric) if self.state in ENDED_WELL else None
        return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Results:
    """The trials of one experiment by index.

    Attributes:
        name: Of the experiment.
        aims: What it optimises.
        metrics: All its metrics, those it optimises first.
        curve: Reads what a trial reported of a metric.
    """

    name: str
    aims: tuple[Aim, ...]
    metrics: tuple[str, ...]
    dimensions: tuple[Dimension, ...]
    trials: tuple[Result, ...]
    curve: Callable[[str, str], Curve] = field(default=lambda _trial, _metric: [])

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        trials: Iterable[TrialRecord | Trial],
        series: Mapping[str, Sequence[Observed]] | Callable[[str, str], Sequence[Observed]] | None = None,
    ) -> Results:
        """Return the results of an experiment.

        Args:
            experiment: As it was submitted, with its defaults or without.
            trials: Any of its trials, as records or as resources.
            series: What trials reported: by trial, or a function of trial and metric.
        """
        spec = experiment.spec
        objectives = ([spec.objective] if spec.objective else []) + list(spec.objectives or [])
        space = {one.name: _parameter(one) for one in spec.parameters or []}
        metrics = metric_names(spec)
        results = [
            Result(
                index=trial.index,
                name=trial.name,
                state=trial.state,
                parameters={name: _typed(space.get(name), text) for name, text in trial.assignments},
                values={
                    name: value
                    for name in metrics
                    if (value := metric_value(trial.observation, name, spec)) is not None
                },
                feasible=is_feasible(trial.observation, spec),
                created=trial.created,
                started=trial.started,
                finished=trial.finished,
            )
            for trial in map(_record, trials, itertools.count())
        ]
        return cls(
            name=experiment.metadata.name,
            aims=tuple(Aim(one.objective_metric_name, one.type == "minimize", one.goal) for one in objectives),
            metrics=metrics,
            dimensions=_dimensions(space, results),
            trials=tuple(sorted(results, key=lambda result: result.index)),
            curve=_reading(series),
        )

    def metric(self, name: str | None) -> str:
        """Return which metric is meant.

        Raises:
            InvalidInput: There is none of the name, or no objective where none is named.
        """
        if name is None:
            if not self.aims:
                raise InvalidInput([Problem("metric", "has to be named: the experiment has no objective")])
            return self.aims[0].metric
        if name not in self.metrics:
            known = ", ".join(self.metrics) or "none"
            raise InvalidInput([Problem("metric", f"the experiment has no metric {name!r}; its metrics are: {known}")])
        return name

    def minimises(self, metric: str) -> bool:
        """Whether less is better; of a metric that is not optimised, yes."""
        return next((aim.minimise for aim in self.aims if aim.metric == metric), True)

    def chosen(self, names: Sequence[str] | None) -> list[Dimension]:
        """Return the parameters of these names, or all.

        Raises:
            InvalidInput: There is none of a name.
        """
        if names is None:
            return list(self.dimensions)
        if isinstance(names, str):
            names = [names]
        known = {one.name: one for one in self.dimensions}
        wrong = [name for name in names if name not in known]
        if wrong:
            told = ", ".join(known) or "none"
            raise InvalidInput(
                [Problem("parameters", f"the experiment has no parameter {name!r}; it has: {told}") for name in wrong]
            )
        return [known[name] for name in dict.fromkeys(names)]

    def named(self, trials: Sequence[str]) -> list[Result]:
        """Return the trials of these names.

        Raises:
            NotFound: There is none of a name.
        """
        known = {result.name: result for result in self.trials}
        for name in trials:
            if name not in known:
                raise NotFound(f"the experiment {self.name!r} has no trial {name!r}")
        return [known[name] for name in dict.fromkeys(trials)]

    def measured(self, metric: str) -> list[Result]:
        """Return the trials that have a value of a metric that can be drawn."""
        return [result for result in self.trials if result.value(metric) is not None]

    def best(self, metric: str, count: int) -> list[Result]:
        """Return the best feasible trials by a metric, the best one first."""
        sign = 1.0 if self.minimises(metric) else -1.0
        usable = [
            (sign * value, one) for one in self.trials if one.feasible and (value := one.value(metric)) is not None
        ]
        return [one for _, one in sorted(usable, key=lambda pair: (pair[0], pair[1].index))[:count]]


def _record(trial: TrialRecord | Trial, place: int) -> TrialRecord:
    """Return a trial as a record: of a resource, what a plot needs."""
    if not isinstance(trial, Trial):
        return trial
    status, index = trial.status, (trial.metadata.annotations or {}).get(_INDEX, "")
    last = status.conditions[-1].type if status and status.conditions else TrialState.CREATED
    return TrialRecord(
        index=int(index) if index.isdecimal() and index.isascii() else place,
        name=trial.metadata.name,
        state=TrialState(last) if last in set(TrialState) else TrialState.CREATED,
        assignments=tuple((one.name, one.value) for one in trial.spec.parameter_assignments or []),
        created=trial.metadata.creation_timestamp or datetime.fromtimestamp(0, UTC),
        started=status.start_time if status else None,
        finished=status.completion_time if status else None,
        observation=status.observation if status else None,
    )


def curve_of(reports: Iterable[Observed]) -> Curve:
    """Return what was reported as steps and values; reports without a step are counted, of several at one step the last counts."""
    points: dict[float, float] = {}
    for place, report in enumerate(reports):
        if report.value is not None:
            points[float(place if report.step is None else report.step)] = report.value
    return sorted(points.items())


def _reading(
    series: Mapping[str, Sequence[Observed]] | Callable[[str, str], Sequence[Observed]] | None,
) -> Callable[[str, str], Curve]:
    if series is None:
        return lambda _trial, _metric: []
    if callable(series):
        return lambda trial, metric: curve_of(series(trial, metric))
    return lambda trial, metric: curve_of(one for one in series.get(trial, ()) if one.name == metric)


def _parameter(spec: object) -> Parameter | None:
    try:
        return parameter_from(spec)  # type: ignore[arg-type]
    except (InvalidInput, ValueError, ArithmeticError):
        return None  # of an experiment that was never checked: its values are words


def _typed(parameter: Parameter | None, text: str) -> float | str:
    """Return a value as a number where its parameter has numbers, also one from outside of the space."""
    if parameter is None or parameter.kind in {"categorical", "text"}:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _dimensions(space: Mapping[str, Parameter | None], results: Sequence[Result]) -> tuple[Dimension, ...]:
    """Return the axes: those of the space, and those that only trials have (networks)."""
    seen: dict[str, dict[float | str, None]] = {name: {} for name in space}
    for result in results:
        for name, value in result.parameters.items():
            seen.setdefault(name, {})[value] = None
    found = []
    for name, values in seen.items():
        parameter = space.get(name)
        words = [value for value in values if isinstance(value, str)]
        numeric = parameter is not None and parameter.kind not in {"categorical", "text"} and not words
        listed = parameter.choices if isinstance(parameter, Choice) and not numeric else ()
        distribution = getattr(parameter, "distribution", "")
        numbers = [value for value in values if isinstance(value, float)]
        found.append(
            Dimension(
                name,
                numeric=numeric,
                log=numeric and distribution in {"logUniform", "logNormal"} and all(value > 0 for value in numbers),
                choices=() if numeric else tuple(dict.fromkeys([*listed, *map(str, values)])),
            )
        )
    return tuple(found)
