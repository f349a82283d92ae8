"""Files of runs, for every protocol: content in the store of artifacts, a record of each in the tracking store, written in this order.

What has no record was not acknowledged, is not listed and is not given. Several may write one path at once, here and in other replicas:
whoever has stored a file looks, once it is recorded, whether it is still the one that is there, and records it again if it is not. So the
last record is that of the last file, however they overtake each other. Who is killed between file and record leaves one that does not fit:
readers are told, and storing the file again mends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Never, Protocol, TypeVar

from katib.errors import Conflict, InvalidInput, NotFound, Unsupported
from katib.rpc.file_pieces import DamagedFile, FilePieces
from katib.rpc.transfers import Feed
from katib.store.artifacts.paths import artifact_path
from katib.store.tracking.records import ArtifactState, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from katib.rpc.transfers import Place, Transfers
    from katib.store.artifacts import ArtifactInfo, ArtifactReader, ArtifactStore
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Artifact, Json

__all__ = ["Records", "RunFiles", "RunFolder"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger(__name__)
_NO_PARTS: Final = frozenset[Any]()
_PAUSES: Final = (0.02, 0.1, 0.5)
"""Seconds in which a file that was just stored is recorded, where a reader comes between the two."""
_MOST_RECORDS: Final = 20
"""Of one file by one writer, while others replace it."""


class Records(Protocol):
    """The tracking store as one caller sees it."""

    async def read(self, function: Callable[[Tracking], T], /) -> T:
        """Return what a function reads of the caller's namespace."""

    async def write(self, function: Callable[[Tracking], T], /) -> T:
        """Return what a function returns, once what it wrote is durable; it may be called again."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the files of one run are."""

    project_id: str
    run_id: str

    def path(self, path: str) -> str:
        """Return where a file of the run is in the store of artifacts."""
        return f"{self.project_id}/{self.run_id}/artifacts/{path}"


@dataclass(frozen=True, slots=True)
class _Target:
    """One file of one run, and what is said of it."""

    run_id: str
    path: str
    key: str
    type: str = ""
    metadata: dict[str, Json] | None = None


