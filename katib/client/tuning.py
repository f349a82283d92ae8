"""From a Python function and a search space to an experiment: what ``KatibClient.tune`` submits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.api.experiment import ParameterSpec
from katib.api.typed_value import typed_value
from katib.client.documents import document_of
from katib.client.objective_source import read_objective
from katib.client.search import SearchParameter
from katib.client.trial_jobs import BASE_IMAGE_PYTORCH, JobSettings, TrainerResources, trial_job
from katib.client.trial_program import TrialProgram
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Tuning"]

_OBJECTIVE: Final = "objective"
"""What a returned number is called where nobody gave it a name."""


@dataclass(slots=True)
class Tuning:
    """What ``tune`` was asked for; the fields are its arguments (``KatibClient.tune``)."""

    name: str
    namespace: str
    objective: Callable[..., Any]
    parameters: Mapping[str, Any]
    base_image: str = BASE_IMAGE_PYTORCH
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
    packages_to_install: Sequence[str] | None = None
    pip_index_urls: Sequence[str] | None = None
    metrics_collector_config: Mapping[str, Any] = field(default_factory=lambda: {"kind": "StdOut"})
    trial_active_deadline_seconds: int | None = None
    retries: int = 0
    early_stopping_name: str | None = None
    early_stopping_settings: Any = None
    initial_trials: Sequence[Any] | None = None
    seed: int | None = None
    labels: Mapping[str, str] | None = None
    resume_policy: str | None = None
    interpreter: str = "python"

    def document(self) -> dict[str, Any]:
        """Return the experiment.

        Raises:
            InvalidInput: With what is wrong; of the experiment as a whole, whoever admits it says it.
        """
        self._check_shapes()
        space, constants = self._space()
        metric = self.objective_metric_name or _OBJECTIVE
        program = self._program(space, constants, metric)
        job, container = trial_job(
            JobSettings(
                image=self.base_image,
                program=program.text(),
                arguments=program.arguments,
                interpreter=self.interpreter,
                resources=self.resources_per_trial,
                env=self.env_per_trial,
                retries=self.retries,
                deadline_seconds=self.trial_active_deadline_seconds,
            )
        )
        metadata = {"name": self.name, "namespace": self.namespace}
        objective = {
            "type": self.objective_type,
            "goal": self.objective_goal,
            "objectiveMetricName": metric,
            "additionalMetricNames": _texts("additional_metric_names", self.additional_metric_names) or None,
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
            "metricsCollectorSpec": {"collector": document_of(dict(self.metrics_collector_config))},
            "parameters": [parameter.to_document() for parameter in space],
            "initialTrials": self._initial_trials(space),
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

    def _check_shapes(self) -> None:
        """Raise InvalidInput for arguments that are not even of the right kind."""
        shapes = (
            ("metrics_collector_config", self.metrics_collector_config, dict, "a dict such as {'kind': 'StdOut'}"),
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

    def _space(self) -> tuple[list[ParameterSpec], dict[str, Any]]:
        """Return the parameters that are searched, and the values that stay."""
        if not isinstance(self.parameters, dict) or not self.parameters:
            message = "must be a dict of names and search parameters, such as {'lr': katib.search.double(1e-4, 1e-1, log=True)}"
            raise InvalidInput([Problem("parameters", message, repr(self.parameters))])
        space, constants = [], {}
        for name, value in self.parameters.items():
            parameter = _parameter(name, value)
            if parameter is None:
                constants[str(name)] = value
                continue
            if "=" in name or name != name.strip():
                raise InvalidInput(
                    [
                        Problem(
                            f"parameters[{name!r}]",
                            "has a name with '=' or blanks around it, which no argument can have",
                        )
                    ]
                )
            space.append(parameter)
        if not space:
            message = "has nothing to search for: give at least one parameter as katib.search.double(...), int, categorical or discrete"
            raise InvalidInput([Problem("parameters", message)])
        return space, constants

    def _program(self, space: Sequence[ParameterSpec], constants: Mapping[str, Any], metric: str) -> TrialProgram:
        distributed = self.resources_per_trial if isinstance(self.resources_per_trial, TrainerResources) else None
        # As Katib: one process on one worker needs no launcher.
        launched = distributed is not None and (distributed.num_workers, distributed.num_procs_per_worker) != (1, 1)
        urls = _texts("pip_index_urls", self.pip_index_urls)
        return TrialProgram(
            objective=read_objective(self.objective, [str(name) for name in self.parameters]),
            kinds={one.name: one.parameter_type for one in space},
            metric=metric,
            listed={one.name: self._listed(one) for one in space if one.feasible_space.list},
            constants=constants,
            push=self.metrics_collector_config.get("kind") == "Push",
            packages=_texts("packages_to_install", self.packages_to_install),
            index_urls=urls,
            launched=launched,
        )

    def _listed(self, parameter: ParameterSpec) -> dict[str, Any]:
        return {text: self.value(parameter, text) for text in parameter.feasible_space.list or []}

    def value(self, parameter: ParameterSpec, text: str) -> Any:
        """Return the Python value that the function gets for a text."""
        given = self.parameters.get(parameter.name)
        if isinstance(given, SearchParameter):
            return given.value(text)
        return typed_value(parameter.parameter_type, text)

    def _initial_trials(self, space: Sequence[ParameterSpec]) -> list[Any] | None:
        if self.initial_trials is None:
            return None
        points = []
        names = [parameter.name for parameter in space]
        for index, point in enumerate(self.initial_trials):
            if not isinstance(point, dict) or "parameterAssignments" in point or "parameter_assignments" in point:
                points.append(document_of(point, f"initial_trials[{index}]"))
                continue
            unknown = [str(name) for name in point if name not in names]
            if unknown:
                message = f"has no parameter {', '.join(unknown)}: there are {', '.join(names)}"
                raise InvalidInput([Problem(f"initial_trials[{index}]", message)])
            points.append(
                {"parameterAssignments": [{"name": name, "value": _text(value)} for name, value in point.items()]}
            )
        return points or None


def _parameter(name: object, value: object) -> ParameterSpec | None:
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


def _texts(argument: str, value: Any) -> list[str]:
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
        listed = [{"name": str(key), "value": _text(value)} for key, value in settings.items()]
    else:
        listed = document_of(settings, "algorithm_settings")
    return {"algorithmName": name, "algorithmSettings": listed}


def _text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
