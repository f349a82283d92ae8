"""Trials as a table with types (pandas), and as a study of Optuna's."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from katib.api.metric_names import metric_names
from katib.api.typed_value import typed_value
from katib.engine.observe import UNAVAILABLE
from katib.errors import Unsupported
from katib.store.summary import reported_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import optuna
    import pandas as pd

    from katib.api.experiment import Experiment, ExperimentSpec, Metric, ParameterSpec
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Observed

__all__ = ["metric_value", "optuna_study", "trials_dataframe", "typed_point"]

_INTEGERS: Final = "Int64"
"""pandas' integers that may be missing."""


def typed_point(spec: ExperimentSpec, assignments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return a point with values of their types."""
    kinds = {parameter.name: parameter.parameter_type for parameter in spec.parameters or []}
    return {name: typed_value(kinds.get(name, "categorical"), text) for name, text in assignments}


def metric_value(spec: ExperimentSpec, metric: Metric) -> float | str | None:
    """Return the value of a metric that counts by the experiment's strategy: a number where it is one, None where there is none."""
    stated = (spec.objective.metric_strategies if spec.objective else None) or []
    strategies = {one.name: one.value for one in stated}
    strategy = strategies.get(metric.name, "latest")
    text = {"min": metric.min, "max": metric.max}.get(strategy) or metric.latest
    if text == UNAVAILABLE:  # every report was NaN or a word: say which
        text = metric.latest
    if text is None or text == UNAVAILABLE:
        return None
    number = reported_number(text)
    return text if number is None else number


def trials_dataframe(experiment: Experiment, trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return one row for each trial, by index.

    Columns are ``name``, ``state``, ``params.<name>``, ``metrics.<name>``, ``created``, ``started``, ``ended``, ``seconds``, ``reason`` and
    ``message``. Parameters have their types, times are in UTC, and what a trial has not is missing.

    Raises:
        Unsupported: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise Unsupported("a table of trials needs pandas: pip install 'katib[export]'") from error
    spec = experiment.spec
    points = [typed_point(spec, record.assignments) for record in trials]
    measured = [
        {metric.name: metric_value(spec, metric) for metric in record.observation.metrics} if record.observation else {}
        for record in trials
    ]
    columns: dict[str, Any] = {
        "name": [record.name for record in trials],
        "state": [str(record.state) for record in trials],
    }
    for parameter in spec.parameters or []:
        values = [point.get(parameter.name) for point in points]
        columns[f"params.{parameter.name}"] = pd.Series(values, dtype=_dtype(parameter, values))
    for name in dict.fromkeys([*metric_names(spec), *(name for one in measured for name in one)]):
        found = [one.get(name) for one in measured]
        has_words = any(isinstance(value, str) for value in found)
        columns[f"metrics.{name}"] = pd.Series(found, dtype=object if has_words else "float64")
    for name, read in _TIMES.items():
        columns[name] = pd.Series(pd.to_datetime([read(record) for record in trials], utc=True))
    columns["seconds"] = (columns["ended"] - columns["started"]).dt.total_seconds()
    columns["reason"] = [record.reason for record in trials]
    columns["message"] = [record.message for record in trials]
    return pd.DataFrame(columns, index=pd.Index([record.index for record in trials], name="index", dtype="int64"))


_TIMES: Final[Mapping[str, Callable[[TrialRecord], Any]]] = {
    "created": lambda record: record.created,
    "started": lambda record: record.started,
    "ended": lambda record: record.finished,
}


def _dtype(parameter: ParameterSpec, values: Sequence[Any]) -> Any:
    """Return the column's type: numbers as numbers, with room for what is missing."""
    given = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in given) or parameter.parameter_type == "categorical":
        return object
    if given and all(isinstance(value, int) for value in given):
        return "int64" if len(given) == len(values) else _INTEGERS
    return "float64"


def optuna_study(
    experiment: Experiment, trials: Sequence[TrialRecord], series: Callable[[str], Sequence[Observed]] | None = None
) -> optuna.Study:
    """Return the trials as a study in memory, for Optuna's plots and analyses.

    Args:
        series: Returns what a trial reported of the objective; without it, trials have no intermediate values.
    """
    import optuna

    from katib.store.optuna.experiments import KatibReading

    reading = KatibReading(experiment.spec.to_document())
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a copy is no news
    try:
        study = optuna.create_study(study_name=experiment.metadata.name, directions=reading.directions)
    finally:
        optuna.logging.set_verbosity(verbosity)
    for record in trials:
        run = cast("Any", _as_run(record))
        study.add_trial(reading.frozen(run, series(record.name) if series is not None else ()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(_objectives(experiment.spec))
    return study


def _objectives(spec: ExperimentSpec) -> list[str]:
    named = [spec.objective, *(spec.objectives or [])]
    return [objective.objective_metric_name for objective in named if objective is not None]


def _as_run(record: TrialRecord) -> SimpleNamespace:
    """Return what is read of a run where one becomes a trial of Optuna's."""
    observation = record.observation
    return SimpleNamespace(
        index=record.index,
        serial=record.index,
        state=record.state,
        started=record.started or (record.created if not record.state.is_active else None),
        ended=record.finished,
        parameters=[SimpleNamespace(name=name, text=text) for name, text in record.assignments],
        metrics=[
            SimpleNamespace(
                name=metric.name,
                latest=metric.latest or "",
                value=reported_number(metric.latest or ""),
                min_value=reported_number(metric.min or ""),
                max_value=reported_number(metric.max or ""),
            )
            for metric in (observation.metrics if observation else [])
        ],
    )
