"""A ``Search`` message as the document of an experiment whose trials are run by callers, and its faults in the message's terms."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from katib.api.base import API_VERSION
from katib.api.numbers import format_float
from katib.errors import InvalidExperiment, InvalidInput, Problem
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_values import WireNames

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["document_of_search", "in_search"]

_DISTRIBUTIONS: Final = WireNames(
    wire.DESCRIPTOR.enum_types_by_name["Distribution"],
    {"UNIFORM": "uniform", "LOG_UNIFORM": "logUniform", "NORMAL": "normal", "LOG_NORMAL": "logNormal"},
)
_DIRECTIONS: Final = WireNames(
    wire.DESCRIPTOR.message_types_by_name["Objective"].enum_types_by_name["Direction"],
    {"MINIMIZE": "minimize", "MAXIMIZE": "maximize"},
)
_COUNTS: Final = {
    "max_trial_count": "maxTrialCount",
    "parallel_trial_count": "parallelTrialCount",
    "max_failed_trial_count": "maxFailedTrialCount",
    "seed": "seed",
}


def document_of_search(search: wire.Search) -> str:
    """Return an Experiment as JSON.

    Raises:
        InvalidInput: Something that only the message has is missing or wrong in it.
    """
    problems: list[Problem] = []
    parameters = [
        _parameter(each, f"search.parameters[{place}]", problems) for place, each in enumerate(search.parameters)
    ]
    objectives = [
        _objective(each, f"search.objectives[{place}]", problems) for place, each in enumerate(search.objectives)
    ]
    if not objectives:
        problems.append(Problem("search.objectives", "is required: at least one"))
    if problems:
        raise InvalidInput(problems)
    spec: dict[str, Any] = {
        "parameters": parameters,
        "objective": objectives[0],
        "algorithm": _plugin(search.algorithm or "random", search.algorithm_settings),
        # There is no trial whose output could be read: callers say what they measured.
        "metricsCollectorSpec": {"collector": {"kind": "Push"}},
    }
    if objectives[1:]:
        spec["objectives"] = objectives[1:]
    if search.early_stopping:
        spec["earlyStopping"] = _plugin(search.early_stopping, search.early_stopping_settings)
    for field, name in _COUNTS.items():
        if search.HasField(field):
            spec[name] = getattr(search, field)
    metadata: dict[str, Any] = {"name": search.name}
    if search.labels:
        metadata["labels"] = dict(sorted(search.labels.items()))
    return json.dumps({"apiVersion": API_VERSION, "kind": "Experiment", "metadata": metadata, "spec": spec})


def _plugin(name: str, settings: Mapping[str, str]) -> dict[str, Any]:
    found = [{"name": key, "value": value} for key, value in sorted(settings.items())]
    return {"algorithmName": name, "algorithmSettings": found} if found else {"algorithmName": name}


def _objective(objective: wire.Objective, field: str, problems: list[Problem]) -> dict[str, Any]:
    found: dict[str, Any] = {"objectiveMetricName": objective.metric}
    try:
        found["type"] = _DIRECTIONS.read(objective.direction, f"{field}.direction")
    except InvalidInput as error:
        problems += error.problems
    if objective.HasField("goal"):
        found["goal"] = objective.goal
    return found


def _parameter(parameter: wire.Parameter, field: str, problems: list[Problem]) -> dict[str, Any]:
    kind = parameter.WhichOneof("space")
    if kind is None:
        problems.append(
            Problem(field, "needs one of double_space, int_space, categorical_space, discrete_space", parameter.name)
        )
        return {}
    space = getattr(parameter, kind)
    feasible: dict[str, Any] = {}
    if kind == "categorical_space":
        feasible["list"] = list(space.values)
    elif kind == "discrete_space":
        feasible["list"] = [format_float(value) for value in space.values]
    else:
        for end in ("min", "max", "step"):
            if end != "step" or space.HasField("step"):
                value = getattr(space, end)
                feasible[end] = str(value) if kind == "int_space" else format_float(value)
        if space.distribution:
            try:
                feasible["distribution"] = _DISTRIBUTIONS.read(space.distribution, f"{field}.{kind}.distribution")
            except InvalidInput as error:
                problems += error.problems
    return {"name": parameter.name, "parameterType": kind.removesuffix("_space"), "feasibleSpace": feasible}


def in_search(error: InvalidInput, search: wire.Search) -> InvalidInput:
    """Return an error about the document with the places of its faults in the message."""

    def place(path: str) -> str:
        for pattern, replacement in _PLACES:
            path, count = pattern.subn(replacement, path, count=1)
            if count:
                break
        found = _SPACE.match(path)
        if found is not None and int(found[1]) < len(search.parameters):
            kind = search.parameters[int(found[1])].WhichOneof("space") or "space"
            rest = path[found.end() :].replace(".list", ".values")
            path = f"search.parameters[{found[1]}].{kind}{rest}"
        second = _OBJECTIVE.match(path)
        if second is not None:
            path = f"search.objectives[{int(second[1]) + 1}]{path[second.end() :]}"
            path = path.replace(".objectiveMetricName", ".metric").replace(".type", ".direction")
        return path

    # Lines are those of a text that nobody wrote.
    return InvalidExperiment([replace(problem, path=place(problem.path), line=None) for problem in error.problems])


_SPACE: Final = re.compile(r"search\.parameters\[(\d{1,9})\]\.feasibleSpace")
_OBJECTIVE: Final = re.compile(r"spec\.objectives\[(\d{1,9})\]")
_PLACES: Final = tuple(
    (re.compile(f"^{pattern}"), replacement)
    for pattern, replacement in (
        (r"metadata\.name$", "search.name"),
        (r"metadata\.labels\b", "search.labels"),
        (r"spec\.parameters\b", "search.parameters"),
        (r"spec\.objective\.objectiveMetricName\b", "search.objectives[0].metric"),
        (r"spec\.objective\.type\b", "search.objectives[0].direction"),
        (r"spec\.objective\b(?!s)", "search.objectives[0]"),
        (r"spec\.algorithm\.algorithmName\b", "search.algorithm"),
        (r"spec\.algorithm\.algorithmSettings\b", "search.algorithm_settings"),
        (r"spec\.algorithm\b", "search.algorithm"),
        (r"spec\.earlyStopping\.algorithmName\b", "search.early_stopping"),
        (r"spec\.earlyStopping\.algorithmSettings\b", "search.early_stopping_settings"),
        (r"spec\.earlyStopping\b", "search.early_stopping"),
        *((rf"spec\.{name}\b", f"search.{field}") for field, name in _COUNTS.items()),
    )
)