class RunFiles:
    """Stores and reads files of runs.

    Methods take a run that was found already, or the folder of one that is still to be looked for.

    Args:
        artifacts: Where they are; None where the server has no place for files.
        transfers: In which they move; one for all who use the same place, so that they wait for each other.
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

    async def run(self, records: Records, run_id: str, *, writing: bool = False) -> Run:
        """Return a run.

        Raises:
            NotFound: The namespace has none.
            Conflict: It is deleted, and to be written to.
        """
        run = await records.read(lambda tracking: tracking.run(run_id, _NO_PARTS))
        if writing and run.deleted is not None:
            raise Conflict(f"the run {run.id} is deleted: restore it first")
        return run

    async def check(self, records: Records, place: Run | RunFolder, *, writing: bool = False) -> Run:
        """Return the run that a folder is of; raises as ``run``."""
        if isinstance(place, Run):
            return place
        run = await self.run(records, place.run_id, writing=writing)
        if run.project_id != place.project_id:
            raise NotFound(f"the project {place.project_id[:64]!r} has no run {place.run_id[:64]!r}")
        return run

    # -- writing ------------------------------------------------------------------------------------------------------

    async def put(
        self,
        records: Records,
        place: Run | RunFolder,
        path: str,
        pieces: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        type: str = "",  # noqa: A002 - the record's word
        expected_sha256: str | None = None,
        if_absent: bool = False,
        metadata: dict[str, Json] | None = None,
    ) -> Artifact:
        """Store a file that is there as a whole or not at all, and record it.

        A caller who leaves before all is there has stored nothing; one who leaves later has stored it.

        Raises:
            NotFound: The namespace has no such run.
            Conflict: It is deleted; or the file is there, and to be stored only if it is not.
            Overloaded: Too many files are on their way.
        """
        target = _target(await self.check(records, place, writing=True), path, type=type, metadata=metadata)
        artifacts, feed = self.artifacts, Feed(pieces)

        def store() -> ArtifactInfo:
            return artifacts.put(
                target.key, feed, content_type=content_type, expected_sha256=expected_sha256, if_absent=if_absent
            )

        try:
            return await self._transfers.to_its_end(self._stored(records, target, store), feed)
        except Conflict as conflict:
            if if_absent and await records.read(lambda tracking: _known(tracking, target)) is None:
                raise Conflict(
                    f"{conflict}; it has no record, as an upload of it goes on or was cut off at its end:"
                    " upload it again, to replace what is there"
                ) from None
            raise

    async def begin(
        self, records: Records, place: Run | RunFolder, path: str, *, content_type: str | None = None
    ) -> str:
        """Begin an upload in parts and return its id."""
        target = _target(await self.check(records, place, writing=True), path)
        artifacts = self.artifacts
        return await self._transfers.start(lambda: artifacts.begin(target.key, content_type=content_type))

    async def put_part(self, upload: str, number: int, pieces: AsyncIterator[bytes]) -> str:
        """Store a part of an upload and return its sha256."""
        artifacts, feed = self.artifacts, Feed(pieces)

        async def put() -> str:
            with self._transfers.place():
                return (await self._transfers.start(lambda: artifacts.put_part(upload, number, feed))).sha256

        return await self._transfers.to_its_end(put(), feed)

    async def commit(
        self,
        records: Records,
        place: Run | RunFolder,
        path: str,
        upload: str,
        parts: list[tuple[int, str]],
        *,
        type: str = "",  # noqa: A002 - the record's word
        metadata: dict[str, Json] | None = None,
    ) -> Artifact:
        """Make a file of the parts of an upload, and record it; again, it changes nothing."""
        target = _target(await self.check(records, place, writing=True), path, type=type, metadata=metadata)
        artifacts = self.artifacts

        def store() -> ArtifactInfo:
            info = artifacts.commit(upload, parts)
            if info.path != target.key:
                raise InvalidInput(f"the upload {upload} is one of another file")
            return info

        return await self._transfers.to_its_end(self._stored(records, target, store))

    async def abort(self, upload: str) -> None:
        """Give an upload up."""
        artifacts = self.artifacts
        await self._transfers.start(lambda: artifacts.abort(upload))

    async def delete_file(self, records: Records, run: Run, path: str) -> None:
        """Remove a file and its record; where the server keeps no files, the record.

        Raises:
            NotFound: There is no such record.
        """
        target, artifacts = _target(run, path), self._artifacts
        async with self._transfers.alone([target.key]):
            # The record goes last: killed in between, the call is made again and finds it.
            if artifacts is not None:
                await self._transfers.start(lambda: artifacts.delete(target.key))
            await records.write(lambda tracking: tracking.delete_artifact(run.id, target.path))

    async def delete(self, records: Records, place: Run | RunFolder, path: str) -> int:
        """Remove a file, or all below a folder, empty for the run's; return how many were recorded."""
        run = await self.check(records, place, writing=True)
        checked, artifacts, folder = artifact_path(path) if path else "", self.artifacts, _folder(run)
        recorded = await records.read(lambda tracking: _below(tracking, run.id, checked))
        async with self._transfers.alone(folder.path(name) for name in recorded):
            # The records go last here too.
            await self._transfers.start(lambda: artifacts.delete_all(folder.path(checked).removesuffix("/")))
            await records.write(lambda tracking: _forget(tracking, run.id, recorded))
        # What was recorded meanwhile may have lost its file with the others.
        for name in await records.read(lambda tracking: _below(tracking, run.id, checked)):
            async with self._transfers.alone([folder.path(name)]):
                if await self._info(folder.path(name)) is None:
                    await records.write(lambda tracking, name=name: _forget(tracking, run.id, [name]))  # type: ignore[misc]
        return len(recorded)

    async def _stored(self, records: Records, target: _Target, store: Callable[[], ArtifactInfo]) -> Artifact:
        with self._transfers.place():
            written = await self._transfers.start(store)
            # Not while the content comes: a slow caller would hold up all others.
            async with self._transfers.alone([target.key]):
                try:
                    return await self._recorded(records, target, written)
                except NotFound:
                    await self._swept(target)
                    raise

    async def _recorded(self, records: Records, target: _Target, written: ArtifactInfo) -> Artifact:
        """Record the file that is there, which may be one that somebody else has stored since."""
        there = await self._info(target.key)
        if there is not None and not _same(there, written):
            known = await records.read(lambda tracking: _known(tracking, target))
            if known is not None and _fits(known, there):
                return known  # that of the other one, with what the other one says of it
        for _ in range(_MOST_RECORDS):
            if there is None:
                raise Conflict(f"the file {target.path!r} was deleted while it was stored; store it again")
            info = replace(there, sha256=there.sha256 or (written.sha256 if _same(there, written) else None))
            record = await records.write(lambda tracking, info=info: _put(tracking, target, info))  # type: ignore[misc]
            there = await self._info(target.key)
            if there is None:
                await records.write(lambda tracking: _forget(tracking, target.run_id, [target.path]))
            elif _same(there, info):
                return record
        raise Conflict(f"the file {target.path!r} is replaced again and again; store it again")

    async def _swept(self, target: _Target) -> None:
        """Remove the file of a run that was purged while the file came."""
        artifacts = self.artifacts
        try:
            await self._transfers.start(lambda: artifacts.delete(target.key))
        except Exception as error:  # noqa: BLE001 - what is told is that the run has gone
            _LOGGER.warning("%s, of a run that has gone, could not be removed: %s", target.key, error)

    async def _info(self, key: str) -> ArtifactInfo | None:
        artifacts = self.artifacts
        try:
            return await self._transfers.start(lambda: artifacts.info(key))
        except NotFound:
            return None

    # -- reading ------------------------------------------------------------------------------------------------------

    async def open(
        self, records: Records, place: Run | RunFolder, path: str, *, start: int = 0, end: int | None = None
    ) -> tuple[ArtifactReader, FilePieces]:
        """Return an open file, or its bytes from ``start`` to before ``end``, and its pieces, which are closed in any case.

        Raises:
            NotFound: There is none.
            DamagedFile: It is not the one that was recorded.
            Overloaded: Too many files are on their way.
        """
        run = await self.check(records, place)
        target, moving = _target(run, path), self._transfers.place()
        try:
            for pause in (*_PAUSES, None):
                pieces = await self._opened(records, target, start, end, moving)
                if _fits(pieces.record, pieces.reader.info):
                    break
                pieces.reader.close()
                if pause is None:
                    _refuse(pieces)
                else:
                    await asyncio.sleep(pause)
        except BaseException:
            moving.leave()
            raise
        try:
            await pieces.begin()
        except BaseException:
            await pieces.aclose()
            raise
        return pieces.reader, pieces

    async def _opened(
        self, records: Records, target: _Target, start: int, end: int | None, moving: Place
    ) -> FilePieces:
        artifacts = self.artifacts
        record = await records.read(lambda tracking: tracking.artifact(target.run_id, target.path))
        if record.state is not ArtifactState.STORED:
            raise NotFound(f"the content of {target.path!r} is not here: {_whereabouts(record)}")
        reader = await self._transfers.start(lambda: artifacts.open(target.key, start=start, end=end))
        return FilePieces(reader, record, moving, self._transfers)


