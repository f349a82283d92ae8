"""The records of the tracking store as messages of the store's API."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from katib.rpc import store_v1 as wire
from katib.rpc.tracking_values import (
    ARTIFACT_STATES,
    EXPERIMENT_KINDS,
    NODE_KINDS,
    OBJECTIVE_TYPES,
    RUN_STATES,
    fill_document,
    fill_value,
    fill_values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.store.protocol import Observed
    from katib.store.tracking.records import (
        Artifact,
        AuditEntry,
        ChartPoint,
        Comment,
        Comparison,
        Dataset,
        DatasetVersion,
        Facts,
        LineageEdge,
        Metric,
        Node,
        Project,
        ProjectRetention,
        Run,
        SearchExperiment,
    )

__all__ = [
    "add_observations",
    "artifact_message",
    "audit_message",
    "chart_message",
    "comment_message",
    "comparison_message",
    "dataset_message",
    "dataset_version_message",
    "edge_messages",
    "experiment_message",
    "node_message",
    "project_message",
    "run_message",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NUMBERS: Final = ("value", "latest_time", "latest_step", "first_step", "min_value", "max_value")


def project_message(project: Project) -> wire.Project:
    """Return a project's message."""
    message = wire.Project(
        id=project.id,
        namespace=project.namespace,
        name=project.name,
        description=project.description,
        owner=project.owner,
        create_time=project.created,
        update_time=project.updated,
        delete_time=project.deleted,
        retention=_retention_message(project.retention),
    )
    _fill_facts(message, project.facts)
    return message


def _retention_message(retention: ProjectRetention) -> wire.Retention | None:
    """Return a policy's message, None where it says nothing."""
    message = wire.Retention(
        deleted_for=retention.deleted_for,
        keep_best=retention.keep_best,
        archive=retention.archive,
        keep_artifacts=retention.keep_artifacts,
    )
    return message if message.ByteSize() else None


def experiment_message(experiment: SearchExperiment) -> wire.Experiment:
    """Return an experiment's message."""
    message = wire.Experiment(
        id=experiment.id,
        project_id=experiment.project_id,
        run_id=experiment.run_id,
        namespace=experiment.namespace,
        name=experiment.name,
        kind=EXPERIMENT_KINDS.number(experiment.kind),
        description=experiment.description,
        owner=experiment.owner,
        state=RUN_STATES.number(experiment.state),
        create_time=experiment.created,
        start_time=experiment.started,
        end_time=experiment.ended,
        update_time=experiment.updated,
        delete_time=experiment.deleted,
        algorithm=experiment.algorithm,
        objective=experiment.objective,
        objective_type=OBJECTIVE_TYPES.number(experiment.objective_type),
        best_value=experiment.best,
        trial_count=experiment.trials,
        spec_json="" if experiment.spec is None else json.dumps(experiment.spec),
    )
    _fill_facts(message, experiment.facts)
    return message


def run_message(run: Run) -> wire.Run:
    """Return a run's message, with the parts that were read."""
    message = wire.Run(
        id=run.id,
        namespace=run.namespace,
        project_id=run.project_id,
        project=run.project,
        experiment_id=run.experiment_id,
        experiment=run.experiment,
        parent_id=run.parent_id,
        root_of_experiment_id=run.root_of,
        name=run.name,
        index=run.index,
        state=RUN_STATES.number(run.state),
        reason=run.reason,
        message=run.message,
        description=run.description,
        owner=run.owner,
        create_time=run.created,
        start_time=run.started,
        end_time=run.ended,
        delete_time=run.deleted,
    )
    _fill_facts(message, run.facts)
    for parameter in run.parameters:
        message.parameters.add(name=parameter.name, text=parameter.text, number=parameter.number)
    for metric in run.metrics:
        _fill_metric(message.metrics.add(), metric)
    for use in run.datasets:
        added = message.datasets.add(role=use.role, tags=dict(use.tags))
        added.version.CopyFrom(dataset_version_message(use.version))
    message.artifacts.extend(map(artifact_message, run.artifacts))
    fill_document(message.code, run.code)
    fill_document(message.environment, run.environment)
    fill_document(message.place, run.place)
    return message


def _fill_facts(message: Any, facts: Facts) -> None:
    message.tags.update(facts.tags)
    fill_values(message.properties, facts.properties)


