"""Calls of the store's API with which a driver elsewhere records its experiments, such as the operator of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.errors import InvalidInput, Problem
from katib.rpc import store_v1 as wire
from katib.rpc.recording_text import experiment_of, job_of, trial_of
from katib.rpc.tracking_methods import reads, writes
from katib.rpc.tracking_requests import MOST_ON_A_PAGE, at_most, check_keys, required
from katib.rpc.tracking_values import read_time
from katib.store.tracking.recording import RecordedTrial

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.rpc.tracking_methods import Answer
    from katib.store.protocol import EventKind
    from katib.store.tracking.protocol import Tracking, TrackingStore

__all__ = ["METHODS", "open_experiments"]

_MOST_PROBLEMS: Final = 20
_MOST_TIMES: Final = 2**31 - 1
_EVENT_KINDS: Final[dict[int, EventKind]] = {
    wire.EVENT_KIND_UNSPECIFIED: "Normal",
    wire.EVENT_KIND_NORMAL: "Normal",
    wire.EVENT_KIND_WARNING: "Warning",
}


def _record_experiment(request: wire.RecordExperimentRequest) -> Answer:
    required(request, "resource_json")
    experiment = experiment_of(request.resource_json, "resource_json")

    def answer(tracking: Tracking) -> wire.RecordExperimentResponse:
        recorded = tracking.record_experiment(experiment, request.version)
        return wire.RecordExperimentResponse(name=recorded.name, stored=recorded.stored)

    return answer


def _record_trials(request: wire.RecordTrialsRequest) -> Answer:
    required(request, "experiment_id")
    check_keys("trials", request.trials)
    trials: list[RecordedTrial] = []
    problems: list[Problem] = []
    for number, message in enumerate(request.trials):
        where = f"trials[{number}]"
        try:
            record = trial_of(message.record_json, f"{where}.record_json")
            job = job_of(message.job_json, f"{where}.job_json")
        except InvalidInput as error:
            problems.extend(error.problems)
        else:
            trials.append(RecordedTrial(record, job, dict(message.place)))
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise InvalidInput(problems[:_MOST_PROBLEMS])
    return lambda tracking: wire.RecordTrialsResponse(
        stored_count=tracking.record_trials(request.experiment_id, trials)
    )


def _get_trial_summaries(request: wire.GetTrialSummariesRequest) -> Answer:
    required(request, "experiment_id")
    for field in ("trials", "metrics"):
        check_keys(field, getattr(request, field))

    def answer(tracking: Tracking) -> wire.GetTrialSummariesResponse:
        reply = wire.GetTrialSummariesResponse()
        found = tracking.trial_summaries(request.experiment_id, request.trials, request.metrics or None)
        for trial, summaries in found.items():
            added = reply.trials.add(trial=trial)
            for name, summary in summaries.items():
                added.metrics.add(
                    name=name,
                    latest=summary.latest,
                    first=summary.first,
                    min=summary.min,
                    max=summary.max,
                    count=summary.count,
                )
        return reply

    return answer


def _record_event(request: wire.RecordEventRequest) -> Answer:
    required(request, "experiment_id", "reason")
    kind = _EVENT_KINDS.get(request.kind)
    if kind is None:
        raise InvalidInput([Problem("kind", "must be EVENT_KIND_NORMAL or EVENT_KIND_WARNING", request.kind)])
    count = at_most("count", request.count, _MOST_TIMES, 1)
    time = read_time(request, "time")

    def answer(tracking: Tracking) -> wire.RecordEventResponse:
        tracking.record_event(
            request.experiment_id,
            request.reason,
            request.message,
            kind=kind,
            trial=request.trial or None,
            event_id=request.event_id or None,
            count=count,
            time=time,
        )
        return wire.RecordEventResponse()

    return answer


def _mark_experiment_deleted(request: wire.MarkExperimentDeletedRequest) -> Answer:
    required(request, "experiment_id")

    def answer(tracking: Tracking) -> wire.MarkExperimentDeletedResponse:
        tracking.mark_deleted(request.experiment_id)
        return wire.MarkExperimentDeletedResponse()

    return answer


def open_experiments(
    request: wire.ListOpenExperimentsRequest, namespace: str | None
) -> Callable[[TrackingStore], wire.ListOpenExperimentsResponse]:
    """Return what asks a store for the experiments that are not over, of one namespace or, for None, of all.

    Raises:
        InvalidInput: Something is missing or wrong.
    """
    required(request, "cluster")
    limit = at_most("page_size", request.page_size, MOST_ON_A_PAGE, MOST_ON_A_PAGE)

    def answer(store: TrackingStore) -> wire.ListOpenExperimentsResponse:
        page = store.open_experiments(
            request.cluster, namespace=namespace, cursor=request.page_token or None, limit=limit
        )
        reply = wire.ListOpenExperimentsResponse(next_page_token=page.cursor or "")
        for each in page.items:
            reply.experiments.add(namespace=each.namespace, experiment_id=each.uid, name=each.name)
        return reply

    return answer


METHODS: Final = {
    "RecordExperiment": writes(wire.RecordExperimentRequest, _record_experiment),
    "RecordTrials": writes(wire.RecordTrialsRequest, _record_trials),
    "GetTrialSummaries": reads(wire.GetTrialSummariesRequest, _get_trial_summaries),
    "RecordEvent": writes(wire.RecordEventRequest, _record_event),
    "MarkExperimentDeleted": writes(wire.MarkExperimentDeletedRequest, _mark_experiment_deleted),
}
"""By name."""
