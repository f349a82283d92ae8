"""From a model, a data set and a trainer's arguments to an experiment, and the volume that its trials share.

The images are Kubeflow's: one brings model and data onto the volume, before the first pod of each trial, and one trains. What they are told
is the words of their command lines; nothing of them is needed here.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.api.similar import did_you_mean
from katib.client.documents import document_of
from katib.client.trainer_arguments import TrainerArguments
from katib.client.trainer_parameters import dataset_words, model_words, trainer_parts
from katib.client.trial_jobs import (
    PYTORCH_CONTAINER,
    TrainerResources,
    job_limits,
    pod_template,
    pytorch_job,
    trainer_resources,
    trial_container,
)
from katib.client.tune_settings import TuneSettings, text_of, texts_of
from katib.errors import InvalidInput, Problem, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.api.experiment import ParameterSpec

__all__ = ["STORAGE", "FineTuning", "no_pytorch_jobs", "tell_idle_arguments"]

STORAGE: Final = {"size": "10Gi", "storage_class": None, "access_modes": ["ReadWriteOnce", "ReadOnlyMany"]}
_ACCESS_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_INITIALIZER: Final = "storage-initializer"
_FOLDER: Final = "/workspace"
_INITIALIZER_IMAGE: Final = "docker.io/kubeflow/storage-initializer"
_TRAINER_IMAGE: Final = "docker.io/kubeflow/trainer-huggingface"
_TRAINER_COMMAND: Final = ("torchrun", "hf_llm_training.py")
"""What that image runs by itself. A collector of what is printed has to know it, and looks into no registry."""
_INITIALIZER_VARIABLE: Final = "STORAGE_INITIALIZER_IMAGE"
_TRAINER_VARIABLE: Final = "TRAINER_TRANSFORMER_IMAGE"
_METRICS: Final = r"'([\w|-]+)'\s*:\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
"""Of the dicts that the Trainer prints: ``{'train_loss': 0.846, 'epoch': 1.0}``."""
_DEFAULTS: Final = {"output_dir": "trainer_output"}
"""What some versions of transformers want to be told."""
_WORKER_NEEDED: Final = (
    "such as TrainerResources(num_workers=1, num_procs_per_worker=1, resources_per_worker={'gpu': 1})"
)


@dataclass(slots=True, kw_only=True)
class FineTuning(TuneSettings):
    """The search for the best arguments of a Trainer.

    Attributes:
        model_provider_parameters: See ``katib.client.trainer_parameters``, as for the two that follow.
        dataset_provider_parameters: The data.
        trainer_parameters: How it is trained.
        storage_config: Of the volume: ``size``, ``storage_class`` and ``access_modes``.
        initializer_image: Brings model and data; by default what STORAGE_INITIALIZER_IMAGE names, else Kubeflow's.
        initializer_command: What that image is to run; by default what it runs by itself.
        trainer_image: Trains; by default what TRAINER_TRANSFORMER_IMAGE names, else Kubeflow's.
        trainer_command: What that image is to run; by default what Kubeflow's runs.
    """

    model_provider_parameters: Any
    dataset_provider_parameters: Any
    trainer_parameters: Any
    storage_config: Mapping[str, Any] | None = field(default_factory=lambda: dict(STORAGE))
    initializer_image: str | None = None
    initializer_command: Sequence[str] | None = None
    trainer_image: str | None = None
    trainer_command: Sequence[str] | None = None

    def document(self) -> dict[str, Any]:
        """Return the experiment.

        Raises:
            InvalidInput: With what is wrong; of the experiment as a whole, whoever admits it says it.
        """
        self._check()
        training, lora = trainer_parts(self.trainer_parameters)
        arguments = TrainerArguments("trainer_parameters.training_parameters", training, defaults=_DEFAULTS)
        adapter = TrainerArguments("trainer_parameters.lora_config", lora)
        space = _one_space(arguments, adapter)

        def written(parameter: ParameterSpec, value: Any) -> str:
            texts = (one.text_of(parameter.name, value) for one in (arguments, adapter))
            return next((text for text in texts if text is not None), text_of(value))

        job = self._job(arguments, adapter)
        collection = {"source": {"filter": {"metricsFormat": [_METRICS]}}}
        return self.experiment(space, (job, PYTORCH_CONTAINER), collection, self.points(space, written))

    def volume_claim(self) -> dict[str, Any]:
        """Return the claim of the volume on which model and data are, for all trials.

        Raises:
            InvalidInput: The configuration says something that no claim has.
        """
        given = self.storage_config
        if given is None:
            given = STORAGE
        if not isinstance(given, dict):
            raise InvalidInput([Problem("storage_config", "must be a dict such as {'size': '10Gi'}", repr(given))])
        problems = [
            Problem("storage_config", f"has no {name!r}", hint=did_you_mean(str(name), [*STORAGE]))
            for name in given
            if name not in STORAGE
        ]
        stated = {**STORAGE, **given}
        size, storage_class = stated["size"], stated["storage_class"]
        if not isinstance(size, str) or not size.strip():
            problems.append(Problem("storage_config['size']", "must be a text such as '10Gi'", repr(size)))
        if not isinstance(storage_class, str | None):
            problems.append(Problem("storage_config['storage_class']", "must be a text", repr(storage_class)))
        modes = texts_of("storage_config['access_modes']", stated["access_modes"])
        allowed = ", ".join(_ACCESS_MODES)
        problems += [
            Problem("storage_config['access_modes']", f"must be of {allowed}", mode, did_you_mean(mode, _ACCESS_MODES))
            for mode in modes
            if mode not in _ACCESS_MODES
        ]
        if not modes:
            problems.append(Problem("storage_config['access_modes']", f"must be at least one of {allowed}"))
        if problems:
            raise InvalidInput(problems)
        spec: dict[str, Any] = {"accessModes": modes, "resources": {"requests": {"storage": size}}}
        if storage_class is not None:
            spec["storageClassName"] = storage_class
        labels = {"katib.kubeflow.org/experiment": self.name}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": labels},
            "spec": spec,
        }

    def _check(self) -> None:
        """Raise InvalidInput for arguments that are missing, or not even of the right kind."""
        self.check_shapes()
        if self.objective_metric_name is None:
            message = "is required: which of the metrics that the Trainer prints is optimised, such as train_loss?"
            raise InvalidInput([Problem("objective_metric_name", message)])
        for argument in ("model_provider_parameters", "dataset_provider_parameters", "trainer_parameters"):
            if getattr(self, argument) is None:
                message = "is required beside the others: a model, its data, and how it is trained"
                raise InvalidInput([Problem(argument, message)])
        images: dict[str, Any] = {
            "storage_initializer_image": self.initializer_image,
            "trainer_image": self.trainer_image,
        }
        for argument, image in images.items():
            if image is not None and not (isinstance(image, str) and image.strip()):
                raise InvalidInput([Problem(argument, "must be the name of an image", repr(image))])

    def _resources(self) -> TrainerResources:
        found = trainer_resources(self.resources_per_trial)
        if found is None:
            given = self.resources_per_trial
            message = f"is required as TrainerResources with trainer_parameters, {_WORKER_NEEDED}"
            raise InvalidInput([Problem("resources_per_trial", message, None if given is None else repr(given))])
        return found

    def _job(self, arguments: TrainerArguments, adapter: TrainerArguments) -> dict[str, Any]:
        asked = self._resources()
        brought, told = model_words(self.model_provider_parameters)
        mounts = [{"name": _INITIALIZER, "mountPath": _FOLDER}]
        initializer = {
            "name": _INITIALIZER,
            "image": self.initializer_image or os.environ.get(_INITIALIZER_VARIABLE) or _INITIALIZER_IMAGE,
            "args": [*brought, *dataset_words(self.dataset_provider_parameters)],
            "volumeMounts": mounts,
        }
        command = texts_of("storage_initializer_command", self.initializer_command)
        if command:
            initializer["command"] = command
        trainer = {
            "name": PYTORCH_CONTAINER,
            "image": self.trainer_image or os.environ.get(_TRAINER_VARIABLE) or _TRAINER_IMAGE,
            "command": texts_of("trainer_command", self.trainer_command) or [*_TRAINER_COMMAND],
            "args": [
                *told,
                *("--model_dir", f"{_FOLDER}/model", "--dataset_dir", f"{_FOLDER}/dataset"),
                *("--lora_config", adapter.text, "--training_parameters", arguments.text),
            ],
            "volumeMounts": mounts,
        }
        container = trial_container(trainer, env=self.env_per_trial, asked=asked.resources_per_worker)
        volumes = [{"name": _INITIALIZER, "persistentVolumeClaim": {"claimName": self.name}}]
        master = pod_template(
            {
                "initContainers": [trial_container(initializer, env=self.env_per_trial)],
                "containers": [container],
                "volumes": volumes,
            }
        )
        worker = pod_template({"containers": [container], "volumes": volumes})
        limits = job_limits(self.retries, self.trial_active_deadline_seconds)
        job = pytorch_job(asked, master, worker, limits)
        return dict(document_of(job))  # with nothing that two pods share


def _one_space(arguments: TrainerArguments, adapter: TrainerArguments) -> list[ParameterSpec]:
    space = [*arguments.space, *adapter.space]
    names = [parameter.name for parameter in space]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"searches {', '.join(twice)}, as training_parameters do: a parameter has one name in an experiment"
        raise InvalidInput([Problem("trainer_parameters.lora_config", message)])
    if not space:
        message = (
            "has nothing to search for: give at least one of training_parameters or lora_config as "
            "katib.search.double(...), int, categorical or discrete"
        )
        raise InvalidInput([Problem("trainer_parameters", message)])
    return space


def tell_idle_arguments(**given: bool) -> None:
    """Warn of arguments of ``tune`` that were given and have no effect beside a trainer's.

    Args:
        given: Their names, and whether they were given.
    """
    idle = [name for name, is_given in given.items() if is_given]
    if idle:
        message = (
            f"tune() has no use for {', '.join(idle)} where a model is trained by an image: "
            "trainer_image names it, and what it prints is collected"
        )
        warnings.warn(message, UserWarning, stacklevel=4)  # of the caller of tune


def no_pytorch_jobs(backend: str) -> Unsupported:
    """Return what to say where trials are no PyTorchJobs."""
    instead = (
        "KatibClient(backend='kubernetes') creates them with a kubeconfig or a pod's service account"
        if backend == "grpc"
        else "KatibClient(backend='kubernetes') creates them"
    )
    return Unsupported(
        f"tune() with model_provider_parameters, dataset_provider_parameters and trainer_parameters makes PyTorchJobs and a volume of a "
        f"cluster, and not with backend {backend!r}: {instead}. Without a cluster write an objective that loads the model and the "
        "data and calls the Trainer (docs/python-client.md)"
    )