def _fill_metric(target: wire.Metric, metric: Metric) -> None:
    target.name, target.count = metric.name, metric.count
    target.latest, target.first, target.min, target.max = metric.latest, metric.first, metric.min, metric.max
    for field in _NUMBERS:
        value = getattr(metric, field)
        if value is None:
            continue
        if field == "latest_time":
            target.latest_time.FromDatetime(value)
        else:
            setattr(target, field, value)


def add_observations(target: Any, observed: Iterable[Observed]) -> None:
    """Add what was reported to a repeated field."""
    for each in observed:
        added = target.add()  # and then its parts: three times as fast as a message for each
        added.sequence, added.metric, added.text = each.sequence, each.name, each.text
        if each.value is not None:
            added.value = each.value
        if each.time is not None:
            # As FromDatetime does, in a fraction of its time.
            added.time.seconds, rest = divmod((each.time - _EPOCH) // _MICROSECOND, 1_000_000)
            added.time.nanos = 1000 * rest
        if each.step is not None:
            added.step = each.step


def chart_message(run_id: str, points: Iterable[ChartPoint]) -> wire.Chart:
    """Return one run's line of a chart."""
    chart = wire.Chart(run_id=run_id)
    for point in points:
        chart.points.add(
            step=point.step, time=point.time, value=point.value, min=point.min, max=point.max, count=point.count
        )
    return chart


def comparison_message(comparison: Comparison) -> wire.CompareRunsResponse:
    """Return a comparison's message."""
    message = wire.CompareRunsResponse(run_ids=comparison.run_ids)
    fill_values(message.equal, comparison.equal)
    for name, values in comparison.different.items():
        row = message.different[name]
        for value in values:
            cell = row.cells.add()
            if value is not None:
                fill_value(cell.value, value)
    return message


def dataset_message(dataset: Dataset) -> wire.Dataset:
    """Return a dataset's message."""
    message = wire.Dataset(
        id=dataset.id,
        project_id=dataset.project_id,
        name=dataset.name,
        description=dataset.description,
        owner=dataset.owner,
        create_time=dataset.created,
        update_time=dataset.updated,
    )
    _fill_facts(message, dataset.facts)
    return message


def dataset_version_message(version: DatasetVersion) -> wire.DatasetVersion:
    """Return the message of a version of a dataset."""
    message = wire.DatasetVersion(
        id=version.id,
        dataset_id=version.dataset_id,
        name=version.name,
        number=version.number,
        digest=version.digest,
        uri=version.uri,
        source_type=version.source_type,
        size=version.size,
        rows=version.rows,
        parent_id=version.parent_id,
        create_time=version.created,
    )
    if version.schema is not None:
        fill_value(message.schema, version.schema)
    if version.profile is not None:
        fill_value(message.profile, version.profile)
    return message


def artifact_message(artifact: Artifact) -> wire.Artifact:
    """Return the message of an artifact's record."""
    message = wire.Artifact(
        id=artifact.id,
        run_id=artifact.run_id,
        path=artifact.path,
        type=artifact.type,
        uri=artifact.uri,
        state=ARTIFACT_STATES.number(artifact.state),
        size=artifact.size,
        sha256=artifact.sha256,
        content_type=artifact.content_type,
        create_time=artifact.created,
    )
    if artifact.metadata:
        fill_document(message.metadata, artifact.metadata)
    return message


def comment_message(comment: Comment) -> wire.Comment:
    """Return a comment's message."""
    return wire.Comment(
        id=comment.id,
        run_id=comment.run_id,
        author=comment.author,
        text=comment.text,
        create_time=comment.created,
        edit_time=comment.edited,
    )


def node_message(node: Node) -> wire.Node:
    """Return the message of a reference to a record."""
    return wire.Node(kind=NODE_KINDS.number(node.kind), id=node.id)


def edge_messages(edges: Iterable[LineageEdge]) -> list[wire.LineageEdge]:
    """Return the messages of edges."""
    return [wire.LineageEdge(input=node_message(edge.input), output=node_message(edge.output)) for edge in edges]


def audit_message(entry: AuditEntry) -> wire.AuditEntry:
    """Return the message of a change that somebody made."""
    message = wire.AuditEntry(id=entry.id, time=entry.time, actor=entry.actor, action=entry.action)
    if entry.node is not None:
        message.node.CopyFrom(node_message(entry.node))
    fill_document(message.details, entry.details)
    return message
