"""What a trial of an experiment is given on this machine: its job, its environment, and where its files lie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from katib.algorithm.lineage import PARENT, TRIAL_FOLDER
from katib.engine.outcome import JobOutcome
from katib.local.runtime import PROCESS
from katib.local.source_folder import run_in_source_folder
from katib.metrics.paths import collector_folder, collector_path, local_path
from katib.runners.checkpoints import inherit
from katib.runners.container import command_of, main_container
from katib.runners.process import TrialRun
from katib.template.condition import outcome as job_outcome
from katib.template.render import render
from katib.template.trial_environment import parameter_kinds, trial_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from katib.api.experiment import Experiment, MetricsCollectorSpec
    from katib.engine.trial import TrialRecord
    from katib.local.home import Home
    from katib.runners.process import JobReport, ProcessRunner

__all__ = ["TrialRuns"]


class TrialRuns:
    """Makes the runs of one experiment's trials, and judges how they ended.

    Args:
        home: Where trials put their files.
        experiment: Admitted, with its template.
        runtime: What runs the trials.
    """

    def __init__(self, home: Home, experiment: Experiment, runtime: str) -> None:
        template = experiment.spec.trial_template
        if template is None or template.trial_spec is None:
            message = "an admitted experiment has a trial template"
            raise ValueError(message)
        self._home = home
        self._experiment = experiment
        self._uid = experiment.metadata.uid or ""
        self._runtime = runtime
        self._template = template
        self._trial_spec = template.trial_spec
        self._checkpoint_path = _checkpoint_path(experiment)
        self._kinds = parameter_kinds(experiment.spec)

    def notes(self, runner: ProcessRunner) -> list[str]:
        """Return what of the template this machine does not honour, as sentences."""
        primary = self._template.primary_container_name
        notes = runner.notes(self._trial_spec, primary=primary)
        spec = self._experiment.spec.metrics_collector_spec
        path = None if spec is None else collector_path(spec)
        if path is not None and self._runtime == PROCESS:
            command = command_of(main_container(self._trial_spec, primary), self._trial_spec)
            if not any(path.rstrip("/") in text for text in (*command.argv, *command.env.values())):
                notes.append(
                    f"{path} lies in each trial's own folder, and the command does not name it: "
                    "the program has to take that path from its arguments or its environment"
                )
        return notes

    def job(self, record: TrialRecord) -> dict[str, Any]:
        """Return the rendered job of a trial.

        Raises:
            InvalidInput: It cannot be rendered for this point.
        """
        job = render(self._experiment, record.name, record.assignments, template=self._trial_spec)
        # A container has its image's folders; a process has ours.
        return run_in_source_folder(job, self._experiment) if self._runtime == PROCESS else job

    def prepare(self, record: TrialRecord) -> None:
        """Make what a trial finds when it starts: its checkpoint, copied from its parent's. Again on the same trial is fine.

        Raises:
            RunnerError: It cannot be made.
        """
        if self._checkpoint_path is not None:
            inherit(self._checkpoints, record.name, record.labels.get(PARENT))

    @property
    def _checkpoints(self) -> Path:
        return self._home.experiment_folder(self._uid) / "checkpoints"

    def _checkpoint(self, record: TrialRecord) -> dict[str, Path]:
        """Return the path at which a trial looks for its checkpoint, and where that lies here; nothing where it has none."""
        return {} if self._checkpoint_path is None else {self._checkpoint_path: self._checkpoints / record.name}

    def _checkpoint_variable(self, record: TrialRecord) -> dict[str, str]:
        """Return the variable that tells the program where its checkpoint is; an image finds it at the stated path."""
        if self._checkpoint_path is None:
            return {}
        here = str(self._checkpoints / record.name) if self._runtime == PROCESS else self._checkpoint_path
        return {"KATIB_TRIAL_DIR": here}

    def run(self, record: TrialRecord, job: Mapping[str, Any], variables: Mapping[str, str] | None = None) -> TrialRun:
        """Return what the runner needs to run a trial, or to find it again.

        Args:
            variables: More of them for its environment.
        """
        return TrialRun(
            name=record.name,
            folder=self._home.trial_folder(self._uid, record.name),
            job=job,
            attempt=max(record.attempt, 1),
            primary=self._template.primary_container_name,
            env={
                **trial_environment(
                    name=record.name,
                    experiment=self._experiment.metadata.name,
                    namespace=self._experiment.metadata.namespace or "",
                    index=record.index,
                    assignments=record.assignments,
                    kinds=self._kinds,
                ),
                "KATIB_METRICS_FILE": str(self._home.push_file(self._uid, record.name)),
                # A line that Python prints is seen when it is printed, as on a terminal.
                "PYTHONUNBUFFERED": "1",
                **self._checkpoint_variable(record),
                **(variables or {}),
            },
            paths={**self._local(collector_path, record), **self._checkpoint(record)},
            folders={**self._local(collector_folder, record), **self._checkpoint(record)},
        )

    def _local(self, path_of: Callable[[MetricsCollectorSpec], str | None], record: TrialRecord) -> Mapping[str, Path]:
        """Return a path of the metrics collector, as the container knows it, and where it lies here."""
        spec = self._experiment.spec.metrics_collector_spec
        path = None if spec is None else path_of(spec)
        return {} if path is None else {path: local_path(path, self._home.files(self._uid, record.name))}

    def judge(self, report: JobReport) -> JobOutcome:
        """Return what the experiment's conditions say of a job that has ended."""
        template = self._template
        judged = job_outcome(report.job, template.success_condition or "", template.failure_condition or "")
        if judged.kind == "running":
            how = "succeeded" if report.exit.succeeded else "failed"
            message = f"the job {how}, but neither successCondition nor failureCondition matches it"
            return JobOutcome("failed", "ConditionNotMet", message)
        if judged.kind == "failed" and not report.exit.succeeded:
            # Exit code, signal and last lines, rather than only that the job failed.
            return replace(judged, message=report.exit.sentence())
        return judged


def _checkpoint_path(experiment: Experiment) -> str | None:
    """Return the path at which the experiment's algorithm lets trials find their checkpoints, if it does."""
    algorithm = experiment.spec.algorithm
    stated = {setting.name: setting.value for setting in (algorithm.algorithm_settings if algorithm else None) or []}
    return stated.get(TRIAL_FOLDER, "").rstrip("/") or None
