"""Brings trials on: makes their jobs, watches these, and says how they ended.

A trial is looked at by one worker at a time, and all that a look needs is in the cluster's objects: the Trial, its job, its pods, and in
the store what it reported. Its job has its name and is owned by it, so that making it twice makes one.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import Trial, TrialState
from katib.api.trial_kind import trial_kind
from katib.engine import outcome
from katib.engine.observe import observation_from
from katib.engine.outcome import JobOutcome
from katib.engine.policy import KUBERNETES
from katib.errors import Conflict, Denied, InvalidInput, NotFound, StoreUnavailable
from katib.kube.errors import ServerAway, UnknownKind
from katib.operator import kinds
from katib.operator.finished_work import end_of_work
from katib.operator.pod_reasons import (
    collector_report,
    disruption_of,
    failure_of,
    kept_up_by,
    place_of,
    waiting_of,
)
from katib.operator.silence import Silence
from katib.operator.trial_objects import experiment_uid, is_final, record_of, status_of
from katib.template.collection import with_collector
from katib.template.condition import outcome as job_outcome
from katib.template.trial_kind import is_suspended, stays_when_finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.kube.resource import Resource
    from katib.operator.parts import Key, Parts

__all__ = ["TrialController"]

_LOGGER: Final = logging.getLogger(__name__)
_PATIENCE: Final = 10.0
"""Seconds a pod may wait before the trial says why."""
_KIND_PAUSE: Final = 10.0
_UNWATCHED: Final = 5.0
"""Seconds between two looks at a job that the watch of its kind does not have."""
_RUNNING: Final = "Trial is running"
_NEED_NO_METRICS: Final = (TrialState.KILLED, TrialState.FAILED)
"""What is ended so is ended also while the store is away."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One trial as it is looked at: its object, experiment and record, and its job as far as it has one."""

    key: Key
    trial: Mapping[str, Any]
    experiment: Experiment
    record: TrialRecord
    resource: Resource | None = None
    job: dict[str, Any] | None = None

    @property
    def name(self) -> tuple[str, str]:
        """Name and namespace of the job, in the order in which they are asked for."""
        return self.key[1], self.key[0]

    @property
    def kind(self) -> Resource:
        if self.resource is None:
            message = "asked for the kind of a job before it was looked up"
            raise ValueError(message)
        return self.resource


