"""Files of runs. ModelDB's clients record a file under a key, ask where to send it, send it there, and say when all parts are there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from katib.access import Identity, Role
from katib.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from katib.rest.answers import answer, file_answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.asked import denied
from katib.rest.modeldb.failures import invalid
from katib.rest.modeldb.fields import whole_number
from katib.rest.modeldb.links import Link
from katib.rest.modeldb.records_found import run_at, writable
from katib.rest.run_files import RunFolder
from katib.store.artifacts.paths import artifact_path
from katib.store.tracking.records import ArtifactState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked, Memory
    from katib.rest.modeldb.fields import Fields
    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Artifact, Json

__all__ = [
    "commit",
    "commit_part",
    "committed_parts",
    "delete",
    "download",
    "get",
    "log",
    "record_of",
    "upload",
    "url_of",
]

_METHODS: Final = ("GET", "PUT")
_MOST_PARTS: Final = 10_000
_SAID: Final = ("path", "linked_artifact_id", "filename_extension", "serialization", "artifact_subtype")
_UPLOAD: Final = "upload"
_PARTS: Final = "parts"
"""Where in the metadata of a file the upload in parts is that makes it."""


@dataclass(frozen=True, slots=True)
class _NewArtifact:
    """A file as a client records it, before it sends it."""

    key: str
    type: str
    link: str
    metadata: Mapping[str, Json] = field(default_factory=dict)

    def store(self, tracking: Tracking, run_id: str) -> None:
        """Record it; Conflict where the run has one of that key."""
        tracking.put_artifact(
            run_id,
            self.key,
            type=self.type,
            uri=self.link,
            state=ArtifactState.LINK if self.link else ArtifactState.PENDING,
            metadata=self.metadata,
            replace=False,
        )


def record_of(fields: Fields) -> _NewArtifact:
    """Return what a client says of a file."""
    path, path_only = fields.text("path"), fields.flag("path_only")
    if path_only and not path:
        raise invalid(f"{fields.path}path", "is required of an artifact that is only a path")
    said = {name: fields.text(name) for name in _SAID}
    return _NewArtifact(
        key=artifact_path(fields.required("key")),
        type=fields.one_of("artifact_type", messages.ARTIFACT_TYPES),
        link=path if path_only else "",
        metadata={name: text for name, text in said.items() if text},
    )


async def log(asked: Asked) -> Response:
    """Record files: all of them, or none."""
    run_id, fields = asked.id(), asked.fields
    one = fields.message("artifact")
    given = [record_of(message) for message in [*fields.messages("artifacts"), *([one] if one is not None else [])]]

    def change(tracking: Tracking) -> None:
        writable(tracking, run_id)
        for file in given:
            file.store(tracking, run_id)

    await asked.write(change)
    return answer({})


async def get(asked: Asked) -> Response:
    """Return the records of files: of one, or of all."""
    run_id, key = asked.id(), asked.fields.text("key")

    def look(tracking: Tracking) -> list[Artifact]:
        run_at(tracking, run_id)
        return [tracking.artifact(run_id, key)] if key else tracking.artifacts(run_id)

    found = await asked.read(look)
    return answer({"artifacts": [messages.artifact(file) for file in found]})


async def delete(asked: Asked) -> Response:
    """Remove a file and its record."""
    run_id, key = asked.id(), artifact_path(asked.fields.required("key"))
    run, found = await asked.read(lambda tracking: (run_at(tracking, run_id), tracking.artifact(run_id, key)))
    if found.state is ArtifactState.STORED:
        await asked.call.run_files.delete(asked.call, RunFolder(run.project_id, run.id), key)
    else:
        await asked.write(lambda tracking: tracking.delete_artifact(run_id, key))
    return answer({})


async def url_of(asked: Asked) -> Response:
    """Return where to send a file or a part of it, or where to fetch it."""
    run_id, key, fields = asked.id(), artifact_path(asked.fields.required("key")), asked.fields
    method = (fields.text("method") or "GET").upper()
    if method not in _METHODS:
        raise fields.wrong("method", "has to be GET or PUT")
    part = fields.integer("part_number", least=0, most=_MOST_PARTS) if method == "PUT" else 0
    if method == "PUT" and not await asked.call.may(Role.WRITE):
        raise denied(asked.call, Role.WRITE, asked.call.namespace)
    known = await asked.read(lambda tracking: _known(tracking, run_id, key))
    if method == "GET" and (known is None or known.state is not ArtifactState.STORED):
        raise NotFound(f"the artifact {key!r} was not uploaded")
    if known is not None and known.state is ArtifactState.LINK:
        raise Conflict(f"the artifact {key!r} is only a path; delete it first to upload a file of that key")
    if part:
        await _begin(asked, run_id, key)
    link = Link(method, asked.call.namespace, run_id, key, part, asked.call.identity.name)
    address = asked.memory.links.address(asked.call.base_url + _root(asked.call), link)
    return answer({"url": address, "fields": {}, "multipart_upload_ok": bool(part)})


def _root(call: Call) -> str:
    """Return the path below which the call found this API."""
    return call.request.url.path.removesuffix("/experiment-run/getUrlForArtifact")


def _known(tracking: Tracking, run_id: str, key: str) -> Artifact | None:
    run_at(tracking, run_id)
    try:
        return tracking.artifact(run_id, key)
    except NotFound:
        return None


async def _begin(asked: Asked, run_id: str, key: str) -> None:
    """Begin an upload in parts, if there is none yet; of two that begin it at once, the first one's is taken."""
    known = await asked.read(lambda tracking: (run_at(tracking, run_id), _known(tracking, run_id, key)))
    run, record = known
    if record is not None and record.metadata.get(_UPLOAD):
        return
    upload = await asked.call.run_files.begin(asked.call, RunFolder(run.project_id, run.id), key)

    def note(tracking: Tracking) -> str:
        writable(tracking, run_id)
        found = _known(tracking, run_id, key)
        metadata = {} if found is None else dict(found.metadata)
        metadata.setdefault(_UPLOAD, upload)
        _put_metadata(tracking, run_id, key, found, metadata)
        return str(metadata[_UPLOAD])

    if await asked.write(note) != upload:
        await asked.call.run_files.abort(upload)


