"""Calls of the store's API about what runs are in: projects and experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.rpc import store_v1 as wire
from katib.rpc.tracking_messages import experiment_message, project_message
from katib.rpc.tracking_methods import reads, writes
from katib.rpc.tracking_requests import check_keys, page_size, read_facts, required
from katib.rpc.tracking_values import EXPERIMENT_KINDS, LIFECYCLES, OBJECTIVE_TYPES, RUN_STATES
from katib.store.tracking.records import ExperimentKind, Lifecycle, ProjectRetention

if TYPE_CHECKING:
    from katib.rpc.tracking_methods import Answer
    from katib.store.tracking.protocol import Tracking

__all__ = ["METHODS"]


def _create_project(request: wire.CreateProjectRequest) -> Answer:
    required(request, "name")
    facts = read_facts(request)
    return lambda tracking: project_message(
        tracking.create_project(
            request.name, project_id=request.project_id or None, description=request.description, facts=facts
        )
    )


def _get_project(request: wire.GetProjectRequest) -> Answer:
    if request.WhichOneof("project") == "name":
        return lambda tracking: project_message(tracking.project_named(request.name))
    required(request, "project_id")
    return lambda tracking: project_message(tracking.project(request.project_id))


def _get_default_project(_: wire.GetDefaultProjectRequest) -> Answer:
    return lambda tracking: project_message(tracking.default_project())


def _update_project(request: wire.UpdateProjectRequest) -> Answer:
    required(request, "project_id")
    changes = _present(request, "name", "description")
    if request.HasField("retention"):
        changes["retention"] = _read_retention(request.retention)
    return lambda tracking: project_message(tracking.update_project(request.project_id, **changes))


def _read_retention(message: wire.Retention) -> ProjectRetention:
    deleted_for = None
    if message.HasField("deleted_for"):
        try:
            deleted_for = message.deleted_for.ToTimedelta()
        except (ValueError, OverflowError):
            raise InvalidInput([Problem("retention.deleted_for", "is no duration")]) from None
    return ProjectRetention(
        deleted_for=deleted_for,
        keep_best=message.keep_best if message.HasField("keep_best") else None,
        archive=message.archive,
        keep_artifacts=message.keep_artifacts,
    )


def _find_projects(request: wire.FindProjectsRequest) -> Answer:
    limit = page_size(request)
    lifecycle = LIFECYCLES.read_or(request.lifecycle, "lifecycle", Lifecycle.ACTIVE)

    def answer(tracking: Tracking) -> wire.FindProjectsResponse:
        found = tracking.find_projects(
            request.filter,
            list(request.order_by),
            lifecycle=lifecycle,
            limit=limit,
            cursor=request.page_token or None,
            count=request.count,
        )
        return wire.FindProjectsResponse(
            projects=map(project_message, found.items), next_page_token=found.cursor, total_size=found.total
        )

    return answer


def _create_experiment(request: wire.CreateExperimentRequest) -> Answer:
    required(request, "name")
    kind = EXPERIMENT_KINDS.read_or(request.kind, "kind", ExperimentKind.TRACKED)
    if kind is ExperimentKind.KATIB:
        raise InvalidInput([Problem("kind", "is that of experiments that have a spec; run one to make one")])
    objective_type = OBJECTIVE_TYPES.read_or(request.objective_type, "objective_type", "")
    facts = read_facts(request)

    def answer(tracking: Tracking) -> wire.Experiment:
        return experiment_message(
            tracking.create_search(
                request.name,
                project_id=request.project_id or None,
                experiment_id=request.experiment_id or None,
                kind=kind,
                description=request.description,
                algorithm=request.algorithm,
                objective=request.objective,
                objective_type=objective_type,
                facts=facts,
            )
        )

    return answer


def _get_experiment(request: wire.GetExperimentRequest) -> Answer:
    if request.experiment_id:
        return lambda tracking: experiment_message(tracking.search(request.experiment_id))
    required(request, "project_id", "name")
    return lambda tracking: experiment_message(tracking.search_named(request.project_id, request.name))


def _update_experiment(request: wire.UpdateExperimentRequest) -> Answer:
    required(request, "experiment_id")
    changes = _present(request, "name", "description", "objective")
    if request.HasField("best_value"):
        changes["best"] = request.best_value
    state = RUN_STATES.read_or(request.state, "state", None)
    objective_type = OBJECTIVE_TYPES.read_or(request.objective_type, "objective_type", None)
    return lambda tracking: experiment_message(
        tracking.update_search(request.experiment_id, state=state, objective_type=objective_type, **changes)
    )


def _find_experiments(request: wire.FindExperimentsRequest) -> Answer:
    limit = page_size(request)
    lifecycle = LIFECYCLES.read_or(request.lifecycle, "lifecycle", Lifecycle.ACTIVE)
    check_keys("project_ids", request.project_ids)

    def answer(tracking: Tracking) -> wire.FindExperimentsResponse:
        found = tracking.find_searches(
            request.filter,
            list(request.order_by),
            project_ids=list(request.project_ids),
            lifecycle=lifecycle,
            limit=limit,
            cursor=request.page_token or None,
            count=request.count,
        )
        return wire.FindExperimentsResponse(
            experiments=map(experiment_message, found.items), next_page_token=found.cursor, total_size=found.total
        )

    return answer


def _present(request: Any, *fields: str) -> dict[str, Any]:
    """Return the fields that a request changes."""
    return {field: getattr(request, field) for field in fields if request.HasField(field)}


METHODS: Final = {
    "CreateProject": writes(wire.CreateProjectRequest, _create_project),
    "GetProject": reads(wire.GetProjectRequest, _get_project),
    "GetDefaultProject": writes(wire.GetDefaultProjectRequest, _get_default_project),
    "UpdateProject": writes(
        # A policy has things removed for good, as ``Purge`` does.
        wire.UpdateProjectRequest,
        _update_project,
        administers=lambda request: request.HasField("retention"),
    ),
    "FindProjects": reads(wire.FindProjectsRequest, _find_projects),
    "CreateExperiment": writes(wire.CreateExperimentRequest, _create_experiment),
    "GetExperiment": reads(wire.GetExperimentRequest, _get_experiment),
    "UpdateExperiment": writes(wire.UpdateExperimentRequest, _update_experiment),
    "FindExperiments": reads(wire.FindExperimentsRequest, _find_experiments),
}
"""By name."""