class TrialController:
    """Looks at trials.

    Args:
        parts: Everything it works with.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ended: dict[str, datetime] = {}
        self._waits: dict[str, float] = {}
        self._deleted: dict[Key, str] = {}
        self._disrupted: dict[str, str] = {}
        self._silence = Silence(parts.store)
        self._unsure: set[Key] = set()
        """Whose status was written, perhaps: no answer came."""

    def reconcile(self, key: Key) -> float | None:
        """Look at one trial, and return in how many seconds to look again; None when only a change calls for it.

        Raises:
            KatibError: The API server could not be asked or told something; looking again is right.
        """
        if key in self._unsure:
            self._read_again(key)
        trial = self._parts.trials.get(*key)
        if trial is None or trial["metadata"].get("deletionTimestamp"):
            self._forget(key)
            return None
        record = record_of(trial)
        if record is None:
            return None
        if not record.state.is_active:
            self._parts.starts.used(key)
            return self._clean_up(key, trial)
        state = self._parts.states.get(experiment_uid(trial))
        if state is None:
            return None  # its experiment is looked at first, and that lets it start; or is gone, and it goes too
        look = _Look(key, trial, state.experiment, record)
        if record.state is TrialState.CREATED and record.stopping is not None:
            return self._end(look, _final(record))
        if record.state is TrialState.CREATED and not self._parts.starts.allowed(key):
            return None
        run = (trial.get("spec") or {}).get("runSpec") or {}
        try:
            resource, watch = self._parts.jobs.of(run.get("apiVersion", ""), run.get("kind", ""))
        except UnknownKind as error:
            return self._wait(look, "UnknownKind", str(error), again=_KIND_PAUSE)
        if not watch.wait_synced(timeout=5.0):
            return 1.0
        look = replace(look, resource=resource, job=watch.get(*key))
        return self._start(look) if record.state is TrialState.CREATED else self._follow(look)

    # -- starting -----------------------------------------------------------------------------------------------------

    def _start(self, look: _Look) -> float | None:
        trial, record, resource, job = look.trial, look.record, look.kind, look.job
        if job is not None and _is_of(job, trial) and _attempt_of(job) != max(record.attempt, 1):
            self._parts.client.delete(resource, *look.name, propagation="Foreground")
            return 1.0  # the job of the attempt before has to go first
        if job is not None and job["metadata"].get("deletionTimestamp"):
            return 1.0
        if job is None:
            if not self._parts.starts.begin(look.key):  # it was taken back a moment ago
                return None
            try:
                job = self._make_job(look)
            except InvalidInput as error:
                return self._end(look, _failed(record, "JobRefused", str(error)))
            except Denied as error:
                return self._end(look, _failed(record, "JobDenied", str(error)))
        if _is_left(job, trial):
            self._parts.client.delete(resource, *look.name, uid=job["metadata"]["uid"])
            return 1.0
        if not _is_of(job, trial):
            said = f"{resource.kind} {record.name} is there already and belongs to something else"
            return self._end(look, _failed(record, "JobNameTaken", said))
        started = replace(
            record,
            state=TrialState.RUNNING,
            started=_now(),
            attempt=max(record.attempt, 1),
            reason="TrialRunning",
            message=_RUNNING,
        )
        self._write(look, started)
        self._parts.starts.used(look.key)
        return None

    def _make_job(self, look: _Look) -> dict[str, Any]:
        trial, experiment, record, resource = look.trial, look.experiment, look.record, look.kind
        name, namespace = record.name, experiment.metadata.namespace or ""
        model = Trial.model_validate({field: trial[field] for field in ("metadata", "spec")})
        job = with_collector(model, self._parts.collector_settings(model))
        metadata = job["metadata"]
        metadata.setdefault("annotations", {})[kinds.ATTEMPT] = str(max(record.attempt, 1))
        metadata["labels"] = {**(metadata.get("labels") or {}), kinds.TRIAL_LABEL: name}
        metadata["labels"][kinds.EXPERIMENT_UID_LABEL] = experiment.metadata.uid
        metadata["ownerReferences"] = [
            {
                "apiVersion": "kubeflow.org/v1beta1",
                "kind": "Trial",
                "name": name,
                "uid": trial["metadata"]["uid"],
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ]
        if not trial["spec"].get("retainRun"):
            stays_when_finished(job)  # who reads its end takes it away
        self._parts.checkpoint_claims.ensure(experiment, job)
        self._parts.recorder.run(name, job=trial["spec"].get("runSpec"))
        self._parts.gone_pods.forget(look.key)  # they were another attempt's
        try:
            made: dict[str, Any] = self._parts.client.create(resource, job, field_manager=kinds.FIELD_MANAGER)
        except Conflict:
            return self._parts.client.get(resource, name, namespace)
        self._parts.events.record(dict(trial), "JobCreated", f"{resource.kind} {name} is created")
        return made

    # -- following ----------------------------------------------------------------------------------------------------

    def _follow(self, look: _Look) -> float | None:
        trial, resource, job = look.trial, look.kind, look.job
        if job is not None and not _is_of(job, trial):
            job = None
        is_watched = job is not None
        if job is None:
            try:  # a watch may be behind; a trial is not ended for that
                job = self._parts.client.get(resource, *look.name)
            except UnknownKind as error:  # its CRD was taken away, perhaps to come back
                return self._wait(look, "UnknownKind", str(error), again=_KIND_PAUSE)
            except NotFound:
                return self._lost(look)
            if not _is_of(job, trial):
                return self._lost(look)
        again = self._judge(replace(look, job=job), job)
        # The watch brings no news of a job whose label somebody took, which may not be put back: jobs are not changed here.
        return _UNWATCHED if again is None and not is_watched else again

    def _judge(self, look: _Look, job: dict[str, Any]) -> float | None:
        """Look at a trial whose job is there."""
        trial, record, resource = look.trial, look.record, look.kind
        pods = self._parts.pods_of(*look.key)
        self._note_disruption(look, pods)
        spec = trial["spec"]
        success = spec.get("successCondition") or ""
        judged = job_outcome(job, success, spec.get("failureCondition") or "")
        if judged.kind == "running":
            kind = trial_kind(job.get("apiVersion"), job.get("kind"))
            judged = end_of_work(job, pods, kind=kind, success_condition=success) or judged
        if record.stopping is TrialState.FAILED and judged.kind == "succeeded":
            # It took longer than it may only because its metrics are waited for; its work is done, and counts.
            record = replace(record, stopping=None)
            look = replace(look, record=record)
        if record.stopping is not None and record.stopping is not TrialState.EARLY_STOPPED:
            if not job["metadata"].get("deletionTimestamp"):
                self._parts.client.delete(resource, *look.name, propagation="Foreground")
            return 2.0
        if record.stopping is not None and judged.kind == "running":
            if not job["metadata"].get("deletionTimestamp"):
                self._parts.client.delete(resource, *look.name, propagation="Foreground")
            return 2.0
        if judged.kind == "running":
            return self._progress(look, pods)
        if judged.kind == "failed":
            # A pod that was evicted is gone by the time its job has failed for it.
            failure = failure_of([*pods, *self._parts.gone_pods.of(look.key)], spec.get("primaryContainerName"))
            noted = (self._disrupted.get(record.name, ""), failure)
            if said := "; ".join(filter(None, noted)):
                judged = replace(judged, message=f"{judged.message} ({said})" if judged.message else said)
        return self._finish(look, judged, pods)

    def _note_disruption(self, look: _Look, pods: list[dict[str, Any]]) -> None:
        """Tell once that the cluster ended a pod of a trial, whatever comes of that."""
        said, name = disruption_of(pods), look.record.name
        if said and self._disrupted.get(name) != said:
            self._disrupted[name] = said
            self._parts.events.record(dict(look.trial), "PodDisrupted", said, kind="Warning")

    def _lost(self, look: _Look) -> float | None:
        """End a trial whose job is gone: as it was ordered to end, or because somebody deleted it."""
        record = look.record
        if record.stopping is not None:
            # Its pods went before it did, so that nothing more can be reported.
            return self._finish(look, JobOutcome("failed"), [], gone=True)
        said = f"Trial is killed because somebody deleted its {look.kind.kind}"
        killed = replace(record, state=TrialState.KILLED, finished=_now(), reason="JobDeleted", message=said)
        return self._end(look, killed)

    def _progress(self, look: _Look, pods: list[dict[str, Any]]) -> float | None:
        """Say on the trial why it does not get on, if it does not."""
        record, job = look.record, look.job or {}
        if any((pod.get("status") or {}).get("phase") == "Running" for pod in pods):
            self._parts.recorder.run(record.name, place=place_of(pods))
        waiting = waiting_of(pods)
        if waiting is None:
            waiting = kept_up_by(pods, look.trial["spec"].get("primaryContainerName"))
        if waiting is None and is_suspended(job):
            waiting = "JobSuspended", "Its job is suspended, such as by a queue that has no room for it yet"
        if waiting is None:
            self._waits.pop(record.name, None)
            silence, again = self._silence.of(look.key, look.experiment, pods)
            message = f"{_RUNNING}; {silence}" if silence else _RUNNING
            if (record.reason or "TrialRunning", record.message or _RUNNING) != ("TrialRunning", message):
                self._write(look, replace(record, reason="TrialRunning", message=message))
            return again
        return self._wait(look, *waiting)

    def _wait(
        self, look: _Look, reason: str, said: str, *, again: float | None = None, limit: str | None = None
    ) -> float | None:
        """Tell, once it has lasted, what a trial waits for, and for how long; by default for as long as it may run."""
        record, experiment = look.record, look.experiment
        since = self._waits.setdefault(record.name, time.monotonic())
        left = _PATIENCE - (time.monotonic() - since)
        if left > 0:
            return min(left, again or left)
        if limit is None:
            timeout = experiment.spec.trial_timeout
            limit = f"for at most {timeout} (trialTimeout)" if timeout else "without a limit (no trialTimeout)"
        message = f"{said}; waited for {limit}"
        if (record.reason, record.message) != (reason, message):
            if record.state is TrialState.RUNNING or record.stopping is None:
                self._write(look, replace(record, reason=reason, message=message))
            trial = self._parts.trials.get(*look.key)
            if trial is not None:
                self._parts.events.record(trial, reason, message, kind="Warning")
        return again

    # -- ending -------------------------------------------------------------------------------------------------------

    def _finish(
        self, look: _Look, judged: JobOutcome, pods: list[dict[str, Any]], *, gone: bool = False
    ) -> float | None:
        record, experiment = look.record, look.experiment
        ended = self._ended.setdefault(record.name, _now())
        left = self._parts.gone_pods.of(look.key)
        report = collector_report(pods) or collector_report(left)
        if report.get("stopped") and record.stopping is None and judged.kind == "succeeded":
            said = f"Trial is early stopped: {report['stopped']}"
            record = replace(record, stopping=TrialState.EARLY_STOPPED, reason="TrialEarlyStopped", message=said)
        try:
            summaries = self._parts.store.summaries(experiment, record.name)
        except StoreUnavailable as error:
            if record.stopping in _NEED_NO_METRICS or (judged.kind == "failed" and record.stopping is None):
                summaries = {}
            else:
                said = f"The store does not answer: {error}"
                return self._wait(look, "WaitingForStore", said, again=1.5, limit="without a limit")
        final = outcome.finish(
            record,
            judged,
            observation_from(summaries, experiment.spec),
            experiment.spec,
            now=_now(),
            ended=ended,
            metrics_complete=gone or bool(report) or _is_complete(pods or left) or _is_pushed(experiment),
            evidence=[str(line) for line in report.get("evidence") or ()],
            policy=KUBERNETES,
        )
        if final is None:
            said = "Its job has ended; its metrics have not come yet"
            limit = f"for at most {KUBERNETES.metrics_wait_seconds:.0f} s"
            return self._wait(look, "WaitingForMetrics", said, again=0.5, limit=limit)
        self._parts.recorder.run(record.name, place=place_of(pods))
        return self._end(look, final)

    def _end(self, look: _Look, record: TrialRecord) -> float | None:
        key, trial = look.key, look.trial
        self._write(look, record)
        self._forget(key)
        warns = record.state in (TrialState.FAILED, TrialState.METRICS_UNAVAILABLE)
        reason = record.reason.partition(".")[0]
        self._parts.events.record(dict(trial), reason, record.message, kind="Warning" if warns else "Normal")
        self._parts.metrics.trial_ended(key[0], record.state.value)
        now = self._parts.trials.get(*key)
        return self._clean_up(key, now, look.job) if now is not None and is_final(now) else None

    def _forget(self, key: Key) -> None:
        """Let go of what is kept of a trial between two looks: it has ended, or is gone."""
        self._parts.starts.used(key)
        self._parts.gone_pods.forget(key)
        self._ended.pop(key[1], None)
        self._waits.pop(key[1], None)
        self._disrupted.pop(key[1], None)
        self._deleted.pop(key, None)
        self._silence.forget(key)

    def _clean_up(self, key: Key, trial: Mapping[str, Any], known: dict[str, Any] | None = None) -> float | None:
        """Take away the job of a trial that has ended, unless its user wants to keep it.

        Args:
            key: The trial's.
            trial: As it is.
            known: Its job, where it was followed just now: the watch does not have one without its label.
        """
        if (trial.get("spec") or {}).get("retainRun"):
            return None
        run = (trial.get("spec") or {}).get("runSpec") or {}
        if not run.get("kind"):
            return None
        try:
            resource, watch = self._parts.jobs.of(run["apiVersion"], run["kind"])
        except UnknownKind:
            return None
        job = watch.get(*key) or known
        if job is None or not _is_of(job, trial) or job["metadata"].get("deletionTimestamp"):
            self._deleted.pop(key, None)
            return None
        uid = job["metadata"]["uid"]
        if self._deleted.get(key) != uid:  # its watch may be behind
            self._parts.client.delete(resource, key[1], key[0], propagation="Background", uid=uid)
            self._deleted[key] = uid
        return None

    def _read_again(self, key: Key) -> None:
        """Learn how a trial is: what was written of it stays, and the watch may be behind."""
        with contextlib.suppress(NotFound):
            self._parts.trials.put(self._parts.client.get(kinds.TRIALS, key[1], key[0]))
        self._unsure.discard(key)

    def _write(self, look: _Look, record: TrialRecord) -> None:
        """Write a trial's status, and let its experiment and the store know."""
        experiment = look.experiment
        try:
            self._parts.write_trial_status(experiment, record, status_of(record, experiment))
        except ServerAway:
            self._unsure.add(look.key)
            raise
        self._parts.recorder.trials(experiment, [record])
        experiment_key = (look.key[0], experiment.metadata.name)
        self._parts.states.changed(experiment_key, record.name)
        self._parts.experiment_queue.add(experiment_key)


