"""What every ``tune`` is asked for, whatever its trials run: the objective, the algorithm, the budget, and the experiment they make."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from katib.api.experiment import ParameterSpec
from katib.client.documents import document_of
from katib.client.search import SearchParameter
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["OBJECTIVE", "TuneSettings", "parameter_of", "text_of", "texts_of"]

OBJECTIVE: Final = "objective"
"""What a returned number is called where nobody gave it a name."""


@dataclass(slots=True, kw_only=True)
class TuneSettings:
    """What ``tune`` was asked for, whatever its trials run; the fields are its arguments (``KatibClient.tune``)."""

    name: str
    namespace: str
    env_per_trial: Any = None
    algorithm_name: str = "random"
    algorithm_settings: Any = None
    objective_metric_name: str | None = None
    additional_metric_names: Sequence[str] = ()
    objective_type: str = "maximize"
    objective_goal: float | None = None
    max_trial_count: int | None = None
    parallel_trial_count: int | None = None
    max_failed_trial_count: int | None = None
    resources_per_trial: Any = None
    retain_trials: bool = False
    trial_active_deadline_seconds: int | None = None
    retries: int = 0
    early_stopping_name: str | None = None
    early_stopping_settings: Any = None
    initial_trials: Sequence[Any] | None = None
    seed: int | None = None
    labels: Mapping[str, str] | None = None
    resume_policy: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the fields by their names."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def experiment(
        self,
        space: Sequence[ParameterSpec],
        trial: tuple[Mapping[str, Any], str],
        collection: Mapping[str, Any],
        initial_trials: Sequence[Any] | None,
    ) -> dict[str, Any]:
        """Return the experiment.

        Args:
            space: The parameters that are searched.
            trial: The job of a trial, and the name of its primary container.
            collection: How metrics are collected.
            initial_trials: Points to try first, as an experiment has them.
        """
        job, container = trial
        metadata = {"name": self.name, "namespace": self.namespace}
        objective = {
            "type": self.objective_type,
            "goal": self.objective_goal,
            "objectiveMetricName": self.objective_metric_name or OBJECTIVE,
            "additionalMetricNames": texts_of("additional_metric_names", self.additional_metric_names) or None,
        }
        spec = {
            "objective": _stated(objective),
            "algorithm": _algorithm(self.algorithm_name, self.algorithm_settings),
            "earlyStopping": self.early_stopping_name
            and _algorithm(self.early_stopping_name, self.early_stopping_settings),
            "maxTrialCount": self.max_trial_count,
            "parallelTrialCount": self.parallel_trial_count,
            "maxFailedTrialCount": self.max_failed_trial_count,
            "resumePolicy": self.resume_policy,
            "seed": self.seed,
            "metricsCollectorSpec": collection,
            "parameters": [parameter.to_document() for parameter in space],
            "initialTrials": initial_trials,
            "trialTemplate": {
                "retain": self.retain_trials,
                "primaryContainerName": container,
                "trialParameters": [{"name": one.name, "reference": one.name} for one in space],
                "trialSpec": job,
            },
        }
        return {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {**metadata, "labels": dict(self.labels)} if self.labels else metadata,
            "spec": _stated(spec),
        }

    def points(self, space: Sequence[ParameterSpec], text: Callable[[ParameterSpec, Any], str]) -> list[Any] | None:
        """Return ``initial_trials`` as an experiment has them.

        Args:
            space: The parameters that are searched.
            text: Returns how the value of a parameter is written.

        Raises:
            InvalidInput: There is a value of no parameter.
        """
        if self.initial_trials is None:
            return None
        points = []
        by_name = {parameter.name: parameter for parameter in space}
        for index, point in enumerate(self.initial_trials):
            if not isinstance(point, dict) or "parameterAssignments" in point or "parameter_assignments" in point:
                points.append(document_of(point, f"initial_trials[{index}]"))
                continue
            unknown = [str(name) for name in point if name not in by_name]
            if unknown:
                message = f"has no parameter {', '.join(unknown)}: there are {', '.join(by_name)}"
                raise InvalidInput([Problem(f"initial_trials[{index}]", message)])
            assignments = [{"name": name, "value": text(by_name[name], value)} for name, value in point.items()]
            points.append({"parameterAssignments": assignments})
        return points or None

    def check_shapes(self, *more: tuple[str, Any, Any, str]) -> None:
        """Raise InvalidInput for arguments that are not even of the right kind.

        Args:
            more: Arguments with their values, the types they may have, and what is wanted in words.
        """
        shapes = (
            *more,
            ("labels", self.labels, dict, "a dict of texts"),
            ("initial_trials", self.initial_trials, (list, tuple), "a list of points, such as [{'lr': 0.01}]"),
        )
        problems = [
            Problem(argument, f"must be {wanted}", repr(value))
            for argument, value, kinds, wanted in shapes
            if value is not None and not isinstance(value, kinds)
        ]
        if problems:
            raise InvalidInput(problems)


def parameter_of(name: object, value: object) -> ParameterSpec | None:
    """Return a search parameter under its name; None for a value that stays."""
    if isinstance(value, SearchParameter):
        return value.named(name)  # type: ignore[arg-type] # it says so itself where it is no text
    if not isinstance(name, str) or not name.strip():
        raise InvalidInput([Problem("parameters", "has a name that is no text", repr(name))])
    names = getattr(value, "attribute_map", {})
    if isinstance(value, ParameterSpec) or (isinstance(names, dict) and "feasible_space" in names):
        document = document_of(value, f"parameters[{name!r}]")
        try:
            return ParameterSpec.model_validate({**document, "name": name})
        except ValueError as error:
            raise InvalidInput(
                [Problem(f"parameters[{name!r}]", f"is no complete search parameter ({error})")]
            ) from error
    return None


def texts_of(argument: str, value: Any) -> list[str]:
    """Return an argument that is a list of texts; one text alone is no list of its letters."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
        raise InvalidInput([Problem(argument, "must be a list of texts", repr(value), f"write [{value!r}]")])
    wrong = [one for one in value if not isinstance(one, str)]
    if wrong:
        raise InvalidInput([Problem(argument, "must be a list of texts", repr(wrong[0]))])
    return [*value]


def _algorithm(name: str, settings: Any) -> dict[str, Any]:
    if not settings:
        return {"algorithmName": name}
    if isinstance(settings, dict):
        listed = [{"name": str(key), "value": text_of(value)} for key, value in settings.items()]
    else:
        listed = document_of(settings, "algorithm_settings")
    return {"algorithmName": name, "algorithmSettings": listed}


def text_of(value: object) -> str:
    """Return how a value is written in an experiment."""
    return repr(value) if isinstance(value, float) else str(value)


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
