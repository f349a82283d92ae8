"""``KatibClient``: Katib's Python client, on one machine, against a server, or on a cluster.

Every public method of Katib's SDK 0.19 is here with its name, its arguments and its results. What an API server, a server of ours or the
store says about a failure is in the error; each error is one of ``katib.errors``, and the built-in one that Katib's client raises.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import math
import numbers
import secrets
import sys
import weakref
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from katib.client.answering import answer_within
from katib.client.back_end import Place, default_namespace
from katib.client.delete_options import DeleteOptions
from katib.client.documents import as_text, experiment_document
from katib.client.fine_tuning import STORAGE, FineTuning, no_pytorch_jobs, tell_idle_arguments
from katib.client.found_trials import all_experiments, found_trial
from katib.client.katib_errors import katib_errors
from katib.client.models import (
    V1beta1Experiment,
    V1beta1ExperimentCondition,
    V1beta1OptimalTrial,
    V1beta1Suggestion,
    V1beta1Trial,
    katib_model,
)
from katib.client.trial_jobs import BASE_IMAGE_PYTORCH
from katib.client.tune_settings import TuneSettings
from katib.client.tuning import Tuning
from katib.client.views.formatters import TrialList
from katib.client.waiting import changes_of, has_condition, wait_for
from katib.engine.ledger import Ledger
from katib.engine.status import over, with_trial_lists
from katib.engine.trial_document import trial_resource
from katib.errors import (
    Denied,
    InvalidExperiment,
    InvalidInput,
    NotFound,
    Problem,
    StoreUnavailable,
    Unauthenticated,
)
from katib.experiments.protocol import Budget
from katib.template.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import optuna
    import pandas as pd

    from katib.api.base import Condition
    from katib.api.experiment import Experiment
    from katib.client.back_end import BackEnd
    from katib.client.metric_logs import MetricLog
    from katib.client.models import V1beta1TrialSpec
    from katib.client.views.progress import ProgressView
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Changes, Experiments, Volumes

__all__ = ["KatibClient"]

_Answer = TypeVar("_Answer")
_TIMEOUT: Final = 120
_DB_MANAGER: Final = "katib-db-manager.kubeflow:6789"
_STDOUT: Final = {"kind": "StdOut"}
_LOCAL_PAUSE: Final = 0.25
_NAMED: Final = 10_000
"""Of more trials the status of an experiment has no names, as on a cluster, where an object has its bounds."""


class KatibClient:
    """A client of experiments; may be shared by threads. Use it in a ``with`` block, or ``close`` it.

    Example::

        with KatibClient() as client:
            client.create_experiment(Path("experiment.yaml"))
            client.wait_for_experiment_condition("digits", timeout=None)
            print(client.get_optimal_hyperparameters("digits").parameter_assignments)

    With ``backend="local"``, experiments run in this process, for as long as it lives or until the client is closed; what was recorded
    stays in the home, and ``katib resume NAME`` or ``resume_experiment`` goes on with it. ``katib up`` is for experiments that outlive
    their callers.

    Args:
        config_file: A kube-config file (backend ``kubernetes``).
        context: Of that file.
        client_configuration: A ``kubernetes.client.Configuration`` instead of both.
        namespace: Where experiments are that are named without one; by default the pod's; on a cluster else that
            of the kubeconfig's context; else ``default``.
        backend: ``local``, ``grpc`` or ``kubernetes``. By default what the other arguments are for; else ``grpc`` where KATIB_SERVER is
            set, ``kubernetes`` where KUBECONFIG is set or in a pod, and ``local`` everywhere else.
        address: ``HOST:PORT`` of ``katib up`` or of a cluster's API server (backend ``grpc``); by default KATIB_SERVER.
        token: Says who calls; by default KATIB_TOKEN.
        token_file: Where it is instead; by default KATIB_TOKEN_FILE.
        root_ca: Whose certificate the server may have, a PEM file; by default KATIB_ROOT_CA, and without one there is no TLS.
        patience: Seconds to ask again where the server does not answer, 60 by default; then StoreUnavailable (backend ``grpc``).
        home: The folder of local mode; by default KATIB_HOME, or katib in the user's data folder.
        runtime: What runs trials in local mode: ``process``, ``docker`` or ``podman``.
        store_address: ``HOST:PORT`` of the cluster's store server, where it can be reached from here (backend ``kubernetes``): metrics
            of trials then come from it, and trials that are gone from the cluster too.
        experiments: Those of a place that is open already, with ``backend`` saying what it is; closing the client leaves it open.

    Raises:
        InvalidInput: The arguments contradict each other.
        Unsupported: What the back end needs is not installed.
    """

    @katib_errors()
    def __init__(
        self,
        config_file: str | None = None,
        context: str | None = None,
        client_configuration: Any = None,
        namespace: str | None = None,
        *,
        backend: BackEnd | None = None,
        address: str | None = None,
        token: str | None = None,
        token_file: str | Path | None = None,
        root_ca: str | Path | None = None,
        home: str | Path | None = None,
        runtime: str | None = None,
        store_address: str | None = None,
        patience: float | None = None,
        experiments: Experiments | None = None,
    ) -> None:
        place = Place(
            backend=backend,
            config_file=config_file,
            context=context,
            client_configuration=client_configuration,
            address=address,
            token=token,
            token_file=token_file,
            root_ca=root_ca,
            home=home,
            runtime=runtime,
            store_address=store_address,
            patience=patience,
        )
        self.backend: BackEnd = place.chosen()
        self._stack = contextlib.ExitStack()
        self._experiments = place.opened(self.backend, self._stack) if experiments is None else experiments
        self.namespace = namespace or default_namespace(place, self.backend)
        # Whether trials are processes of this machine's Python; an image has its own.
        self._runs_here = self.backend == "local" and runtime in {None, "process"}
        self._begun: dict[tuple[str, str], None] = {}
        self._forget_exit = _close_at_exit(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @katib_errors()
    def close(self) -> None:
        """Let go of everything; again is fine.

        With backend ``local``, experiments that are not over stay as they are: trials that run go on, no new ones begin, and which
        experiments that concerns is said on standard error.
        """
        self._forget_exit()
        unfinished = self._unfinished() if self.backend == "local" else []
        self._begun.clear()
        self._stack.close()
        for namespace, name in unfinished:
            where = "" if namespace == "default" else f" -n {namespace}"
            print(  # noqa: T201 - to whoever closed it
                f"katib: experiment {name} is not over, and this process drives it no more; its running trials go on. "
                f"`katib resume {name}{where}` or resume_experiment({name!r}) goes on with it",
                file=sys.stderr,
            )

    def _unfinished(self) -> list[tuple[str, str]]:
        """Return which of the experiments that this client began are not over."""
        found = []
        for namespace, name in self._begun:
            with contextlib.suppress(Exception):  # whatever it is, it keeps nobody from closing
                if not over(self._experiments.get(namespace, name).status):
                    found.append((namespace, name))
        return found

    def __repr__(self) -> str:
        return f"<KatibClient backend={self.backend!r} namespace={self.namespace!r}>"

    def _ask(self, call: Callable[[], _Answer], timeout: float | None, what: str) -> _Answer:
        """Make a call of the back end; a local one has its own patience."""
        return call() if self.backend == "local" else answer_within(call, timeout, what)

    # -- experiments --------------------------------------------------------------------------------------------------

    @katib_errors()
    def create_experiment(self, experiment: Any, namespace: str | None = None) -> V1beta1Experiment:
        """Create an experiment, which begins at once, and return it as it was recorded.

        Args:
            experiment: A ``V1beta1Experiment``, a dict, a YAML text or a Path; with a name, or with generateName, which gets an ending.
            namespace: By default the document's, else the client's.

        Raises:
            InvalidExperiment: With every problem.
            Conflict: There is one of the name.
        """
        document = experiment_document(experiment)
        metadata = document.get("metadata") if isinstance(document, dict) else None
        if isinstance(metadata, dict):
            _generate_name(metadata)
            namespace = namespace or metadata.get("namespace")
        where = self._where(namespace)
        text = as_text(document)
        request = secrets.token_hex(16)
        with contextlib.nullcontext() if isinstance(document, str) else _written_by_code():
            created = self._ask(
                lambda: self._experiments.create(where, text, request_id=request), _TIMEOUT, "to create an experiment"
            )
        self._begun[where, created.metadata.name] = None
        return _told(created)

    @katib_errors()
    def tune(
        self,
        name: str,
        model_provider_parameters: Any = None,
        dataset_provider_parameters: Any = None,
        trainer_parameters: Any = None,
        storage_config: Mapping[str, Any] | None = STORAGE,
        objective: Callable[..., Any] | None = None,
        base_image: str = BASE_IMAGE_PYTORCH,
        parameters: Mapping[str, Any] | None = None,
        namespace: str | None = None,
        env_per_trial: Any = None,
        algorithm_name: str = "random",
        algorithm_settings: Any = None,
        objective_metric_name: str | None = None,
        additional_metric_names: Sequence[str] = [],  # Katib's default, which nobody changes
        objective_type: str = "maximize",
        objective_goal: float | None = None,
        max_trial_count: int | None = None,
        parallel_trial_count: int | None = None,
        max_failed_trial_count: int | None = None,
        resources_per_trial: Any = None,
        retain_trials: bool = False,
        packages_to_install: Sequence[str] | None = None,
        pip_index_urls: Sequence[str] | None = None,
        metrics_collector_config: Mapping[str, Any] = _STDOUT,
        trial_active_deadline_seconds: int | None = None,
        *,
        retries: int = 0,
        early_stopping_name: str | None = None,
        early_stopping_settings: Any = None,
        initial_trials: Sequence[Any] | None = None,
        seed: int | None = None,
        labels: Mapping[str, str] | None = None,
        resume_policy: str | None = None,
        interpreter: str | None = None,
        storage_initializer_image: str | None = None,
        storage_initializer_command: Sequence[str] | None = None,
        trainer_image: str | None = None,
        trainer_command: Sequence[str] | None = None,
    ) -> V1beta1Experiment:
        """Tune the arguments of a Python function, or of Hugging Face's Trainer, and return the experiment, which begins at once.

        A function's source is sent to the trials; it may use nothing that is defined outside of it, so it imports what it needs
        inside. It takes all parameters in one dict, as in Katib, or each by its name, and gets them as int, float or text by their type.
        It returns the objective as a number, or several metrics as a dict; or it prints ``name=value`` lines itself.

        Example::

            def objective(x: float, layers: int) -> float:
                return (x - 1) ** 2 + layers

            client.tune(
                name="quadratic",
                objective=objective,
                parameters={"x": katib.search.double(-5, 5), "layers": katib.search.int(1, 4)},
                objective_metric_name="loss",
                objective_type="minimize",
                max_trial_count=20,
            )

        Instead of a function there may be a model, a data set and the arguments of a Trainer (backend ``kubernetes``): each trial is a
        PyTorchJob then, and a volume of the experiment's name has model and data for all of them. It stays when the experiment goes.

        Args:
            name: The experiment's.
            model_provider_parameters: A ``katib.HuggingFaceModelParams``, or Kubeflow's of that name, as for the two that follow.
            dataset_provider_parameters: A ``HuggingFaceDatasetParams`` or ``S3DatasetParams``.
            trainer_parameters: A ``HuggingFaceTrainerParams``, in which any value may be one of ``katib.search``.
            storage_config: Of the volume for them: ``size``, ``storage_class`` and ``access_modes``.
            objective: The function, written with ``def`` in a file or a notebook.
            base_image: What trials run in on a cluster, or under docker and podman.
            parameters: What ``katib.search`` makes, by name; any other plain value is handed to the function as it is.
            namespace: By default the client's.
            env_per_trial: Environment variables: a dict, or a list of ``V1EnvVar`` and ``V1EnvFromSource``.
            algorithm_name: ``katib algorithms`` lists them.
            algorithm_settings: A dict, or a list of ``V1beta1AlgorithmSetting``.
            objective_metric_name: What is optimised; ``objective`` where there is none.
            additional_metric_names: What is collected beside it, printed by the function or returned in its dict.
            objective_type: ``maximize`` or ``minimize``.
            objective_goal: The value that is good enough.
            max_trial_count: How many trials there are in all.
            parallel_trial_count: How many at once; 3 by default.
            max_failed_trial_count: How many may fail before the experiment does.
            resources_per_trial: A dict of cpu, memory and gpu, a ``V1ResourceRequirements``, or ``TrainerResources`` for a PyTorchJob.
            retain_trials: Keep the jobs on the cluster when they have ended.
            packages_to_install: What pip installs before the function is called.
            pip_index_urls: Where pip looks for them; None for where it is set up to look.
            metrics_collector_config: ``{"kind": "StdOut"}``, or ``{"kind": "Push"}`` for a function that calls ``report_metrics``.
            trial_active_deadline_seconds: How long a trial may take.
            retries: How often a trial that fails is tried again.
            early_stopping_name: An early stopper, such as ``medianstop``.
            early_stopping_settings: Its settings, as those of the algorithm.
            initial_trials: Points to try first, as dicts of values by name.
            seed: Makes the suggestions the same again.
            labels: Of the experiment.
            resume_policy: ``Never``, ``LongRunning`` or ``FromVolume``.
            interpreter: The Python that runs trials; by default this one with backend ``local``, and the image's ``python`` elsewhere.
            storage_initializer_image: Brings model and data onto the volume; by default what STORAGE_INITIALIZER_IMAGE names, else
                Kubeflow's.
            storage_initializer_command: What that image is to run; by default what it runs by itself.
            trainer_image: Trains the model; by default what TRAINER_TRANSFORMER_IMAGE names, else Kubeflow's.
            trainer_command: What that image is to run; by default what Kubeflow's runs.

        Raises:
            InvalidInput: Something about the function or an argument; the message says what to change.
            InvalidExperiment: Something about the experiment as a whole.
            Conflict: There is an experiment of the name.
            Unsupported: A model is to be trained where there are no PyTorchJobs.
        """
        external = {
            "model_provider_parameters": model_provider_parameters,
            "dataset_provider_parameters": dataset_provider_parameters,
            "trainer_parameters": trainer_parameters,
        }
        is_function = all(one is None for one in external.values())
        if not name:
            raise InvalidInput([Problem("name", "is required: what is the experiment to be called?")])
        if not is_function and (objective is not None or parameters is not None):
            message = "stands beside model, data and trainer: give a function and its parameters, or those three"
            raise InvalidInput([Problem("objective" if objective is not None else "parameters", message)])
        settings = TuneSettings(
            name=name,
            namespace=self._where(namespace),
            env_per_trial=env_per_trial,
            algorithm_name=algorithm_name,
            algorithm_settings=algorithm_settings,
            objective_metric_name=objective_metric_name,
            additional_metric_names=additional_metric_names or (),
            objective_type=objective_type,
            objective_goal=objective_goal,
            max_trial_count=max_trial_count,
            parallel_trial_count=parallel_trial_count,
            max_failed_trial_count=max_failed_trial_count,
            resources_per_trial=resources_per_trial,
            retain_trials=retain_trials,
            trial_active_deadline_seconds=trial_active_deadline_seconds,
            retries=retries,
            early_stopping_name=early_stopping_name,
            early_stopping_settings=early_stopping_settings,
            initial_trials=initial_trials,
            seed=seed,
            labels=labels,
            resume_policy=resume_policy,
        )
        if not is_function:
            tell_idle_arguments(
                base_image=base_image != BASE_IMAGE_PYTORCH,
                packages_to_install=packages_to_install is not None,
                pip_index_urls=pip_index_urls is not None,
                metrics_collector_config=metrics_collector_config != _STDOUT,
                interpreter=interpreter is not None,
            )
            return self._fine_tuned(
                FineTuning(
                    **settings.arguments(),
                    **external,
                    storage_config=storage_config,
                    initializer_image=storage_initializer_image,
                    initializer_command=storage_initializer_command,
                    trainer_image=trainer_image,
                    trainer_command=trainer_command,
                )
            )
        if objective is None or parameters is None:
            missing = "objective" if objective is None else "parameters"
            message = (
                "is required: a function and the parameters that it is tuned by, or a model, its data and a trainer"
            )
            raise InvalidInput([Problem(missing, message)])
        tuning = Tuning(
            **settings.arguments(),
            objective=objective,
            parameters=parameters,
            base_image=base_image,
            packages_to_install=packages_to_install,
            pip_index_urls=pip_index_urls,
            metrics_collector_config=metrics_collector_config,
            interpreter=interpreter or (sys.executable if self._runs_here else "python"),
        )
        return self.create_experiment(tuning.document(), tuning.namespace)

    def _fine_tuned(self, tuning: FineTuning) -> V1beta1Experiment:
        """Create the volume and the experiment; a volume is not left behind for an experiment that is refused."""
        volumes: Volumes | None = getattr(self._experiments, "volumes", None)
        if volumes is None:
            raise no_pytorch_jobs(self.backend)
        document, claim = tuning.document(), tuning.volume_claim()
        where, text = tuning.namespace, as_text(document)
        what = f"to create experiment {tuning.name!r}"
        with _written_by_code():
            self._ask(lambda: self._experiments.create(where, text, dry_run=True), _TIMEOUT, what)
        made = self._ask(lambda: volumes.claim(where, claim), _TIMEOUT, f"to create the volume of {tuning.name!r}")
        if not made:
            print(  # noqa: T201 - to whoever calls it
                f"katib: namespace {where} has a volume claim {tuning.name!r} already, which is used as it is",
                file=sys.stderr,
            )
        try:
            return self.create_experiment(document, where)
        except (Denied, InvalidInput, Unauthenticated):  # not Conflict: the other experiment of the name may use it
            if made:
                volumes.release(where, tuning.name)
            raise

    @katib_errors()
    def get_experiment(self, name: str, namespace: str | None = None, timeout: float = _TIMEOUT) -> V1beta1Experiment:
        """Return an experiment with its status.

        Raises:
            NotFound: There is none of the name.
        """
        return self._told_whole(self._get(name, namespace, timeout), timeout)

    def _told_whole(self, experiment: Experiment, timeout: float | None) -> V1beta1Experiment:
        """Return an experiment with the names of its trials in its status, as a cluster's operator writes them there."""
        status = experiment.status
        if status is not None and status.trials and status.succeeded_trial_list is None and status.trials <= _NAMED:
            records = self._records(experiment.metadata.name, experiment.metadata.namespace, timeout)
            named = with_trial_lists(status, Ledger.from_records(experiment, records))
            experiment = experiment.model_copy(update={"status": named})
        return _told(experiment)

    def _where(self, namespace: str | None) -> str:
        if namespace is not None and not isinstance(namespace, str):
            raise InvalidInput([Problem("namespace", "must be text", repr(namespace))])
        return namespace or self.namespace

    def _get(self, name: str, namespace: str | None, timeout: float | None) -> Experiment:
        if not isinstance(name, str):
            raise InvalidInput([Problem("name", "must be text", repr(name))])
        where = self._where(namespace)
        return self._ask(lambda: self._experiments.get(where, name), timeout, f"to get experiment {name!r}")

    @katib_errors()
    def list_experiments(self, namespace: str | None = None, timeout: float = _TIMEOUT) -> list[V1beta1Experiment]:
        """Return the experiments of a namespace by name."""
        where = self._where(namespace)
        listed = self._ask(lambda: [*all_experiments(self._experiments, where)], timeout, "to list experiments")
        return [_told(experiment) for experiment in listed]

    @katib_errors()
    def get_experiment_conditions(
        self,
        name: str,
        namespace: str | None = None,
        experiment: Experiment | None = None,
        timeout: float = _TIMEOUT,
    ) -> list[V1beta1ExperimentCondition]:
        """Return the conditions of an experiment, the current one last.

        Args:
            experiment: Of this one, instead of asking for it.
        """
        of = self._get(name, namespace, timeout) if experiment is None else experiment
        conditions: list[Condition] = (of.status.conditions if of.status else None) or []
        return [katib_model(condition) for condition in conditions]  # type: ignore[misc] # it is one of Katib's then

    @katib_errors()
    def is_experiment_created(
        self, name: str, namespace: str | None = None, experiment: Experiment | None = None, timeout: float = _TIMEOUT
    ) -> bool:
        """Whether an experiment is Created."""
        return self._is("Created", name, namespace, experiment, timeout)

    @katib_errors()
    def is_experiment_running(
        self, name: str, namespace: str | None = None, experiment: Experiment | None = None, timeout: float = _TIMEOUT
    ) -> bool:
        """Whether an experiment is Running."""
        return self._is("Running", name, namespace, experiment, timeout)

    @katib_errors()
    def is_experiment_restarting(
        self, name: str, namespace: str | None = None, experiment: Experiment | None = None, timeout: float = _TIMEOUT
    ) -> bool:
        """Whether an experiment is Restarting."""
        return self._is("Restarting", name, namespace, experiment, timeout)

    @katib_errors()
    def is_experiment_succeeded(
        self, name: str, namespace: str | None = None, experiment: Experiment | None = None, timeout: float = _TIMEOUT
    ) -> bool:
        """Whether an experiment has Succeeded."""
        return self._is("Succeeded", name, namespace, experiment, timeout)

    @katib_errors()
    def is_experiment_failed(
        self, name: str, namespace: str | None = None, experiment: Experiment | None = None, timeout: float = _TIMEOUT
    ) -> bool:
        """Whether an experiment has Failed."""
        return self._is("Failed", name, namespace, experiment, timeout)

    def _is(
        self, kind: str, name: str, namespace: str | None, experiment: Experiment | None, timeout: float | None
    ) -> bool:
        return has_condition(self._get(name, namespace, timeout) if experiment is None else experiment, kind)

    @katib_errors()
    def wait_for_experiment_condition(
        self,
        name: str,
        namespace: str | None = None,
        expected_condition: str = "Succeeded",
        timeout: float | None = 600,
        polling_interval: float = 15,
        apiserver_timeout: float = _TIMEOUT,
        *,
        view: ProgressView | None = None,
    ) -> V1beta1Experiment:
        """Return an experiment once it is in a condition; meanwhile a terminal or a notebook shows how it stands.

        Ctrl-C ends the waiting and leaves the experiment running.

        Args:
            expected_condition: Created, Running, Restarting, Succeeded, Failed or Stopped.
            timeout: Seconds; None for as long as it takes.
            polling_interval: The longest pause between two looks; while something happens, they come sooner.
            apiserver_timeout: How long the first answer may take.
            view: Shows it instead; ``katib.client.views.progress.progress_view("none")`` shows nothing.

        Raises:
            NotFound: There is no such experiment, or it was deleted.
            Conflict: It has ended in another condition; the message says why.
            DeadlineExceeded: It has not come to it in time.
            InvalidInput: There is no such condition, or what should be a number of seconds is none.
        """
        given: dict[str, Any] = {"timeout": 0.0 if timeout is None else timeout, "polling_interval": polling_interval}
        wrong = [
            Problem(argument, "must be a number of seconds", repr(value))
            for argument, value in given.items()
            if not isinstance(value, numbers.Real) or math.isnan(value)
        ]
        if wrong:
            raise InvalidInput(wrong)
        where = self._where(namespace)
        self._get(name, namespace, apiserver_timeout)
        pause = min(float(polling_interval), _LOCAL_PAUSE if self.backend == "local" else 1.0)
        waited = wait_for(
            self._experiments,
            where,
            name,
            condition=expected_condition,
            timeout=timeout,
            longest_pause=pause,
            view=None if view is None else lambda: view,
            on_interrupt=self._on_interrupt(name),
        )
        return self._told_whole(waited, apiserver_timeout)

    def _on_interrupt(self, name: str) -> str:
        if self.backend == "local":
            return (
                f"katib: experiment {name} goes on for as long as this process lives; "
                f"stop_experiment({name!r}) ends it, wait_for_experiment_condition({name!r}) waits again"
            )
        return f"katib: experiment {name} goes on; stop_experiment({name!r}) ends it"

    @katib_errors()
    def edit_experiment_budget(
        self,
        name: str,
        namespace: str | None = None,
        max_trial_count: int | None = None,
        parallel_trial_count: int | None = None,
        max_failed_trial_count: int | None = None,
        timeout: float = _TIMEOUT,
    ) -> V1beta1Experiment:
        """Change how many trials there are to be, and return the experiment; one that has used up its budget goes on.

        Raises:
            InvalidInput: None of the counts is given.
            InvalidExperiment: Its state or its resume policy does not allow it.
        """
        if max_trial_count is None and parallel_trial_count is None and max_failed_trial_count is None:
            message = "give at least one of max_trial_count, parallel_trial_count and max_failed_trial_count"
            raise InvalidInput([Problem("edit_experiment_budget", message)])
        where = self._where(namespace)
        budget = Budget(max_trial_count, parallel_trial_count, max_failed_trial_count)
        edited = self._ask(
            lambda: self._experiments.edit_budget(where, name, budget), timeout, f"to edit experiment {name!r}"
        )
        self._begun[where, name] = None
        return _told(edited)

    @katib_errors()
    def delete_experiment(
        self, name: str, namespace: str | None = None, delete_options: Any = None, *, purge: bool = False
    ) -> None:
        """Remove an experiment, ending what runs of it.

        Args:
            delete_options: A ``V1DeleteOptions``, or a dict of its fields. A cluster's API server heeds all of them; elsewhere a dry
                run, a uid and a resource version are heeded, and what means nothing is warned of.
            purge: Also what was recorded of it; else that stays in the store.

        Raises:
            NotFound: There is no such experiment.
            Conflict: It is not the one that the preconditions are about.
        """
        options = DeleteOptions(delete_options)
        where = self._where(namespace)
        found = self._get(name, namespace, _TIMEOUT)
        what = f"to delete experiment {name!r}"
        delete_as = getattr(self._experiments, "delete_as", None)
        if delete_as is not None and options.document:
            with contextlib.suppress(NotFound):  # since just now, which is what was wanted
                self._ask(lambda: delete_as(where, name, options.document, purge=purge), _TIMEOUT, what)
        else:
            options.hold(found)
            if not options.is_dry_run:
                self._ask(lambda: self._experiments.delete(where, name, purge=purge), _TIMEOUT, what)
        if not options.is_dry_run:
            self._begun.pop((where, name), None)

    @katib_errors()
    def stop_experiment(
        self, name: str, namespace: str | None = None, *, at_once: bool = False, timeout: float = _TIMEOUT
    ) -> V1beta1Experiment:
        """Ask for the end of an experiment; what it has found stays, and ``resume_experiment`` goes on with it.

        Args:
            at_once: Kill its trials instead of giving them time to end.
        """
        where = self._where(namespace)
        stopped = self._ask(
            lambda: self._experiments.stop(where, name, at_once=at_once), timeout, f"to stop experiment {name!r}"
        )
        return _told(stopped)

    @katib_errors()
    def resume_experiment(
        self,
        name: str,
        namespace: str | None = None,
        *,
        max_trial_count: int | None = None,
        parallel_trial_count: int | None = None,
        timeout: float = _TIMEOUT,
    ) -> V1beta1Experiment:
        """Go on with an experiment that was stopped, that used up its budget, or whose process has ended.

        Raises:
            InvalidExperiment: Its state or its resume policy does not allow it; the message says which edit would.
        """
        where = self._where(namespace)
        resumed = self._ask(
            lambda: self._experiments.resume(where, name, max_trials=max_trial_count, parallel=parallel_trial_count),
            timeout,
            f"to resume experiment {name!r}",
        )
        self._begun[where, name] = None
        return _told(resumed)

    # -- suggestions and trials ---------------------------------------------------------------------------------------

    @katib_errors()
    def get_suggestion(self, name: str, namespace: str | None = None, timeout: float = _TIMEOUT) -> V1beta1Suggestion:
        """Return the suggestion of an experiment: which points its algorithm was asked for and has given."""
        return self._suggestion(self._get(name, namespace, timeout), namespace, timeout)

    @katib_errors()
    def list_suggestions(self, namespace: str | None = None, timeout: float = _TIMEOUT) -> list[V1beta1Suggestion]:
        """Return the suggestions of a namespace."""
        return [self._suggestion(one, namespace, timeout) for one in self.list_experiments(namespace, timeout)]

    def _suggestion(self, experiment: Experiment, namespace: str | None, timeout: float | None) -> V1beta1Suggestion:
        from katib.client.suggestions import suggestion_resource

        recorded = getattr(self._experiments, "suggestion", None)
        if recorded is not None:
            where, name = self._where(namespace), experiment.metadata.name
            with contextlib.suppress(NotFound, Denied):  # then it is made of what else there is
                found = self._ask(lambda: recorded(where, name), timeout, f"to get suggestion {name!r}")
                return katib_model(found)  # type: ignore[no-any-return] # Katib's then
        trials = self._records(experiment.metadata.name, namespace, timeout)
        return katib_model(suggestion_resource(experiment, trials))  # type: ignore[return-value] # Katib's then

    def _records(self, experiment: str, namespace: str | None, timeout: float | None) -> list[TrialRecord]:
        where = self._where(namespace)
        return self._ask(
            lambda: self._experiments.trials(where, experiment), timeout, f"for the trials of experiment {experiment!r}"
        )

    @katib_errors()
    def get_trial(self, name: str, namespace: str | None = None, timeout: float = _TIMEOUT) -> V1beta1Trial:
        """Return a trial.

        Raises:
            NotFound: There is none of the name.
        """
        experiment, record = self._trial(name, namespace, timeout)
        return _trial_told(record, experiment)

    def _trial(self, name: str, namespace: str | None, timeout: float | None) -> tuple[Experiment, TrialRecord]:
        where = self._where(namespace)
        return self._ask(lambda: found_trial(self._experiments, where, name), timeout, f"to get trial {name!r}")

    @katib_errors()
    def list_trials(
        self, experiment_name: str | None = None, namespace: str | None = None, timeout: float = _TIMEOUT
    ) -> list[V1beta1Trial]:
        """Return the trials of an experiment by index; without one, those of all experiments of the namespace."""
        if experiment_name is not None:
            experiment = self._get(experiment_name, namespace, timeout)
            records = self._records(experiment_name, namespace, timeout)
            listed = TrialList((_trial_told(record, experiment) for record in records), experiment)
            return cast("list[V1beta1Trial]", listed)  # a notebook shows it as a table
        return [
            _trial_told(record, experiment)
            for experiment in self.list_experiments(namespace, timeout)
            for record in self._records(experiment.metadata.name, namespace, timeout)
        ]

    @katib_errors()
    def get_success_trial_details(
        self, experiment_name: str | None = None, namespace: str | None = None, timeout: float = _TIMEOUT
    ) -> list[dict[str, Any]]:
        """Return name, parameter assignments and metrics of the trials that have succeeded."""
        return [
            {
                "name": trial.metadata.name,
                "parameter_assignments": trial.spec.parameter_assignments,
                "metrics": trial.status.observation.metrics if trial.status.observation else [],
            }
            for trial in self.list_trials(experiment_name, namespace, timeout)
            if trial.status is not None
            and any(one.type == "Succeeded" and one.status == "True" for one in trial.status.conditions)
        ]

    @katib_errors()
    def get_optimal_hyperparameters(
        self, name: str, namespace: str | None = None, timeout: float = _TIMEOUT
    ) -> V1beta1OptimalTrial | None:
        """Return the best trial of an experiment so far; None while there is none."""
        status = self._get(name, namespace, timeout).status
        best = status.current_optimal_trial if status else None
        if best is None or not best.observation.metrics:
            return None
        return katib_model(best)  # type: ignore[return-value] # Katib's then

    @katib_errors()
    def get_trial_metrics(
        self,
        name: str,
        namespace: str | None = None,
        db_manager_address: str = _DB_MANAGER,
        timeout: float = _TIMEOUT,
    ) -> list[MetricLog]:
        """Return what a trial reported, in the order of reporting: ``logs[0].metric.value``, ``logs[0].time_stamp``.

        Args:
            db_manager_address: Ask this DB manager of Katib's (or store server) instead of the back end; the default asks the back end.

        Raises:
            NotFound: There is no such trial.
        """
        from katib.client.metric_logs import metric_logs, remote_metric_logs

        if db_manager_address != _DB_MANAGER:
            return remote_metric_logs(db_manager_address, name, timeout)
        where = self._where(namespace)
        experiment, record = self._trial(name, namespace, timeout)
        observed = self._ask(
            lambda: self._experiments.observations(where, experiment.metadata.name, record.name),
            timeout,
            f"for the metrics of trial {name!r}",
        )
        return metric_logs(observed)

    def get_job_logs(
        self, name: str, trial_name: str, follow: bool | None = False, namespace: str | None = None
    ) -> Iterator[str]:
        """Return an iterator of the lines that a trial has printed.

        Args:
            name: The experiment's.
            trial_name: The trial's.
            follow: Go on until the trial has ended.

        Raises:
            NotFound: There is no such trial, or nothing of what it printed.
        """
        if not name or not trial_name:
            message = "name the experiment and the trial"
            with katib_errors():
                raise InvalidInput([Problem("name" if not name else "trial_name", message)])
        return self.logs(trial_name, namespace, follow=bool(follow), experiment=name)

    def logs(
        self, trial: str, namespace: str | None = None, *, follow: bool = False, experiment: str | None = None
    ) -> Iterator[str]:
        """Yield the lines that a trial has printed.

        Args:
            follow: Go on until the trial has ended.
            experiment: Its experiment, where that is known.

        Raises:
            NotFound: There is no such trial, or nothing of what it printed.
        """
        from katib.client.log_lines import log_lines

        where = self._where(namespace)
        with katib_errors():
            if experiment is None:
                experiment = self._trial(trial, namespace, _TIMEOUT)[0].metadata.name
            yield from log_lines(self._experiments.logs(where, experiment, trial, follow=follow))

    # -- beyond Katib -------------------------------------------------------------------------------------------------

    def watch(
        self, name: str, namespace: str | None = None, *, trials: bool = True, until_over: bool = True
    ) -> Iterator[V1beta1Experiment | V1beta1Trial]:
        """Yield an experiment and its trials, at first all of them and then each when it has changed.

        Example::

            for thing in client.watch("quadratic"):
                print(thing.kind, thing.metadata.name, [condition.type for condition in thing.status.conditions])

        Args:
            trials: Also the trials.
            until_over: End when the experiment is over; else only when it was deleted.

        Raises:
            NotFound: There is no such experiment.
        """
        where = self._where(namespace)
        with katib_errors():
            experiment = self._get(name, namespace, _TIMEOUT)
            for changes in self._changes(where, name, until_over=until_over):
                for changed in changes.experiments:
                    experiment = changed
                for record in changes.trials if trials else ():
                    yield _trial_told(record, experiment)
                for changed in changes.experiments:
                    yield _told(changed)

    def _changes(self, namespace: str, name: str, *, until_over: bool) -> Iterator[Changes]:
        """Yield changes as a server sends them, or as they are found by looking again."""
        sent = getattr(self._experiments, "watch", None)
        if sent is not None:
            return cast("Iterator[Changes]", sent(namespace, name, trials=True, until_over=until_over))
        pause = _LOCAL_PAUSE if self.backend == "local" else 1.0
        return changes_of(self._experiments, namespace, name, pause, until_over=until_over)

    @katib_errors()
    def trials_dataframe(self, name: str, namespace: str | None = None, timeout: float = _TIMEOUT) -> pd.DataFrame:
        """Return the trials of an experiment as a table of pandas', one row each, with typed values.

        Raises:
            Unsupported: pandas is not installed.
        """
        from katib.client.trial_tables import trials_dataframe

        experiment = self._get(name, namespace, timeout)
        return trials_dataframe(experiment, self._records(name, namespace, timeout))

    @katib_errors()
    def to_optuna(
        self, name: str, namespace: str | None = None, *, reports: bool = False, timeout: float = _TIMEOUT
    ) -> optuna.Study:
        """Return an experiment as a study of Optuna's in memory, for its plots and analyses.

        Args:
            reports: With what trials reported of the objective as intermediate values; one more call for each trial.
        """
        from katib.client.trial_tables import optuna_study

        where = self._where(namespace)
        experiment = self._get(name, namespace, timeout)
        objective = experiment.spec.objective
        metric = objective.objective_metric_name if objective else None
        return optuna_study(
            experiment,
            self._records(name, namespace, timeout),
            (lambda trial: self._experiments.observations(where, name, trial, metric=metric)) if reports else None,
        )

    @property
    def experiments(self) -> Experiments:
        """The back end itself, for what has no method here: ask and tell, events, single series."""
        return self._experiments