def _is_complete(pods: list[dict[str, Any]]) -> bool:
    """Whether no container of these pods runs any more, so that nothing can be reported."""
    return bool(pods) and all((pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") for pod in pods)


def _is_pushed(experiment: Experiment) -> bool:
    """Whether trials report by themselves, and so before they end."""
    spec = experiment.spec.metrics_collector_spec
    return spec is not None and spec.collector is not None and spec.collector.kind == "Push"


def _final(record: TrialRecord) -> TrialRecord:
    return replace(record, state=record.stopping or TrialState.KILLED, stopping=None, finished=_now())


def _failed(record: TrialRecord, reason: str, said: str) -> TrialRecord:
    return replace(record, state=TrialState.FAILED, finished=_now(), reason=reason, message=said)


def _is_of(job: Mapping[str, Any], trial: Mapping[str, Any]) -> bool:
    """Whether a job is a trial's: by its owner, and by its labels where somebody took that away."""
    uid, owners = trial["metadata"]["uid"], job["metadata"].get("ownerReferences") or ()
    if any(owner.get("controller") for owner in owners):
        return any(owner.get("uid") == uid for owner in owners)
    labels, name = job["metadata"].get("labels") or {}, trial["metadata"]["name"]
    of_experiment = labels.get(kinds.EXPERIMENT_UID_LABEL)
    return labels.get(kinds.TRIAL_LABEL) == name and bool(of_experiment) and of_experiment == experiment_uid(trial)


def _is_left(job: Mapping[str, Any], trial: Mapping[str, Any]) -> bool:
    """Whether a job is of a Trial that had this one's name and was deleted: it goes, only later than that."""
    mine = trial["metadata"]
    owners = [owner for owner in job["metadata"].get("ownerReferences") or () if owner.get("controller")]
    return any(
        (owner.get("kind"), owner.get("name")) == (kinds.TRIALS.kind, mine["name"]) and owner.get("uid") != mine["uid"]
        for owner in owners
    )


def _attempt_of(job: Mapping[str, Any]) -> int:
    try:
        return int((job["metadata"].get("annotations") or {}).get(kinds.ATTEMPT, 1))
    except ValueError:
        return 1


def _now() -> datetime:
    return datetime.now(UTC)