def _put_metadata(
    tracking: Tracking, run_id: str, key: str, found: Artifact | None, metadata: Mapping[str, Json]
) -> None:
    if found is None:
        tracking.put_artifact(run_id, key, state=ArtifactState.PENDING, metadata=metadata)
        return
    tracking.put_artifact(
        run_id,
        key,
        type=found.type,
        uri=found.uri,
        state=found.state,
        size=found.size,
        sha256=found.sha256,
        content_type=found.content_type,
        metadata=metadata,
    )


async def commit_part(asked: Asked) -> Response:
    """Note that a part is there."""
    run_id, key = asked.id(), artifact_path(asked.fields.required("key"))
    part = asked.fields.required_message("artifact_part")
    number, etag = part.integer("part_number", least=1, most=_MOST_PARTS), part.required("etag").strip('"')

    def note(tracking: Tracking) -> None:
        writable(tracking, run_id)
        found = tracking.artifact(run_id, key)
        metadata = dict(found.metadata)
        if not metadata.get(_UPLOAD):
            raise Conflict(f"no upload in parts of {key!r} has begun; ask for the address of a part first")
        metadata[_PARTS] = {**_parts(found), str(number): etag}
        _put_metadata(tracking, run_id, key, found, metadata)

    await asked.write(note)
    return answer({})


def _parts(found: Artifact) -> dict[str, str]:
    known = found.metadata.get(_PARTS)
    return {str(number): str(etag) for number, etag in known.items()} if isinstance(known, dict) else {}


async def committed_parts(asked: Asked) -> Response:
    """Return the parts that are there."""
    run_id, key = asked.id(), artifact_path(asked.fields.required("key"))

    def look(tracking: Tracking) -> Artifact:
        run_at(tracking, run_id)
        return tracking.artifact(run_id, key)

    parts = _parts(await asked.read(look))
    found = [{"part_number": number, "etag": parts[number]} for number in sorted(parts, key=int)]
    return answer({"artifact_parts": found})


