"""Puts experiments into the local store, readies them to run again, stops them and takes them out; runs no trial itself."""

from __future__ import annotations

import getpass
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from katib.admission import admit_all
from katib.engine.ledger import Ledger
from katib.engine.resume import problems as problems_of_resume
from katib.engine.resume import resumed
from katib.errors import Conflict, InvalidExperiment, NotFound, Problem
from katib.local.budget import with_budget
from katib.local.runtime import KUBERNETES, WORKERS, is_of_cluster, is_run_by_callers, with_runtime
from katib.local.source_folder import with_source_folder
from katib.metrics.collector import KINDS
from katib.runners.process import ProcessRunner
from katib.template.collection_check import collection_problems
from katib.template.source import LocalConfigMaps

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.local.home import Home
    from katib.store.protocol import Store

__all__ = ["CONFIG_MAPS_FOLDER", "check", "delete", "resume", "submit"]

CONFIG_MAPS_FOLDER = "configmaps"
"""The folder beside an experiment file that stands for the cluster's ConfigMaps."""


def check(
    text: str | bytes,
    *,
    source: str = "",
    runtime: str = "process",
    config_maps: Path | None = None,
    name: str | None = None,
    namespace: str | None = None,
    for_callers: bool = False,
) -> list[Experiment]:
    """Return the experiments of a file, defaulted and fit to run on this machine. Starts and records nothing.

    Args:
        text: One or more YAML or JSON documents.
        source: The file's path for messages; ConfigMaps are looked for beside it. ``-`` or empty: in the working folder.
        runtime: As for ``Driver``, or ``kubernetes``; it decides which templates can run.
        config_maps: A folder that stands for the cluster's ConfigMaps, instead of ``configmaps`` beside the file.
        name: Replaces ``metadata.name``.
        namespace: Replaces ``metadata.namespace``.
        for_callers: Take also experiments without a trial template: there is a server from which callers get trials to run.

    Raises:
        InvalidExperiment: With every problem of every document.
    """
    folder = config_maps or (Path(source).parent if source and source != "-" else Path()) / CONFIG_MAPS_FOLDER
    experiments = admit_all(
        text,
        source=source,
        config_maps=LocalConfigMaps(folder),
        name=name,
        namespace=namespace,
        template_required=not for_callers,
    )
    if runtime == KUBERNETES:  # whether its operator has the webhook is not known here
        faults = [fault for each in experiments for fault in collection_problems(each, webhook=True)]
        if faults:
            raise InvalidExperiment(faults)
        return experiments
    with ProcessRunner(runtime=runtime) as runner:
        problems = [problem for experiment in experiments for problem in _problems_here(experiment, runner)]
    if problems:
        raise InvalidExperiment(problems)
    return [
        with_runtime(with_source_folder(experiment, source), runtime)
        if experiment.spec.trial_template is not None
        else with_runtime(experiment, WORKERS)
        for experiment in experiments
    ]


def _problems_here(experiment: Experiment, runner: ProcessRunner) -> list[Problem]:
    """What this machine cannot do with an experiment, at its place in the file."""
    if experiment.spec.trial_template is None:
        return []  # it has nothing to do
    collector = experiment.spec.metrics_collector_spec
    kind = collector.collector.kind if collector and collector.collector else KINDS[0]
    problems = []
    if kind not in KINDS:
        said = f"needs Kubernetes: on one machine there are {', '.join(KINDS)}"
        problems.append(Problem("spec.metricsCollectorSpec.collector.kind", said, kind))
    template = experiment.spec.trial_template
    if template.trial_spec is None:
        return problems
    return problems + [
        replace(problem, path=f"spec.trialTemplate.trialSpec.{problem.path}".rstrip("."))
        for problem in runner.problems(template.trial_spec, primary=template.primary_container_name)
    ]


def submit(
    home: Home, store: Store, experiment: Experiment, *, replaces: bool = False, owner: str | None = None
) -> Experiment:
    """Record a checked experiment and return it as stored, with uid and seed.

    Args:
        owner: Whose it is; None for whoever runs this process.
        replaces: An experiment of the same name that nobody runs is deleted first, with its trials and their files.

    Raises:
        Conflict: The name is taken.
    """
    if experiment.spec.seed is None:
        spec = experiment.spec.model_copy(update={"seed": secrets.randbits(31)})
        experiment = experiment.model_copy(update={"spec": spec})
    if replaces:
        try:
            existing = store.experiment(experiment.metadata.namespace or "default", experiment.metadata.name)
        except NotFound:
            pass
        else:
            delete(home, store, existing)
    return store.create_experiment(experiment, owner=_user() if owner is None else owner)


def _user() -> str:
    """Return the name of whoever runs this; empty for a user id without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def resume(
    home: Home,
    store: Store,
    experiment: Experiment,
    *,
    max_trials: int | None = None,
    parallel: int | None = None,
) -> Experiment:
    """Ready an experiment to be driven again: stopped by its user, at the end of its budget, or cut short with its process.

    Args:
        max_trials: A new ``maxTrialCount``.
        parallel: A new ``parallelTrialCount``.

    Raises:
        Conflict: Another process drives it.
        InvalidExperiment: Its state or its resume policy does not allow it; the message says which edit would.
    """
    uid, name = experiment.metadata.uid or "", experiment.metadata.name
    if is_of_cluster(experiment):
        raise Conflict(f"experiment {name!r} is driven by a cluster's operator: it goes on there")
    if is_run_by_callers(experiment):
        raise Conflict(f"the trials of experiment {name!r} are run by callers: `katib up` goes on with it")
    with home.driving(uid, name), store.transaction():
        edited = with_budget(experiment, max_trials=max_trials, parallel=parallel)
        ledger = Ledger.from_records(edited, store.trials(uid))
        problems = problems_of_resume(experiment, edited, ledger)
        if problems:
            raise InvalidExperiment(problems)
        status, requeued = resumed(edited, ledger, datetime.now(UTC))
        if edited.spec != experiment.spec:
            store.update_spec(uid, edited.spec)
        store.record_trials(uid, requeued)
        for record in requeued:
            store.clear_observations(uid, record.name)
        store.clear_requests(uid)  # a run that died may not have heeded them
        store.save_status(uid, status)
        store.record_event(uid, "ExperimentResumed", f"Resumed with {len(requeued)} trials to run again")
    return store.experiment(experiment.metadata.namespace or "default", name)


def delete(home: Home, store: Store, experiment: Experiment) -> None:
    """Remove an experiment, its trials and their files; deleting again is fine.

    Raises:
        Conflict: A process drives it.
    """
    uid, name = experiment.metadata.uid or "", experiment.metadata.name
    if home.is_driven(uid):
        raise Conflict(f"experiment {name!r} is running: stop it first with `katib stop {name}`")
    store.delete_experiment(uid)
    home.remove_experiment(uid)
