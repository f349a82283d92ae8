"""From a Python function and a search space to an experiment: what ``KatibClient.tune`` submits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from katib.api.typed_value import typed_value
from katib.client.documents import document_of
from katib.client.objective_source import read_objective
from katib.client.search import SearchParameter
from katib.client.trial_jobs import BASE_IMAGE_PYTORCH, JobSettings, trainer_resources, trial_job
from katib.client.trial_program import TrialProgram
from katib.client.tune_settings import OBJECTIVE, TuneSettings, parameter_of, text_of, texts_of
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from katib.api.experiment import ParameterSpec

__all__ = ["Tuning"]


@dataclass(slots=True, kw_only=True)
class Tuning(TuneSettings):
    """The search for the best arguments of a Python function."""

    objective: Callable[..., Any]
    parameters: Mapping[str, Any]
    base_image: str = BASE_IMAGE_PYTORCH
    packages_to_install: Sequence[str] | None = None
    pip_index_urls: Sequence[str] | None = None
    metrics_collector_config: Mapping[str, Any] = field(default_factory=lambda: {"kind": "StdOut"})
    interpreter: str = "python"

    def document(self) -> dict[str, Any]:
        """Return the experiment.

        Raises:
            InvalidInput: With what is wrong; of the experiment as a whole, whoever admits it says it.
        """
        config = self.metrics_collector_config
        self.check_shapes(("metrics_collector_config", config, dict, "a dict such as {'kind': 'StdOut'}"))
        space, constants = self._space()
        program = self._program(space, constants, self.objective_metric_name or OBJECTIVE)
        trial = trial_job(
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
        collection = {"collector": document_of(dict(config))}
        return self.experiment(space, trial, collection, self.points(space, lambda _, value: text_of(value)))

    def _space(self) -> tuple[list[ParameterSpec], dict[str, Any]]:
        """Return the parameters that are searched, and the values that stay."""
        if not isinstance(self.parameters, dict) or not self.parameters:
            message = "must be a dict of names and search parameters, such as {'lr': katib.search.double(1e-4, 1e-1, log=True)}"
            raise InvalidInput([Problem("parameters", message, repr(self.parameters))])
        space, constants = [], {}
        for name, value in self.parameters.items():
            parameter = parameter_of(name, value)
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
        distributed = trainer_resources(self.resources_per_trial)
        # As Katib: one process on one worker needs no launcher.
        launched = distributed is not None and (distributed.num_workers, distributed.num_procs_per_worker) != (1, 1)
        urls = texts_of("pip_index_urls", self.pip_index_urls)
        return TrialProgram(
            objective=read_objective(self.objective, [str(name) for name in self.parameters]),
            kinds={one.name: one.parameter_type for one in space},
            metric=metric,
            listed={one.name: self._listed(one) for one in space if one.feasible_space.list},
            constants=constants,
            push=self.metrics_collector_config.get("kind") == "Push",
            packages=texts_of("packages_to_install", self.packages_to_install),
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
