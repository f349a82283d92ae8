"""``katib describe EXPERIMENT``: what it is, how far it is, what is best, and why something waits or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.experiment import ExperimentStatus
from katib.cli.age import age, duration, moment, now
from katib.cli.counted import counted
from katib.cli.describe_text import condition_section, event_section, fields, section
from katib.cli.experiment_table import state_of
from katib.cli.measures import Measures
from katib.cli.run_summary import best_lines, command_of, outcomes
from katib.engine.conditions import current

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import (
        AlgorithmSpec,
        Experiment,
        ExperimentSpec,
        FeasibleSpace,
        ObjectiveSpec,
        SecondaryObjective,
    )
    from katib.local.home import Home
    from katib.store.protocol import Store

__all__ = ["experiment_lines"]

_EVENTS_SHOWN = 20


def experiment_lines(home: Home, store: Store, experiment: Experiment) -> list[str]:
    """Return the description of an experiment."""
    at, uid = now(), experiment.metadata.uid or ""
    status = experiment.status or ExperimentStatus()
    driven = home.is_driven(uid)
    lines = fields(_facts(home, experiment, status, at, driven=driven))
    lines += ["", *_parameters(experiment.spec)]
    best = status.current_optimal_trial
    if best is not None and best.best_trial_name:
        title, *rest = best_lines(best, Measures(experiment.spec))
        lines += ["", f"{title[:1].upper()}{title[1:]}:", *rest]
    if status.pareto_optimal_trials:
        names = [[trial.best_trial_name] for trial in status.pareto_optimal_trials]
        lines += ["", *section("Trials no other beats in every objective", ["TRIAL"], names)]
    lines += ["", *condition_section(status.conditions, at)] if status.conditions else []
    return [*lines, "", *event_section(store.events(uid, limit=_EVENTS_SHOWN), at)]


def _facts(
    home: Home, experiment: Experiment, status: ExperimentStatus, at: datetime, *, driven: bool
) -> list[tuple[str, object]]:
    metadata, spec = experiment.metadata, experiment.spec
    condition = current(status.conditions)
    state = state_of(experiment, driven=driven)
    if state == "Interrupted":
        going_on = command_of("resume", metadata.name, metadata.namespace)
        why = f"no process runs it any more; {going_on} goes on with it"
    else:
        why = (condition.message or "") if condition else "not started"
    took = (status.completion_time or at) - status.start_time if status.start_time else None
    objectives = [spec.objective, *(spec.objectives or [])]
    return [
        ("Name", metadata.name),
        ("Namespace", metadata.namespace),
        ("UID", metadata.uid),
        ("Labels", " ".join(f"{key}={value}" for key, value in (metadata.labels or {}).items())),
        ("Status", f"{state}: {why}" if why else state),
        ("Created", f"{moment(metadata.creation_timestamp)} ({age(metadata.creation_timestamp, at)} ago)"),
        ("Completed", moment(status.completion_time)),
        ("Time", duration(took) if took is not None else ""),
        ("Objective", "\n".join(_objective(objective) for objective in objectives if objective)),
        ("Also measured", ", ".join((spec.objective.additional_metric_names or []) if spec.objective else [])),
        ("Algorithm", _plugin(spec.algorithm)),
        ("Early stopping", _plugin(spec.early_stopping)),
        ("Trials", outcomes(status) or "none"),
        ("Budget", _budget(spec)),
        ("Seed", spec.seed),
        ("Resume policy", spec.resume_policy),
        ("Folder", home.experiment_folder(metadata.uid or "")),
    ]


def _objective(objective: ObjectiveSpec | SecondaryObjective) -> str:
    goal = "" if objective.goal is None else f", goal {objective.goal:g}"
    return f"{objective.type} {objective.objective_metric_name}{goal}"


def _plugin(stated: AlgorithmSpec | None) -> str:
    if stated is None:
        return ""
    settings = ", ".join(f"{item.name}={item.value}" for item in stated.algorithm_settings or [])
    return stated.algorithm_name + (f" ({settings})" if settings else "")


def _budget(spec: ExperimentSpec) -> str:
    most = "no limit of trials" if spec.max_trial_count is None else counted(spec.max_trial_count, "trial")
    parts = [most, f"{spec.parallel_trial_count} at a time"]
    if spec.max_failed_trial_count is not None:
        parts.append(f"over at {max(1, spec.max_failed_trial_count)} without a result")
    if spec.max_runtime is not None:
        parts.append(f"maxRuntime {spec.max_runtime}")
    if spec.trial_timeout is not None:
        parts.append(f"trialTimeout {spec.trial_timeout}")
    return ", ".join(parts)


def _parameters(spec: ExperimentSpec) -> list[str]:
    rows = []
    for parameter in spec.parameters or []:
        condition = parameter.condition
        only = f"{condition.parameter} in {', '.join(condition.in_)}" if condition else ""
        rows.append([parameter.name, parameter.parameter_type, _space(parameter.feasible_space), only])
    heading = ["NAME", "TYPE", "SPACE", "ONLY WHERE"]
    if not any(row[3] for row in rows):
        heading, rows = heading[:3], [row[:3] for row in rows]
    return section("Parameters", heading, rows)


def _space(space: FeasibleSpace) -> str:
    if space.list is not None:
        return ", ".join(space.list)
    step = f" by {space.step}" if space.step else ""
    shape = f", {space.distribution}" if space.distribution not in {None, "uniform"} else ""
    return f"{space.min} to {space.max}{step}{shape}"
