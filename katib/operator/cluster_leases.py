"""Trials that callers run, as a cluster has them: the job of such a trial is a Lease, and whoever holds it runs the trial.

The operator makes a Lease for each trial that may start, as it makes any other kind of job; when its holder says on it how the trial
ended, the job has ended. So budget, parallelism, early stopping and restarts are the operator's here as everywhere, and giving trials out
needs no process of its own: whoever asks takes a free Lease, in its present version or not at all.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from katib.algorithm import registry
from katib.operator.kinds import RUN_BY_CALLERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment

__all__ = ["TrialLease", "is_run_by_callers", "with_lease_template", "without_lease_template"]

_PREFIX: Final = "katib.kubeflow.org/"
_SECONDS: Final = f"{_PREFIX}lease-seconds"
_REPORTS: Final = f"{_PREFIX}reports"
_COMPLETED: Final = f"{_PREFIX}completed"
_BROKEN: Final = f"{_PREFIX}broken"
_NEVER: Final = datetime.fromtimestamp(0, UTC)
_MOST_REPORTS: Final = 32
"""The last request ids of a trial that are known again; a client sends a call again soon or never."""


def with_lease_template(document: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """Return the document of an experiment without a template with the one of Leases.

    Args:
        document: As its user wrote it.
        experiment: The same, admitted.
    """
    named = [parameter.name for parameter in experiment.spec.parameters or ()] or [*registry.assigned_texts(experiment)]
    words = {f"p{index}": name for index, name in enumerate(named)}
    # For people, and because every parameter of a template has to be used; one that is inactive is left out.
    shown = {f"parameter.{_PREFIX}{word}": f"${{trialParameters.{word}}}" for word in words}
    template = {
        "primaryContainerName": "caller",
        "successCondition": _condition(_COMPLETED),
        "failureCondition": _condition(_BROKEN),
        "trialParameters": [{"name": word, "reference": name} for word, name in words.items()],
        "trialSpec": {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"annotations": shown},
            "spec": {"leaseTransitions": 0},
        },
    }
    metadata = document.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), RUN_BY_CALLERS: "true"}
    return {
        **document,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {
            **document["spec"],
            "trialTemplate": template,
            "metricsCollectorSpec": {"collector": {"kind": "Push"}},
        },
    }


def _condition(annotation: str) -> str:
    """Return the GJSON query of an annotation that has JSON in it."""
    return f"metadata.annotations.{annotation.replace('.', chr(92) + '.')}|@fromstr"


def is_run_by_callers(experiment: Experiment) -> bool:
    """Whether an experiment's trials are run by callers."""
    return (experiment.metadata.annotations or {}).get(RUN_BY_CALLERS) == "true"


def without_lease_template(experiment: Experiment) -> Experiment:
    """Return an experiment as its user wrote it: where callers run its trials, there is no template."""
    if not is_run_by_callers(experiment):
        return experiment
    return experiment.model_copy(update={"spec": experiment.spec.model_copy(update={"trial_template": None})})


@dataclass(frozen=True, slots=True)
class TrialLease:
    """The Lease of a trial, as it was read.

    Attributes:
        name: Of the trial.
        uid: Of the Lease; the trial's next attempt has another one.
        version: Of the Lease.
        holder: Who runs it; empty for nobody.
        seconds: How long without a word from them.
        renewed: When they were last heard of.
        taken: How often somebody took it.
        reports: Request ids of reports that were heeded, the newest last.
        next_sequence: The number of the trial's next sample.
        outcome: How the trial ended; empty while it runs.
        ending: Its trial was told to end.
    """

    name: str
    uid: str
    version: str
    holder: str = ""
    seconds: float = 0.0
    renewed: datetime = _NEVER
    taken: int = 0
    reports: tuple[str, ...] = ()
    next_sequence: int = 0
    outcome: str = ""
    ending: bool = field(default=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return what a Lease object says; what somebody else wrote on it counts as not said."""
        metadata, spec = document["metadata"], document.get("spec") or {}
        annotations = metadata.get("annotations") or {}
        reports = _json(annotations.get(_REPORTS))
        renewed = spec.get("renewTime")
        ended = _json(annotations.get(_BROKEN)) if _BROKEN in annotations else None
        outcome = str(ended.get("outcome") or "broken") if ended is not None else ""
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            version=metadata["resourceVersion"],
            holder=spec.get("holderIdentity") or "",
            seconds=_number(annotations.get(_SECONDS)) or float(spec.get("leaseDurationSeconds") or 0),
            renewed=datetime.fromisoformat(renewed).astimezone(UTC) if renewed else _NEVER,
            taken=int(spec.get("leaseTransitions") or 0),
            reports=tuple(map(str, ids)) if isinstance(ids := reports.get("ids"), list) else (),
            next_sequence=following if isinstance(following := reports.get("next"), int) else 0,
            outcome="completed" if _COMPLETED in annotations else outcome,
            ending=bool(metadata.get("deletionTimestamp")),
        )

    def is_held(self, now: datetime) -> bool:
        """Whether whoever has it may go on."""
        return bool(self.holder) and now < self.renewed + timedelta(seconds=self.seconds)

    @property
    def is_open(self) -> bool:
        """Whether its trial is still to be run, or being run."""
        return not self.outcome and not self.ending

    def taken_by(self, client: str, seconds: float, now: datetime) -> TrialLease:
        """Return it in the hands of a client; one who has it already has it on."""
        if client == self.holder:
            return self.renewed_at(now, seconds)
        return replace(self, holder=client, seconds=seconds, renewed=now, taken=self.taken + 1, reports=())

    def renewed_at(self, now: datetime, seconds: float | None = None) -> TrialLease:
        """Return it with its time begun anew, perhaps another one."""
        return replace(self, renewed=now, seconds=self.seconds if seconds is None else seconds)

    def with_report(self, request_id: str, count: int) -> TrialLease:
        """Return it with a report that is in the store."""
        reports = (*self.reports, *([request_id] if request_id else []))[-_MOST_REPORTS:]
        return replace(self, reports=reports, next_sequence=self.next_sequence + count)

    def patch(self) -> dict[str, Any]:
        """Return what makes the Lease of this version what this is."""
        reports = json.dumps({"next": self.next_sequence, "ids": self.reports})
        return {
            "metadata": {
                "resourceVersion": self.version,
                "uid": self.uid,
                "annotations": {_SECONDS: f"{self.seconds:g}", _REPORTS: reports},
            },
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": max(1, math.ceil(self.seconds)),
                "renewTime": self.renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "leaseTransitions": self.taken,
            },
        }

    def end_patch(self, outcome: str, reason: str = "", message: str = "") -> dict[str, Any]:
        """Return what says on the Lease of this version how its trial ended: ``completed``, or anything else."""
        patch = self.patch()
        name = _COMPLETED if outcome == "completed" else _BROKEN
        said = {} if outcome == "completed" else {"outcome": outcome, "reason": reason, "message": message}
        patch["metadata"]["annotations"][name] = json.dumps(said)
        return patch


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(text: str | None) -> float:
    try:
        found = float(text or 0)
    except ValueError:
        return 0.0
    return found if 0 <= found < math.inf else 0.0
