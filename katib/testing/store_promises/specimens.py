"""What the promises are tried on: an experiment, trial records and reports, each with every field in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from katib.api.base import Condition
from katib.api.experiment import Experiment, ExperimentStatus, Metric, Observation, OptimalTrial
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.trial import TrialRecord

if TYPE_CHECKING:
    from katib.store.protocol import Store

__all__ = ["AWKWARD", "EPOCH", "Report", "an_experiment", "full_record", "full_status", "recorded", "reports", "trial"]

EPOCH = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
"""A moment with microseconds, of a zone that is not UTC."""

AWKWARD = "naïve “λ” 🧪\n\t'; DROP TABLE trials; --\x00\\ %s ${x}"
"""Text that is broken by careless quoting, encoding or formatting."""

_DOCUMENT: dict[str, Any] = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {
        "name": "search",
        "labels": {"team": "λ"},
        "annotations": {"note": AWKWARD},
        "managedFields": [{"a": 1}],
    },
    "spec": {
        "objective": {"type": "minimize", "goal": 0.001, "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random", "algorithmSettings": [{"name": "random_state", "value": "7"}]},
        "parallelTrialCount": 3,
        "maxTrialCount": 12,
        "parameters": [
            {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.1"}},
            {"name": "λ", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
        ],
        "trialTemplate": {"trialSpec": {"kind": "Job", "spec": {"args": [AWKWARD, None, 1, 1.5, True]}}},
    },
}


@dataclass(frozen=True, slots=True)
class Report:
    """A value of a metric as a collector hands it over."""

    name: str
    text: str
    time: datetime | None = None
    step: int | None = None


def an_experiment(name: str = "search", namespace: str | None = None, **spec: Any) -> Experiment:
    """Return an experiment that no store has seen."""
    document = {**_DOCUMENT, "spec": {**_DOCUMENT["spec"], **spec}}
    document["metadata"] = {**_DOCUMENT["metadata"], "name": name, "namespace": namespace}
    return Experiment.model_validate(document)


def recorded(store: Store, name: str = "search", *, trials: int = 0) -> str:
    """Record an experiment with some trials and return its uid."""
    uid = store.create_experiment(an_experiment(name)).metadata.uid
    assert uid
    store.record_trials(uid, [trial(index) for index in range(trials)])
    return uid


def trial(index: int, state: TrialState = TrialState.CREATED, **fields: Any) -> TrialRecord:
    """Return the record of a trial."""
    created = EPOCH.astimezone(UTC) + timedelta(seconds=index)
    fields = {"name": f"search-{index:04d}", "assignments": (("lr", "0.01"),), "created": created, **fields}
    return TrialRecord(index=index, state=state, **fields)


def full_record(index: int = 0) -> TrialRecord:
    """Return a record none of whose fields has its default."""
    return TrialRecord(
        index=index,
        name=f"search-{index:04d}",
        state=TrialState.EARLY_STOPPED,
        assignments=(("lr", "1e-05"), ("λ", AWKWARD), ("a", "")),
        created=EPOCH,
        started=EPOCH + timedelta(microseconds=1),
        finished=EPOCH + timedelta(days=400, microseconds=2),
        observation=Observation(
            metrics=[
                Metric(name="loss", latest="nan", min="unavailable", max="inf"),
                Metric(name="λ", latest="0.10", min="-1e400", max="1e400"),
            ]
        ),
        reason="TrialEarlyStopped",
        message=AWKWARD,
        imported=True,
        stopping=TrialState.KILLED,
        attempt=3,
        labels={"rung": "2", "λ": AWKWARD},
        rules=(EarlyStoppingRule(name=AWKWARD, value="0.1", comparison="less", start_step=4),),
    )


def full_status() -> ExperimentStatus:
    """Return a status with times, conditions and an optimum."""
    condition = Condition(
        type="Running", status="True", reason="ExperimentRunning", message=AWKWARD, last_update_time=EPOCH
    )
    optimum = OptimalTrial(
        best_trial_name="search-0001",
        observation=Observation(metrics=[Metric(name="loss", latest="0.1", min="0.1", max="0.3")]),
    )
    return ExperimentStatus(
        start_time=EPOCH, conditions=[condition], current_optimal_trial=optimum, trials=3, trials_running=2
    )


def reports(count: int, name: str = "loss", *, start: int = 0) -> list[Report]:
    """Return reports of one metric, each with its own value, time and step."""
    return [
        Report(name, repr(1 / (number + 1)), EPOCH.astimezone(UTC) + timedelta(milliseconds=number), number)
        for number in range(start, start + count)
    ]
