"""Calls of the store's API about runs as a whole; what they log is in ``tracking_logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.api.trial import TrialState
from katib.errors import InvalidInput, Problem
from katib.rpc import store_v1 as wire
from katib.rpc.tracking_calls import RunCall
from katib.rpc.tracking_messages import comparison_message, run_message
from katib.rpc.tracking_methods import reads, writes
from katib.rpc.tracking_requests import RunMask, at_most, check_keys, page_size, read_log, read_scope, required
from katib.rpc.tracking_values import OBJECTIVE_TYPES, RUN_STATES, read_document, read_time
from katib.store.tracking.records import NewRun

if TYPE_CHECKING:
    from katib.rpc.tracking_methods import Answer
    from katib.store.tracking.protocol import Tracking

__all__ = ["METHODS"]

_MOST_COMPARED: Final = 100
_MOST_SIMILAR: Final = 1_000
_SIMILAR: Final = 10


def _create_run(request: wire.CreateRunRequest) -> Answer:
    new = NewRun(
        project_id=request.project_id or None,
        experiment_id=request.experiment_id or None,
        parent_id=request.parent_id or None,
        id=request.run_id or None,
        name=request.name or None,
        state=RUN_STATES.read_or(request.state, "state", TrialState.RUNNING),
        started=read_time(request, "start_time"),
        ended=read_time(request, "end_time"),
        description=request.description,
        owner=request.owner or None,
        log=read_log(request),
    )
    return RunCall(new, run_message)


def _get_run(request: wire.GetRunRequest) -> Answer:
    mask = RunMask(request)
    if request.run_id:
        return lambda tracking: mask.applied(run_message(tracking.run(request.run_id, mask.parts)))
    required(request, "experiment_id", "name")
    return lambda tracking: mask.applied(
        run_message(tracking.run_named(request.experiment_id, request.name, mask.parts))
    )


def _batch_get_runs(request: wire.BatchGetRunsRequest) -> Answer:
    mask = RunMask(request)
    check_keys("run_ids", request.run_ids)
    return lambda tracking: wire.BatchGetRunsResponse(
        runs=[mask.applied(run_message(run)) for run in tracking.runs(list(request.run_ids), mask.parts)]
    )


def _update_run(request: wire.UpdateRunRequest) -> Answer:
    required(request, "run_id")
    changes = {
        field: getattr(request, field)
        for field in ("name", "description", "reason", "message")
        if request.HasField(field)
    }
    state = RUN_STATES.read_or(request.state, "state", None)
    started, ended = read_time(request, "start_time"), read_time(request, "end_time")
    code, environment, place = (read_document(request, field) for field in ("code", "environment", "place"))
    return lambda tracking: run_message(
        tracking.update_run(
            request.run_id,
            state=state,
            started=started,
            ended=ended,
            code=code,
            environment=environment,
            place=place,
            **changes,
        )
    )


def _set_parent_run(request: wire.SetParentRunRequest) -> Answer:
    required(request, "run_id", "parent_id")
    return lambda tracking: run_message(tracking.set_parent(request.run_id, request.parent_id))


def _find_runs(request: wire.FindRunsRequest) -> Answer:
    limit, mask, scope = page_size(request), RunMask(request), read_scope(request.scope)

    def answer(tracking: Tracking) -> wire.FindRunsResponse:
        found = tracking.find_runs(
            request.filter,
            list(request.order_by),
            scope=scope,
            limit=limit,
            cursor=request.page_token or None,
            parts=mask.parts,
            count=request.count,
        )
        return wire.FindRunsResponse(
            runs=[mask.applied(run_message(run)) for run in found.items],
            next_page_token=found.cursor,
            total_size=found.total,
        )

    return answer


def _count_runs(request: wire.CountRunsRequest) -> Answer:
    scope = read_scope(request.scope)
    return lambda tracking: wire.CountRunsResponse(total_size=tracking.count_runs(request.filter, scope=scope))


def _compare_runs(request: wire.CompareRunsRequest) -> Answer:
    if not 2 <= len(request.run_ids) <= _MOST_COMPARED:  # noqa: PLR2004 - one is like itself
        raise InvalidInput([Problem("run_ids", f"must be 2 to {_MOST_COMPARED}, these are {len(request.run_ids)}")])
    return lambda tracking: comparison_message(tracking.compare(list(request.run_ids)))


def _pareto_runs(request: wire.ParetoRunsRequest) -> Answer:
    mask, scope = RunMask(request), read_scope(request.scope)
    objectives = [
        (one.metric, OBJECTIVE_TYPES.read(one.type, f"objectives[{number}].type"))
        for number, one in enumerate(request.objectives)
    ]
    return lambda tracking: wire.ParetoRunsResponse(
        runs=[mask.applied(run_message(run)) for run in tracking.pareto_runs(objectives, scope=scope, parts=mask.parts)]
    )


def _similar_runs(request: wire.SimilarRunsRequest) -> Answer:
    required(request, "run_id")
    mask = RunMask(request)
    limit = at_most("limit", request.limit, _MOST_SIMILAR, _SIMILAR)
    scope = read_scope(request.scope) if request.HasField("scope") else None
    return lambda tracking: wire.SimilarRunsResponse(
        runs=[
            wire.SimilarRunsResponse.SimilarRun(run=mask.applied(run_message(run)), distance=distance)
            for run, distance in tracking.similar_runs(request.run_id, limit=limit, scope=scope, parts=mask.parts)
        ]
    )


def _get_importances(request: wire.GetImportancesRequest) -> Answer:
    required(request, "experiment_id")
    return lambda tracking: wire.GetImportancesResponse(
        importances=[
            wire.GetImportancesResponse.Importance(parameter=name, importance=importance)
            for name, importance in tracking.importances(request.experiment_id, request.metric or None).items()
        ]
    )


METHODS: Final = {
    "CreateRun": writes(wire.CreateRunRequest, _create_run),
    "GetRun": reads(wire.GetRunRequest, _get_run),
    "BatchGetRuns": reads(wire.BatchGetRunsRequest, _batch_get_runs),
    "UpdateRun": writes(wire.UpdateRunRequest, _update_run),
    "SetParentRun": writes(wire.SetParentRunRequest, _set_parent_run),
    "FindRuns": reads(wire.FindRunsRequest, _find_runs),
    "CountRuns": reads(wire.CountRunsRequest, _count_runs),
    "CompareRuns": reads(wire.CompareRunsRequest, _compare_runs),
    "ParetoRuns": reads(wire.ParetoRunsRequest, _pareto_runs),
    "SimilarRuns": reads(wire.SimilarRunsRequest, _similar_runs),
    "GetImportances": reads(wire.GetImportancesRequest, _get_importances),
}
"""By name."""
