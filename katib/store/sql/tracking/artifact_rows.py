"""Records of artifacts: which files a run has and where; the files are ``katib.store.artifacts``'. In the caller's transaction."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, or_, select, update

from katib.errors import Conflict, InvalidInput, NotFound, Problem
from katib.store.artifacts.paths import artifact_path
from katib.store.sql.documents import load
from katib.store.sql.key_lists import among_keys
from katib.store.sql.keys import digest_of
from katib.store.sql.schema import trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.fact_rows import mark_changed
from katib.store.sql.tracking.given_values import json_texts, whole_number
from katib.store.sql.tracking.lineage_rows import add_edges
from katib.store.sql.tracking.scope import chunks, lock_run, refuse_deleted, run_key, short
from katib.store.sql.tracking_tables import artifacts, lineage
from katib.store.sql.values import micros, moment
from katib.store.tracking.records import Artifact, ArtifactState, Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import RunKey, Scope
    from katib.store.tracking.records import Json

__all__ = ["artifacts_of", "delete_artifact", "list_artifacts", "put_artifact", "read_artifact"]

_SHA256: Final = re.compile("[0-9a-f]{64}")

_columns = artifacts.c
_OF_PATH = (_columns.trial_id == bindparam("run")) & (_columns.digest == bindparam("of_digest"))
_READ = select(
    _columns.trial_id,
    _columns.id,
    trials.c.uid,
    _columns.uid,
    _columns.path,
    _columns.type,
    _columns.uri,
    _columns.state,
    _columns.size,
    _columns.sha256,
    _columns.content_type,
    _columns.metadata,
    _columns.created,
).join(trials)
_READ_ONE = _READ.where(_OF_PATH)
_READ_ALL = _READ.where(among_keys(_columns.trial_id, "runs"))
_INSERT = insert(artifacts)
_UPDATE = (
    update(artifacts)
    .where(_columns.id == bindparam("key"))
    .values(
        {
            column.name: bindparam(f"new_{column.name}")
            for column in (
                _columns.type,
                _columns.uri,
                _columns.state,
                _columns.size,
                _columns.sha256,
                _columns.content_type,
                _columns.metadata,
            )
        }
    )
)
_DELETE = delete(artifacts).where(_columns.id == bindparam("key"))
_KIND: Final = NodeKind.ARTIFACT.value
_DELETE_EDGES = delete(lineage).where(
    or_(
        (lineage.c.input_kind == _KIND) & (lineage.c.input_id == bindparam("key")),
        (lineage.c.output_kind == _KIND) & (lineage.c.output_id == bindparam("key")),
    )
)


def put_artifact(
    connection: Connection,
    scope: Scope,
    run_id: str,
    path: str,
    *,
    type: str = "",  # noqa: A002 - the protocol's name
    uri: str = "",
    state: ArtifactState,
    size: int | None = None,
    sha256: str | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, Json] | None = None,
    replace: bool = True,
) -> Artifact:
    """Insert the record of a file, which makes it an output of the run, or replace the one of that path.

    Raises:
        Conflict: It is there, and not to be replaced; or the run is deleted.
    """
    path = artifact_path(path)
    row = {
        "type": short("type", type, required=False),
        "uri": storable(uri),
        "state": state.value,
        "size": whole_number("size", size),
        "sha256": _checked_sha256(sha256),
        "content_type": None if content_type is None else short("content_type", content_type, required=False),
        "metadata": json_texts("metadata", metadata),
    }
    if state is ArtifactState.LINK and not uri:
        raise InvalidInput([Problem("uri", "is required of a link")])
    run = lock_run(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    known = _find(connection, run, path)
    if known is None:
        node = Node(NodeKind.ARTIFACT, uuid.uuid4().hex)
        _insert(connection, scope, run, {"uid": node.id, "path": path, **row})
        action = "create"
    elif not replace:
        raise Conflict(f"the run has an artifact {path!r} already")
    else:
        if _as_given(known) == row:
            return _artifact(known)
        connection.execute(_UPDATE, {"key": known.id, **{f"new_{name}": value for name, value in row.items()}})
        node = Node(NodeKind.ARTIFACT, _artifact(known).id)
        action = "update"
    record_change(connection, scope, action, node, run=run.id, path=path, state=state.value)
    mark_changed(connection, run.key)
    return _artifact(_find(connection, run, path))


def _checked_sha256(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    if not _SHA256.fullmatch(sha256.lower()):
        raise InvalidInput([Problem("sha256", "has 64 hexadecimal digits", sha256)])
    return sha256.lower()


def _find(connection: Connection, run: RunKey, path: str) -> Any:
    return connection.execute(_READ_ONE, {"run": run.key, "of_digest": digest_of(path)}).first()


def _insert(connection: Connection, scope: Scope, run: RunKey, row: dict[str, Any]) -> None:
    row |= {"trial_id": run.key, "digest": digest_of(row["path"]), "created": micros(datetime.now(UTC))}
    inserted = connection.execute(_INSERT, row).inserted_primary_key
    key = int(inserted[0]) if inserted else 0
    # Nothing was made from a new artifact yet, so no circle can close.
    add_edges(connection, scope, [((NodeKind.RUN.value, run.key), (_KIND, key))], fresh=True)


def _as_given(row: Any) -> dict[str, Any]:
    """Return what a caller said of a stored artifact."""
    names = ("type", "uri", "state", "size", "sha256", "content_type", "metadata")
    return {name: getattr(row, name) for name in names}


def _artifact(row: Any) -> Artifact:
    _, _, run_id, uid, path, kind, uri, state, size, sha256, content_type, metadata, created = row
    return Artifact(
        id=uid,
        run_id=run_id,
        path=path,
        type=kind,
        uri=uri,
        state=ArtifactState(state),
        size=size,
        sha256=sha256,
        content_type=content_type,
        metadata=load(metadata),
        created=moment(created),
    )


def read_artifact(connection: Connection, scope: Scope, run_id: str, path: str) -> Artifact:
    """Return the record of a file, or raise NotFound."""
    return _artifact(_existing(connection, run_key(connection, scope, run_id), path))


def _existing(connection: Connection, run: RunKey, path: str) -> Any:
    path = artifact_path(path)
    row = _find(connection, run, path)
    if row is None:
        raise NotFound(f"the run has no artifact {path!r}")
    return row


def list_artifacts(connection: Connection, scope: Scope, run_id: str) -> list[Artifact]:
    """Return the files of a run, by path."""
    key = run_key(connection, scope, run_id).key
    return list(artifacts_of(connection, [key]).get(key, ()))


def delete_artifact(connection: Connection, scope: Scope, run_id: str, path: str) -> None:
    """Delete the record of a file and what was made from what with it, or raise NotFound."""
    run = lock_run(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    row = _existing(connection, run, path)
    connection.execute(_DELETE, {"key": row.id})  # first: who adds an edge of it holds its row until the edge is there
    connection.execute(_DELETE_EDGES, {"key": row.id})
    found = _artifact(row)
    record_change(connection, scope, "delete", Node(NodeKind.ARTIFACT, found.id), run=run.id, path=found.path)
    mark_changed(connection, run.key)


def artifacts_of(connection: Connection, run_keys: Sequence[int]) -> dict[int, tuple[Artifact, ...]]:
    """Return the files of runs by key, those of each by path; who has none is absent."""
    found: dict[int, list[Artifact]] = {}
    for some in chunks(run_keys):
        for row in connection.execute(_READ_ALL, {"runs": some}).all():
            found.setdefault(row[0], []).append(_artifact(row))
    return {run: tuple(sorted(files, key=lambda file: file.path)) for run, files in found.items()}
