"""Files of runs, over MLflow's proxy for them: streamed, and a file is there as a whole or not at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from katib.errors import RemoteFault, Unsupported
from katib.rest.mlflow.fields import Fields
from katib.rpc.run_files import RunFolder
from katib.store.artifacts.paths import artifact_path
from katib.store.tracking.records import ArtifactState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.rest.mlflow_copy.copied import Copied
    from katib.rest.mlflow_copy.server import MlflowServer
    from katib.store.artifacts import ArtifactStore
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run

__all__ = ["fetch_files", "send_files"]

_PROXIED: Final = "mlflow-artifacts"
_SHA256: Final = re.compile(r'"([0-9a-f]{64})"')
_MOST_FILES: Final = 1_000_000


class _RemoteFile(NamedTuple):
    path: str
    size: int | None


def fetch_files(server: MlflowServer, tracking: Tracking, artifacts: ArtifactStore, run: Run, copied: Copied) -> None:
    """Bring the files of a run here; those that are here with the same size are left alone.

    Raises:
        RemoteFault: A file is not as long as the server says, or does not have the sha256 that it says.
    """
    there = {record.path: record for record in tracking.artifacts(run.id)}
    folder = RunFolder(run.project_id, run.id)
    root, found = _listed(server, run.id)
    for file in found:
        known = there.get(file.path)
        if known is not None and known.state is ArtifactState.STORED and known.size == file.size:
            continue
        with server.download(_address(root, run.id, file.path)) as (response, pieces):
            tagged = _SHA256.fullmatch(response.getheader("ETag") or "")
            info = artifacts.put(
                folder.path(file.path),
                _whole(file, pieces),
                content_type=response.getheader("Content-Type"),
                expected_sha256=tagged[1] if tagged else None,
            )
        tracking.put_artifact(
            run.id,
            file.path,
            uri=f"{_PROXIED}:/{info.path}",
            state=ArtifactState.STORED,
            size=info.size,
            sha256=info.sha256,
            content_type=info.content_type,
        )
        copied.files += 1
        copied.size += info.size


def send_files(server: MlflowServer, artifacts: ArtifactStore, run: Run, target: str, copied: Copied) -> None:
    """Send the files of a run there; those that are there with the same size are left alone.

    Args:
        server: Which has the run already.
        artifacts: Where ours are.
        run: With its artifacts.
        target: The run's id there.
        copied: Counts.

    Raises:
        Unsupported: Files of that run are in a place of its own, which only those reach who know it.
    """
    ours = [record for record in run.artifacts if record.state is ArtifactState.STORED]
    if not ours:
        return
    root, found = _listed(server, target)
    parts = urlsplit(root)
    if parts.scheme != _PROXIED:
        raise Unsupported(f"{server.name} keeps the files of this run at {root}, and takes none for it")
    there = {file.path: file.size for file in found}
    folder = RunFolder(run.project_id, run.id)
    for record in ours:
        if there.get(record.path, -1) == record.size:
            continue
        with artifacts.open(folder.path(record.path)) as reader:
            path = f"mlflow-artifacts/artifacts/{parts.path.strip('/')}/{record.path}"
            server.upload(path, iter(reader), reader.size, record.content_type)
            copied.size += reader.size
        copied.files += 1


def _listed(server: MlflowServer, run_id: str) -> tuple[str, list[_RemoteFile]]:
    """Return the root of a run's files, and all of them."""
    root = ""
    found: list[_RemoteFile] = []
    waiting: list[str] = [""]
    while waiting:
        folder = waiting.pop()
        token: str | None = None
        while True:
            fields = Fields(
                server.get("mlflow/artifacts/list", run_id=run_id, path=folder or None, page_token=token or None)
            )
            root = fields.text("root_uri") or root
            for entry in fields.messages("files"):
                path = artifact_path(entry.required("path"))
                if folder and not path.startswith(f"{folder}/"):
                    raise RemoteFault(f"{server.name} lists {path!r} in the folder {folder!r}")
                if entry.document.get("is_dir") is True:
                    waiting.append(path)
                else:
                    found.append(_RemoteFile(path, entry.integer("file_size", least=0)))
            following = fields.text("next_page_token") or None
            if following is None or following == token:
                break
            token = following
        if len(found) + len(waiting) > _MOST_FILES:
            raise RemoteFault(f"{server.name} lists more than {_MOST_FILES:,} files of the run")
    return root, found


def _address(root: str, run_id: str, path: str) -> str:
    """Return where a file is read."""
    parts = urlsplit(root)
    if parts.scheme == _PROXIED:
        return "/api/2.0/mlflow-artifacts/artifacts/" + quote(f"{parts.path.strip('/')}/{path}")
    # The server reads it for us, wherever it is.
    return f"/get-artifact?{urlencode({'path': path, 'run_uuid': run_id})}"


def _whole(file: _RemoteFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a file, and raise at its end where it is not as long as was said."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if file.size is not None and size > file.size:
            break
        yield piece
    if file.size is not None and size != file.size:
        what = f"more than {file.size:,}" if size > file.size else f"{size:,} of {file.size:,}"
        raise RemoteFault(f"the file {file.path!r} came with {what} bytes: it changed meanwhile, or was cut off")
