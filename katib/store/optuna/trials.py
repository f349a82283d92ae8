"""Trials of Optuna's own as runs: states, parameters, values, what was reported, attributes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from katib.api.trial import TrialState
from katib.store.optuna import facts
from katib.store.optuna.times import from_local, now, to_local
from katib.store.tracking.records import Facts, Log, NewRun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from katib.store.protocol import Observed
    from katib.store.tracking.records import Run

__all__ = ["ACTIVE", "Report", "frozen", "new_run", "optuna_state", "parameter_log", "state_of", "values_log"]

_STATES: Final = {
    OptunaState.WAITING: TrialState.CREATED,
    OptunaState.RUNNING: TrialState.RUNNING,
    OptunaState.COMPLETE: TrialState.SUCCEEDED,
    OptunaState.PRUNED: TrialState.EARLY_STOPPED,
    OptunaState.FAIL: TrialState.FAILED,
}
_OPTUNA_STATES: Final = {
    **{ours: theirs for theirs, ours in _STATES.items()},
    TrialState.KILLED: OptunaState.FAIL,
    TrialState.METRICS_UNAVAILABLE: OptunaState.FAIL,
}

ACTIVE: Final = frozenset({TrialState.CREATED, TrialState.RUNNING})
"""The states in which a trial of Optuna's may be changed."""


@dataclass(frozen=True, slots=True)
class Report:
    """One value of a metric."""

    name: str
    text: str
    time: datetime | None = None
    step: int | None = None


def state_of(state: OptunaState) -> TrialState:
    """Return our word for a state of Optuna's; each has one of its own."""
    return _STATES[state]


def optuna_state(state: TrialState) -> OptunaState:
    """Return Optuna's word for a state of ours."""
    return _OPTUNA_STATES[state]


@functools.lru_cache(maxsize=4096)
def _distribution(text: str) -> BaseDistribution:
    """Thousands of trials share a few distributions, and nobody changes one."""
    return json_to_distribution(text)


def parameter_log(name: str, internal: float, distribution: BaseDistribution, order: int) -> Log:
    """Return a parameter as it is logged.

    Args:
        internal: Its value as Optuna has it inside.
        order: How many parameters the trial had before.
    """
    text = facts.parameter_text(distribution.to_external_repr(internal))
    kept = [order, float(internal), distribution_to_json(distribution)]
    return Log(parameters={name: text}, facts=Facts(properties={f"{facts.DISTRIBUTION}{name}": kept}), replace=True)


def values_log(values: Sequence[float] | None, metric_names: Sequence[str] | None) -> Log:
    """Return the values of the objectives as they are logged."""
    if values is None:
        return Log()
    numbers = [float(value) for value in values]
    time = now()
    samples = [
        Report(facts.metric_name(index, metric_names), repr(number), time) for index, number in enumerate(numbers)
    ]
    return Log(samples=samples, facts=Facts(properties={facts.VALUES: numbers}))


def new_run(
    experiment_id: str, run_id: str, template: FrozenTrial | None, metric_names: Sequence[str] | None
) -> NewRun:
    """Return a run for a new trial."""
    name = f"trial-{run_id[:20]}"
    if template is None:
        return NewRun(experiment_id=experiment_id, id=run_id, name=name, state=TrialState.RUNNING, started=now())
    parameters: dict[str, str] = {}
    properties: dict[str, Any] = {}
    for order, (parameter, value) in enumerate(template.params.items()):
        distribution = template.distributions[parameter]
        log = parameter_log(parameter, distribution.to_internal_repr(value), distribution, order)
        parameters |= log.parameters
        properties |= log.facts.properties
    for prefix, attrs in ((facts.USER, template.user_attrs), (facts.SYSTEM, template.system_attrs)):
        properties |= {f"{prefix}{key}": facts.json_value(key, value) for key, value in attrs.items()}
    time = now()
    samples = [
        Report(facts.INTERMEDIATE, repr(float(value)), time, step)
        for step, value in template.intermediate_values.items()
    ]
    final = values_log(template.values, metric_names)
    return NewRun(
        experiment_id=experiment_id,
        id=run_id,
        name=name,
        state=state_of(template.state),
        started=from_local(template.datetime_start),
        ended=from_local(template.datetime_complete),
        log=Log(
            samples=[*samples, *final.samples],
            parameters=parameters,
            facts=Facts(properties={**properties, **final.facts.properties}),
        ),
    )


def frozen(run: Run, reports: Sequence[Observed]) -> FrozenTrial:
    """Return a run as Optuna's trial.

    Args:
        run: With its properties.
        reports: What was reported on the way, in the order of reporting.
    """
    known = facts.sort_out(run.facts.properties)
    params, distributions = _parameters(known.distributions)
    values = run.facts.properties.get(facts.VALUES)
    return FrozenTrial(
        number=run.index or 0,
        trial_id=run.serial,
        state=optuna_state(run.state),
        value=None,
        values=values,
        datetime_start=to_local(run.started),
        datetime_complete=to_local(run.ended),
        params=params,
        distributions=distributions,
        user_attrs=known.user,
        system_attrs=known.system,
        intermediate_values={
            report.step: report.value for report in reports if report.step is not None and report.value is not None
        },
    )


def _parameters(kept: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    for name, (_, internal, text) in sorted(kept.items(), key=lambda item: (item[1][0], item[0])):
        distributions[name] = _distribution(text)
        params[name] = distributions[name].to_external_repr(internal)
    return params, distributions
