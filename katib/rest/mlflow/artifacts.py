"""Files of runs, by MLflow's proxy for them: the client sends them here, and the server knows their sha256 and size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.rest.answers import answer, file_answer
from katib.rest.mlflow.failures import does_not_exist, invalid
from katib.rest.mlflow.fields import Fields, body_fields, query_fields
from katib.rest.mlflow.runs import run_at, run_id_of
from katib.rest.run_files import RunFolder
from katib.store.artifacts.paths import artifact_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Artifact

__all__ = ["abort", "begin", "commit", "delete", "download", "list_folder", "list_of_run", "put_part", "upload"]

_PLACE: Final = re.compile(r"/*([^/]+)/([^/]+)/artifacts(?:/+(.*?))?/*", re.DOTALL)
_MOST_PARTS: Final = 10_000
_CARRIED: Final = ("authorization", "x-mlflow-workspace")


@dataclass(frozen=True, slots=True)
class _Place:
    folder: RunFolder
    path: str


async def upload(call: Call) -> Response:
    """Store a file."""
    place = _place(call.path["path"], of_file=True)
    content_type = call.request.headers.get("content-type")
    await call.run_files.put(call, place.folder, place.path, call.pieces(), content_type=content_type)
    return answer({})


async def download(call: Call) -> Response:
    """Return a file."""
    place = _place(call.path["path"], of_file=True)
    reader, pieces = await call.run_files.open(call, place.folder, place.path)
    return file_answer(reader, place.path, pieces, patience=call.patience.piece)


async def delete(call: Call) -> Response:
    """Remove a file, or a folder with all below it."""
    place = _place(call.path["path"])
    await call.run_files.delete(call, place.folder, place.path)
    return answer({})


async def list_folder(call: Call) -> Response:
    """Return what is in a folder, by the names there."""
    text = query_fields(call).text("path")
    if not text:
        raise invalid("path has to name the files of a run: <experiment>/<run>/artifacts")
    place = _place(text)

    def look(tracking: Tracking) -> list[Artifact]:
        run = run_at(tracking, place.folder.run_id)
        return tracking.artifacts(run.id) if run.project_id == place.folder.project_id else []

    entries = _entries(await call.read(look), place.path)
    # A client knows by this that what it asked for is a file and no folder.
    names = [{**entry, "path": entry["path"].rpartition("/")[2]} for entry in entries]
    return answer({"files": names})


async def list_of_run(call: Call) -> Response:
    """Return what is in a folder of a run, by their paths."""
    fields = query_fields(call)
    run_id, path = run_id_of(fields), fields.text("path") or ""
    folder = artifact_path(path.strip("/")) if path.strip("/") else ""

    def look(tracking: Tracking) -> tuple[str, list[Artifact]]:
        run = run_at(tracking, run_id)
        return f"mlflow-artifacts:/{run.project_id}/{run.id}/artifacts", tracking.artifacts(run_id)

    root, records = await call.read(look)
    files = [entry for entry in _entries(records, folder) if entry["path"] != folder]
    return answer({"root_uri": root, "files": files})


async def begin(call: Call) -> Response:
    """Begin an upload in parts, and say where each is to be sent."""
    fields = await body_fields(call)
    place = _target(call, fields)
    count = fields.integer("num_parts", least=1, most=_MOST_PARTS) or 1
    upload_id = await call.run_files.begin(call, place.folder, place.path)
    # What the caller has shown already is what the parts have to be sent with.
    headers = {name: call.request.headers[name] for name in _CARRIED if name in call.request.headers}
    root = f"{call.base_url}/api/2.0/mlflow-artifacts/mpu/part"
    credentials = [
        {"url": f"{root}/{upload_id}/{number}", "part_number": number, "headers": headers}
        for number in range(1, count + 1)
    ]
    return answer({"upload_id": upload_id, "credentials": credentials})


async def put_part(call: Call) -> Response:
    """Store a part."""
    number = call.path["number"]
    if not (number.isascii() and number.isdigit() and len(number) <= 5):  # noqa: PLR2004 - at most 10,000
        raise invalid("the number of a part is 1 to 10,000")
    sha256 = await call.run_files.put_part(call.path["upload"], int(number), call.pieces())
    return answer({}, headers={"ETag": f'"{sha256}"'})


async def commit(call: Call) -> Response:
    """Make a file of its parts."""
    fields = await body_fields(call)
    place = _target(call, fields)
    parts = [
        (part.integer("part_number", least=1, most=_MOST_PARTS) or 0, part.required("etag").strip('"'))
        for part in fields.messages("parts")
    ]
    await call.run_files.commit(call, place.folder, place.path, fields.required("upload_id"), parts)
    return answer({})


async def abort(call: Call) -> Response:
    """Give an upload up."""
    fields = await body_fields(call)
    await call.run_files.check(call, _target(call, fields).folder, writing=True)
    await call.run_files.abort(fields.required("upload_id"))
    return answer({})


def _place(text: str, *, of_file: bool = False) -> _Place:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise does_not_exist(f"{text[:100]!r} is not below the files of a run: <experiment>/<run>/artifacts/<path>")
    path = found[3] or ""
    if of_file and not path:
        raise invalid(f"{text[:100]!r} is the folder of a run; name a file in it")
    return _Place(RunFolder(found[1], found[2]), artifact_path(path) if path else "")


def _target(call: Call, fields: Fields) -> _Place:
    """Return the file of an upload: its folder stands in the path, and its name is that of the client's own file."""
    name = fields.required("path").replace("\\", "/").rpartition("/")[2]
    return _place(f"{call.path['path'].rstrip('/')}/{name}", of_file=True)


def _entries(records: Iterable[Artifact], folder: str) -> list[dict[str, Any]]:
    """Return the files and folders that are in a folder; of a file, itself."""
    files: dict[str, dict[str, Any]] = {}
    folders: dict[str, dict[str, Any]] = {}
    prefix = f"{folder}/" if folder else ""
    for record in records:
        if record.path == folder or (record.path.startswith(prefix) and "/" not in record.path[len(prefix) :]):
            size = {} if record.size is None else {"file_size": record.size}
            files[record.path] = {"path": record.path, "is_dir": False, **size}
        elif record.path.startswith(prefix):
            path = prefix + record.path[len(prefix) :].split("/", 1)[0]
            folders[path] = {"path": path, "is_dir": True}
    return [entry for _, entry in sorted({**files, **folders}.items())]