def _refuse(pieces: FilePieces) -> Never:
    raise DamagedFile(pieces.record.path, pieces.reader.info.size)


def _folder(run: Run) -> RunFolder:
    return RunFolder(run.project_id, run.id)


def _target(run: Run, path: str, *, type: str = "", metadata: dict[str, Json] | None = None) -> _Target:  # noqa: A002
    checked = artifact_path(path)
    return _Target(run.id, checked, _folder(run).path(checked), type, metadata)


def _same(there: ArtifactInfo, written: ArtifactInfo) -> bool:
    """Whether two looks at a file saw the same content, as far as its place can say."""
    if there.size != written.size:
        return False
    if there.sha256 is not None and written.sha256 is not None:
        return there.sha256 == written.sha256
    return None in {there.etag, written.etag} or there.etag == written.etag


def _fits(record: Artifact, there: ArtifactInfo) -> bool:
    """Whether a record can be that of a file; what its place does not know, reading it to the end tells."""
    known = record.sha256 is not None and there.sha256 is not None
    return record.size == there.size and (not known or record.sha256 == there.sha256)


def _put(tracking: Tracking, target: _Target, info: ArtifactInfo) -> Artifact:
    return tracking.put_artifact(
        target.run_id,
        target.path,
        type=target.type,
        uri=f"mlflow-artifacts:/{info.path}",
        state=ArtifactState.STORED,
        size=info.size,
        sha256=info.sha256,
        content_type=info.content_type,
        metadata=target.metadata,
    )


def _known(tracking: Tracking, target: _Target) -> Artifact | None:
    try:
        found = tracking.artifact(target.run_id, target.path)
    except NotFound:
        return None
    return found if found.state is ArtifactState.STORED else None


def _below(tracking: Tracking, run_id: str, path: str) -> list[str]:
    """Return what is recorded at a path or below it."""
    paths = [record.path for record in tracking.artifacts(run_id)]
    return [found for found in paths if not path or found == path or found.startswith(f"{path}/")]


def _forget(tracking: Tracking, run_id: str, paths: Iterable[str]) -> None:
    for path in paths:
        # Somebody else may have been faster; the function may be called twice.
        with contextlib.suppress(NotFound):
            tracking.delete_artifact(run_id, path)


def _whereabouts(record: Artifact) -> str:
    if record.state is ArtifactState.LINK:
        return f"it is a link to {record.uri!r}"
    return "it was announced and not uploaded"
