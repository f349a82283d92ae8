"""Calls of the store's API about what belongs to runs (datasets, records of artifacts, comments, lineage), and the end of things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.rpc import store_v1 as wire
from katib.rpc.tracking_messages import (
    artifact_message,
    audit_message,
    comment_message,
    dataset_message,
    dataset_version_message,
    edge_messages,
    node_message,
)
from katib.rpc.tracking_methods import administers, reads, writes
from katib.rpc.tracking_requests import (
    LIFE_KINDS,
    LINEAGE_KINDS,
    at_most,
    check_keys,
    node_of,
    page_size,
    read_edges,
    read_facts,
    required,
)
from katib.rpc.tracking_values import ARTIFACT_STATES, read_document, read_value

if TYPE_CHECKING:
    from katib.rpc.tracking_methods import Answer
    from katib.store.tracking.protocol import Tracking

__all__ = ["METHODS"]

_DEEPEST: Final = 1_000_000
_MOST_EDGES: Final = 10_000
_MOST_NODES: Final = 100


def _create_dataset(request: wire.CreateDatasetRequest) -> Answer:
    required(request, "project_id", "name")
    facts = read_facts(request)
    return lambda tracking: dataset_message(
        tracking.create_dataset(
            request.project_id,
            request.name,
            dataset_id=request.dataset_id or None,
            description=request.description,
            facts=facts,
        )
    )


def _get_dataset(request: wire.GetDatasetRequest) -> Answer:
    required(request, "dataset_id")
    return lambda tracking: dataset_message(tracking.dataset(request.dataset_id))


def _list_datasets(request: wire.ListDatasetsRequest) -> Answer:
    required(request, "project_id")
    return lambda tracking: wire.ListDatasetsResponse(
        datasets=map(dataset_message, tracking.datasets(request.project_id))
    )


def _add_dataset_version(request: wire.AddDatasetVersionRequest) -> Answer:
    required(request, "project_id", "name", "digest")
    schema = read_value(request.schema) if request.HasField("schema") else None
    profile = read_value(request.profile) if request.HasField("profile") else None
    return lambda tracking: dataset_version_message(
        tracking.add_dataset_version(
            request.project_id,
            request.name,
            request.digest,
            uri=request.uri,
            source_type=request.source_type,
            size=request.size if request.HasField("size") else None,
            rows=request.rows if request.HasField("rows") else None,
            schema=schema,
            profile=profile,
            parent_id=request.parent_id or None,
        )
    )


def _get_dataset_version(request: wire.GetDatasetVersionRequest) -> Answer:
    required(request, "version_id")
    return lambda tracking: dataset_version_message(tracking.dataset_version(request.version_id))


def _list_dataset_versions(request: wire.ListDatasetVersionsRequest) -> Answer:
    required(request, "dataset_id")
    return lambda tracking: wire.ListDatasetVersionsResponse(
        versions=map(dataset_version_message, tracking.dataset_versions(request.dataset_id))
    )


def _use_dataset(request: wire.UseDatasetRequest) -> Answer:
    required(request, "run_id", "version_id")

    def answer(tracking: Tracking) -> wire.UseDatasetResponse:
        tracking.use_dataset(request.run_id, request.version_id, role=request.role, tags=dict(request.tags))
        return wire.UseDatasetResponse()

    return answer


def _put_artifact(request: wire.PutArtifactRequest) -> Answer:
    required(request, "run_id", "path")
    state = ARTIFACT_STATES.read(request.state, "state")
    metadata = read_document(request, "metadata")
    return lambda tracking: artifact_message(
        tracking.put_artifact(
            request.run_id,
            request.path,
            type=request.type,
            uri=request.uri,
            state=state,
            size=request.size if request.HasField("size") else None,
            sha256=request.sha256 or None,
            content_type=request.content_type or None,
            metadata=metadata,
            replace=not request.if_absent,
        )
    )


def _get_artifact(request: wire.GetArtifactRequest) -> Answer:
    required(request, "run_id", "path")
    return lambda tracking: artifact_message(tracking.artifact(request.run_id, request.path))


def _list_artifacts(request: wire.ListArtifactsRequest) -> Answer:
    required(request, "run_id")
    return lambda tracking: wire.ListArtifactsResponse(
        artifacts=map(artifact_message, tracking.artifacts(request.run_id))
    )


def _add_comment(request: wire.AddCommentRequest) -> Answer:
    required(request, "run_id", "text")
    return lambda tracking: comment_message(
        tracking.add_comment(request.run_id, request.text, comment_id=request.comment_id or None)
    )


def _edit_comment(request: wire.EditCommentRequest) -> Answer:
    required(request, "comment_id", "text")
    return lambda tracking: comment_message(tracking.edit_comment(request.comment_id, request.text))


def _delete_comment(request: wire.DeleteCommentRequest) -> Answer:
    required(request, "comment_id")

    def answer(tracking: Tracking) -> wire.DeleteCommentResponse:
        tracking.delete_comment(request.comment_id)
        return wire.DeleteCommentResponse()

    return answer


def _list_comments(request: wire.ListCommentsRequest) -> Answer:
    required(request, "run_id")
    return lambda tracking: wire.ListCommentsResponse(comments=map(comment_message, tracking.comments(request.run_id)))


def _add_lineage(request: wire.AddLineageRequest) -> Answer:
    check_keys("edges", request.edges, _MOST_EDGES)
    edges = read_edges(request.edges)

    def answer(tracking: Tracking) -> wire.AddLineageResponse:
        tracking.add_lineage(edges)
        return wire.AddLineageResponse()

    return answer


def _delete_lineage(request: wire.DeleteLineageRequest) -> Answer:
    check_keys("edges", request.edges, _MOST_EDGES)
    edges = read_edges(request.edges)

    def answer(tracking: Tracking) -> wire.DeleteLineageResponse:
        tracking.delete_lineage(edges)
        return wire.DeleteLineageResponse()

    return answer


def _depth(request: wire.ListUpstreamRequest | wire.ListDownstreamRequest) -> int | None:
    return at_most("depth", request.depth, _DEEPEST, _DEEPEST) if request.HasField("depth") else None


def _list_upstream(request: wire.ListUpstreamRequest) -> Answer:
    node, depth = node_of(request.node, LINEAGE_KINDS), _depth(request)
    return lambda tracking: wire.ListUpstreamResponse(edges=edge_messages(tracking.upstream(node, depth=depth)))


def _list_downstream(request: wire.ListDownstreamRequest) -> Answer:
    node, depth = node_of(request.node, LINEAGE_KINDS), _depth(request)
    return lambda tracking: wire.ListDownstreamResponse(edges=edge_messages(tracking.downstream(node, depth=depth)))


def _list_common_ancestors(request: wire.ListCommonAncestorsRequest) -> Answer:
    check_keys("nodes", request.nodes, _MOST_NODES)
    nodes = [node_of(node, LINEAGE_KINDS, field=f"nodes[{number}]") for number, node in enumerate(request.nodes)]
    if not nodes:
        required(request, "nodes")
    return lambda tracking: wire.ListCommonAncestorsResponse(nodes=map(node_message, tracking.common_ancestors(nodes)))


def _delete(request: wire.DeleteRequest) -> Answer:
    node = node_of(request.node, LIFE_KINDS)

    def answer(tracking: Tracking) -> wire.DeleteResponse:
        tracking.delete(node)
        return wire.DeleteResponse()

    return answer


def _restore(request: wire.RestoreRequest) -> Answer:
    node = node_of(request.node, LIFE_KINDS)

    def answer(tracking: Tracking) -> wire.RestoreResponse:
        tracking.restore(node)
        return wire.RestoreResponse()

    return answer


def _list_audit_entries(request: wire.ListAuditEntriesRequest) -> Answer:
    node = node_of(request.node) if request.HasField("node") else None
    limit = page_size(request)

    def answer(tracking: Tracking) -> wire.ListAuditEntriesResponse:
        found = tracking.audit(node=node, after_id=request.after_id, limit=limit + 1)
        return wire.ListAuditEntriesResponse(entries=map(audit_message, found[:limit]), more=len(found) > limit)

    return answer


METHODS: Final = {
    "CreateDataset": writes(wire.CreateDatasetRequest, _create_dataset),
    "GetDataset": reads(wire.GetDatasetRequest, _get_dataset),
    "ListDatasets": reads(wire.ListDatasetsRequest, _list_datasets),
    "AddDatasetVersion": writes(wire.AddDatasetVersionRequest, _add_dataset_version),
    "GetDatasetVersion": reads(wire.GetDatasetVersionRequest, _get_dataset_version),
    "ListDatasetVersions": reads(wire.ListDatasetVersionsRequest, _list_dataset_versions),
    "UseDataset": writes(wire.UseDatasetRequest, _use_dataset),
    "PutArtifact": writes(wire.PutArtifactRequest, _put_artifact),
    "GetArtifact": reads(wire.GetArtifactRequest, _get_artifact),
    "ListArtifacts": reads(wire.ListArtifactsRequest, _list_artifacts),
    "AddComment": writes(wire.AddCommentRequest, _add_comment),
    "EditComment": writes(wire.EditCommentRequest, _edit_comment),
    "DeleteComment": writes(wire.DeleteCommentRequest, _delete_comment),
    "ListComments": reads(wire.ListCommentsRequest, _list_comments),
    "AddLineage": writes(wire.AddLineageRequest, _add_lineage),
    "DeleteLineage": writes(wire.DeleteLineageRequest, _delete_lineage),
    "ListUpstream": reads(wire.ListUpstreamRequest, _list_upstream),
    "ListDownstream": reads(wire.ListDownstreamRequest, _list_downstream),
    "ListCommonAncestors": reads(wire.ListCommonAncestorsRequest, _list_common_ancestors),
    "Delete": writes(wire.DeleteRequest, _delete),
    "Restore": writes(wire.RestoreRequest, _restore),
    "ListAuditEntries": administers(wire.ListAuditEntriesRequest, _list_audit_entries),
}
"""By name."""
