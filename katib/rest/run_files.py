"""Files of runs: content in the store of artifacts, a record of each in the tracking store, written in this order.

What has no record was not acknowledged. A file is at ``<project id>/<run id>/artifacts/<path>``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from katib.errors import Conflict, InvalidInput, NotFound, Unsupported
from katib.store.artifacts.paths import artifact_path
from katib.store.tracking.records import ArtifactState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from katib.rest.operations import Call
    from katib.rest.transfers import Transfers
    from katib.store.artifacts import ArtifactInfo, ArtifactReader, ArtifactStore
    from katib.store.tracking.records import Artifact, Run

__all__ = ["RunFiles", "RunFolder"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the files of one run are."""

    project_id: str
    run_id: str

    def path(self, path: str) -> str:
        """Return where a file of the run is in the store of artifacts."""
        return f"{self.project_id}/{self.run_id}/artifacts/{path}"


class RunFiles:
    """Stores and reads files of runs for one call at a time.

    Args:
        artifacts: None where the server has no place for files.
    """

    def __init__(self, artifacts: ArtifactStore | None, transfers: Transfers) -> None:
        self._artifacts = artifacts
        self._transfers = transfers

    @property
    def artifacts(self) -> ArtifactStore:
        """The place.

        Raises:
            Unsupported: There is none.
        """
        if self._artifacts is None:
            raise Unsupported("this server keeps no files: start it with --artifacts")
        return self._artifacts

    async def put(
        self,
        call: Call,
        folder: RunFolder,
        path: str,
        pieces: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        type: str = "",  # noqa: A002 - the record's word
        expected_sha256: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Artifact:
        """Store a file that is there as a whole or not at all, and record it.

        Raises:
            NotFound: The namespace has no such run.
            Conflict: It is deleted.
        """
        await self.check(call, folder, writing=True)
        checked = artifact_path(path)
        artifacts, target = self.artifacts, folder.path(checked)
        info = await self._transfers.taking(
            lambda source: artifacts.put(target, source, content_type=content_type, expected_sha256=expected_sha256),
            pieces,
        )
        record = await self._record(call, folder, checked, info, type=type, metadata=metadata)
        return await self._settled(call, folder, checked, info, record)

    async def open(self, call: Call, folder: RunFolder, path: str) -> tuple[ArtifactReader, AsyncIterator[bytes]]:
        """Return an open file and its pieces.

        Raises:
            NotFound: There is none.
        """
        await self.check(call, folder)
        artifacts, target = self.artifacts, folder.path(artifact_path(path))
        reader = await self._transfers.call(lambda: artifacts.open(target))
        return reader, self._transfers.giving(reader)

    async def delete(self, call: Call, folder: RunFolder, path: str) -> int:
        """Remove a file, or all below a folder, empty for the run's; return how many were recorded."""
        await self.check(call, folder, writing=True)
        checked = artifact_path(path) if path else ""
        artifacts = self.artifacts
        gone = [
            record.path
            for record in await call.read(lambda tracking: tracking.artifacts(folder.run_id))
            if not checked or record.path == checked or record.path.startswith(f"{checked}/")
        ]
        # The records go last: killed in between, the call is made again and finds what is left.
        target = folder.path(checked).removesuffix("/")
        await self._transfers.call(lambda: artifacts.delete_all(target))

        def forget(tracking: Any) -> None:
            for name in gone:
                tracking.delete_artifact(folder.run_id, name)

        await call.write(forget)
        return len(gone)

    async def begin(self, call: Call, folder: RunFolder, path: str, *, content_type: str | None = None) -> str:
        """Begin an upload in parts and return its id."""
        await self.check(call, folder, writing=True)
        artifacts, target = self.artifacts, folder.path(artifact_path(path))
        return await self._transfers.call(lambda: artifacts.begin(target, content_type=content_type))

    async def put_part(self, upload: str, number: int, pieces: AsyncIterator[bytes]) -> str:
        """Store a part of an upload and return its sha256."""
        artifacts = self.artifacts
        part = await self._transfers.taking(lambda source: artifacts.put_part(upload, number, source), pieces)
        return part.sha256

    async def commit(
        self,
        call: Call,
        folder: RunFolder,
        path: str,
        upload: str,
        parts: list[tuple[int, str]],
        *,
        type: str = "",  # noqa: A002 - the record's word
        metadata: dict[str, Any] | None = None,
    ) -> Artifact:
        """Make a file of the parts of an upload, and record it."""
        await self.check(call, folder, writing=True)
        checked = artifact_path(path)
        artifacts = self.artifacts
        info = await self._transfers.call(lambda: artifacts.commit(upload, parts))
        if info.path != folder.path(checked):
            raise InvalidInput(f"the upload {upload} is one of another file")
        record = await self._record(call, folder, checked, info, type=type, metadata=metadata)
        return await self._settled(call, folder, checked, info, record)

    async def abort(self, upload: str) -> None:
        """Give an upload up."""
        artifacts = self.artifacts
        await self._transfers.call(lambda: artifacts.abort(upload))

    async def check(self, call: Call, folder: RunFolder, *, writing: bool = False) -> Run:
        """Return the run that a folder is of.

        Raises:
            NotFound: The namespace has none.
            Conflict: It is deleted, and to be written to.
        """
        run = await call.read(lambda tracking: tracking.run(folder.run_id, frozenset()))
        if run.project_id != folder.project_id:
            raise NotFound(f"the project {folder.project_id[:64]!r} has no run {folder.run_id[:64]!r}")
        if writing and run.deleted is not None:
            raise Conflict(f"the run {run.id} is deleted; restore it first")
        return run

    async def _settled(
        self, call: Call, folder: RunFolder, path: str, written: ArtifactInfo, record: Artifact
    ) -> Artifact:
        """Return the record, made again if somebody has replaced the file between writing and recording it."""
        artifacts, target = self.artifacts, folder.path(path)
        try:
            there = await self._transfers.call(lambda: artifacts.info(target))
        except NotFound:
            return record
        if there.sha256 in {None, written.sha256} and there.size == written.size:
            return record
        return await self._record(call, folder, path, there, type=record.type, metadata=dict(record.metadata))

    async def _record(
        self,
        call: Call,
        folder: RunFolder,
        path: str,
        info: ArtifactInfo,
        *,
        type: str = "",  # noqa: A002
        metadata: dict[str, Any] | None = None,
    ) -> Artifact:
        return await call.write(
            lambda tracking: tracking.put_artifact(
                folder.run_id,
                path,
                type=type,
                uri=f"mlflow-artifacts:/{info.path}",
                state=ArtifactState.STORED,
                size=info.size,
                sha256=info.sha256,
                content_type=info.content_type,
                metadata=metadata,
            )
        )