async def commit(asked: Asked) -> Response:
    """Make a file of its parts; of none, an empty one. Again, it changes nothing."""
    run_id, key = asked.id(), artifact_path(asked.fields.required("key"))
    run, found = await asked.read(lambda tracking: (run_at(tracking, run_id), tracking.artifact(run_id, key)))
    folder, upload, parts = RunFolder(run.project_id, run.id), found.metadata.get(_UPLOAD), _parts(found)
    if not upload and found.state is ArtifactState.STORED:
        return answer({})
    if not upload:
        raise Conflict(f"no upload in parts of {key!r} has begun; ask for the address of a part first")
    files, said = asked.call.run_files, _said_of(found)
    if parts:
        numbered = [(int(number), parts[number]) for number in sorted(parts, key=int)]
        await files.commit(asked.call, folder, key, str(upload), numbered, type=found.type, metadata=said)
    else:
        await files.put(asked.call, folder, key, _nothing(), type=found.type, metadata=said)
        await files.abort(str(upload))
    return answer({})


def _said_of(found: Artifact) -> dict[str, Json]:
    """Return what a client said of a file, without what we keep of its upload."""
    return {name: value for name, value in found.metadata.items() if name not in {_UPLOAD, _PARTS}}


async def _nothing() -> AsyncIterator[bytes]:
    empty: tuple[bytes, ...] = ()
    for piece in empty:
        yield piece


async def upload(call: Call, memory: Memory) -> Response:
    """Take a file, or a part of one."""
    call, link = await _allowed(call, memory, Role.WRITE)

    def look(tracking: Tracking) -> tuple[RunFolder, Artifact | None]:
        run = run_at(tracking, link.run_id)
        return RunFolder(run.project_id, run.id), _known(tracking, link.run_id, link.path)

    folder, found = await call.read(look)
    if link.part:
        begun = None if found is None else found.metadata.get(_UPLOAD)
        if not begun:
            raise Conflict(f"no upload in parts of {link.path!r} goes on; ask for another address")
        sha256 = await call.run_files.put_part(str(begun), link.part, call.pieces())
    else:
        content_type = call.request.headers.get("content-type")
        stored = await call.run_files.put(
            call,
            folder,
            link.path,
            call.pieces(),
            content_type=content_type,
            type="" if found is None else found.type,
            metadata={} if found is None else _said_of(found),
        )
        sha256 = stored.sha256 or ""
    return answer({}, headers={"ETag": f'"{sha256}"'})


async def download(call: Call, memory: Memory) -> Response:
    """Give a file."""
    call, link = await _allowed(call, memory, Role.READ)
    run = await call.read(lambda tracking: run_at(tracking, link.run_id))
    reader, pieces = await call.run_files.open(call, RunFolder(run.project_id, run.id), link.path)
    return file_answer(reader, link.path, pieces, patience=call.patience.piece)


async def _allowed(call: Call, memory: Memory, role: Role) -> tuple[Call, Link]:
    """Return a call as one of the namespace its address says, and what the address is for.

    Raises:
        Unauthenticated: The seal is not ours or too old, and there is no token beside it.
        Denied: The token does not allow it.
    """
    query = call.query
    part = whole_number(query.get("part_number", "0"))
    if part is None or not 0 <= part <= _MOST_PARTS:
        raise InvalidInput(f"part_number has to be 1 to {_MOST_PARTS}")
    namespace, caller = query.get("namespace") or call.namespace, query.get("caller", "")
    path = artifact_path(call.path["path"])
    link = Link(call.request.method, namespace, call.path["run_id"], path, part, caller)
    if memory.links.is_mine(link, query):
        return replace(call, identity=Identity(caller, {namespace: role}), namespace=namespace), link
    if not await call.may(role, namespace):
        raise Unauthenticated(
            "the address is too old, or this server did not give it; ask for another one, or send a token"
        )
    return replace(call, namespace=namespace), link