def _close_at_exit(client: KatibClient) -> Callable[[], None]:
    """Close a client at the end of the program, if somebody still has it; returns what takes that back."""
    reference = weakref.ref(client)

    def close() -> None:
        known = reference()
        if known is not None:
            with contextlib.suppress(StoreUnavailable):
                known.close()

    atexit.register(close)
    return lambda: atexit.unregister(close)


def _told(experiment: Experiment) -> V1beta1Experiment:
    return katib_model(experiment)  # type: ignore[return-value] # Katib's then


def _trial_told(record: TrialRecord, experiment: Experiment) -> V1beta1Trial:
    told = cast("V1beta1Trial", katib_model(trial_resource(record, experiment)))
    cast("V1beta1TrialSpec", told.spec).make_run_spec_by(functools.partial(_job_of, record, experiment))
    return told


def _job_of(record: TrialRecord, experiment: Experiment) -> dict[str, Any] | None:
    """Return the job of a trial as its template makes it; None where the template is kept elsewhere, or there is none."""
    template = experiment.spec.trial_template
    if template is None or template.trial_spec is None:
        return None
    try:
        return render(experiment, record.name, record.assignments, template=template.trial_spec)
    except InvalidInput:  # it was admitted by another version, or by somebody else
        return None


def _generate_name(metadata: dict[str, Any]) -> None:
    """Give an experiment with generateName its name, as an API server does."""
    prefix = metadata.pop("generateName", None)
    if prefix and not metadata.get("name"):
        metadata["name"] = f"{prefix}{''.join(secrets.choice('bcdfghjklmnpqrstvwxz2456789') for _ in range(5))}"


@contextlib.contextmanager
def _written_by_code() -> Iterator[None]:
    """Say no lines of a document that has none."""
    try:
        yield
    except InvalidExperiment as error:
        raise InvalidExperiment([dataclasses.replace(problem, line=None) for problem in error.problems]) from None
