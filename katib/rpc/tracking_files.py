"""Contents of artifacts over the store's API: in pieces of at most 1 MiB, and an upload says at its end what it was."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final, TypeVar

import grpc

from katib.access import Role
from katib.errors import InvalidInput, Problem
from katib.rpc import store_v1 as wire
from katib.rpc.calls import FailedCall
from katib.rpc.file_pieces import DamagedFile
from katib.rpc.requests import decoded
from katib.rpc.run_files import RunFiles
from katib.rpc.status import Status
from katib.rpc.tracking_messages import artifact_message
from katib.rpc.tracking_requests import required
from katib.rpc.tracking_values import read_document, read_time
from katib.store.artifacts.paths import artifact_path
from katib.store.retention import purge_with_files, refuse_without_archive
from katib.store.tracking.records import RetentionPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from katib.rpc.callers import Caller, Callers
    from katib.rpc.calls import Call
    from katib.rpc.tracking_calls import TrackingCalls
    from katib.rpc.transfers import Transfers
    from katib.store.artifacts import ArtifactStore
    from katib.store.tracking.protocol import Tracking

__all__ = ["PIECE", "TrackingFiles"]

T = TypeVar("T")

PIECE: Final = 1 << 20
"""The largest piece of content in a message, in bytes."""


class TrackingFiles:
    """Answers the calls that move contents.

    Args:
        artifacts: Where they are; None where the server has no place for them.
        tracking: Where their records are.
        callers: Knows who may.
        transfers: In which they move; those of every protocol.
        archive: Where runs go before they are purged; None for nowhere.
        patience: Seconds for which an upload may be silent.
    """

    def __init__(
        self,
        artifacts: ArtifactStore | None,
        tracking: TrackingCalls,
        callers: Callers,
        transfers: Transfers,
        *,
        archive: ArtifactStore | None = None,
        patience: float = 60.0,
    ) -> None:
        self._artifacts = artifacts
        self._archive = archive
        self._files = RunFiles(artifacts, transfers)
        self._tracking = tracking
        self._callers = callers
        self._patience = patience

    # -- the calls ----------------------------------------------------------------------------------------------------

    async def upload(self, requests: AsyncIterator[bytes], _: Callable[[bytes], Awaitable[None]], call: Call) -> bytes:
        """Store a file, and answer with its record."""
        first = decoded(wire.UploadArtifactRequest, await self._next(requests) or b"")
        if first.WhichOneof("part") != "start":
            raise InvalidInput([Problem("start", "is required, as the first message")])
        start = first.start
        required(start, "run_id", "path")
        path, metadata = artifact_path(start.path), read_document(start, "metadata")
        records = await self._records(call, start.namespace, Role.WRITE)
        run = await self._files.run(records, start.run_id, writing=True)
        record = await self._files.put(
            records,
            run,
            path,
            self._pieces(requests),
            content_type=start.content_type or None,
            type=start.type,
            if_absent=start.if_absent,
            metadata=metadata,
        )
        return artifact_message(record).SerializeToString()

    async def download(self, data: bytes, send: Callable[[bytes], Awaitable[None]], call: Call) -> None:
        """Send a record and its content."""
        request = decoded(wire.DownloadArtifactRequest, data)
        required(request, "run_id", "path")
        end = request.end if request.HasField("end") else None
        if request.start < 0 or (end is not None and end < request.start):
            raise InvalidInput([Problem("start", "must be 0 or more and not behind the end", request.start)])
        path = artifact_path(request.path)
        records = await self._records(call, request.namespace, Role.READ)
        run = await self._files.run(records, request.run_id)
        try:
            _, pieces = await self._files.open(records, run, path, start=request.start, end=end)
            try:
                await send(wire.DownloadArtifactResponse(artifact=artifact_message(pieces.record)).SerializeToString())
                async for piece in pieces:
                    for place in range(0, len(piece), PIECE):
                        chunk = piece[place : place + PIECE]
                        await send(wire.DownloadArtifactResponse(chunk=chunk).SerializeToString())
            finally:
                await pieces.aclose()
        except DamagedFile as damaged:
            raise FailedCall(Status(grpc.StatusCode.DATA_LOSS, str(damaged))) from None

    async def delete(self, data: bytes, call: Call) -> bytes:
        """Remove a file and its record."""
        request = decoded(wire.DeleteArtifactRequest, data)
        required(request, "run_id", "path")
        path = artifact_path(request.path)
        records = await self._records(call, request.namespace, Role.WRITE)
        run = await self._files.run(records, request.run_id, writing=True)
        await self._files.delete_file(records, run, path)
        return wire.DeleteArtifactResponse().SerializeToString()

    async def purge(self, data: bytes, call: Call) -> bytes:
        """Remove what a policy says, and the files of it. Goes on to its end if the caller leaves."""
        request = decoded(wire.PurgeRequest, data)
        policy = _policy(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.ADMIN)

        def purge(tracking: Tracking) -> bytes:
            if self._archive is None:
                refuse_without_archive(tracking, policy)
            done = purge_with_files(tracking, self._artifacts, policy, archive=self._archive)
            return wire.PurgeResponse(
                projects=done.purged.projects,
                experiments=done.purged.experiments,
                runs=done.purged.runs,
                observations=done.purged.points,
                deleted=done.purged.deleted,
                files=done.files,
                archived=done.purged.archived,
            ).SerializeToString()

        return await self._tracking.read(caller.namespace, purge, actor=caller.name)

    # -- what they share ----------------------------------------------------------------------------------------------

    async def _records(self, call: Call, namespace: str, role: Role) -> _Records:
        """Return the store as a caller sees it who may do this."""
        return _Records(self._tracking, await self._callers.admit(call.metadata, namespace, role))

    async def _next(self, requests: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(self._patience):
                return await anext(requests, None)
        except TimeoutError:
            raise FailedCall(
                Status(grpc.StatusCode.DEADLINE_EXCEEDED, f"the upload was silent for {self._patience:g} s")
            ) from None

    async def _pieces(self, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield what is uploaded; ends only where the caller has said that it is all."""
        digest, size = hashlib.sha256(), 0
        while (data := await self._next(requests)) is not None:
            request = decoded(wire.UploadArtifactRequest, data)
            match request.WhichOneof("part"):
                case "chunk":
                    if len(request.chunk) > PIECE:
                        raise InvalidInput([Problem("chunk", f"must be at most {PIECE:,} bytes")])
                    digest.update(request.chunk)
                    size += len(request.chunk)
                    if request.chunk:
                        yield request.chunk
                case "end":
                    _check_end(request.end, size, digest.hexdigest())
                    return
                case _:
                    raise InvalidInput([Problem("part", "must be a chunk or the end, once it has started")])
        # A call that was cut off ends like this too.
        raise InvalidInput([Problem("end", "is required, as the last message: nothing was stored")])


class _Records:
    """The tracking store as one caller sees it."""

    def __init__(self, tracking: TrackingCalls, caller: Caller) -> None:
        self._tracking = tracking
        self._caller = caller

    async def read(self, function: Callable[[Tracking], T]) -> T:
        """Return what a function reads."""
        return await self._tracking.read(self._caller.namespace, function, actor=self._caller.name)

    async def write(self, function: Callable[[Tracking], T]) -> T:
        """Return what a function returns, once it is durable."""
        return await self._tracking.write(self._caller.namespace, function, actor=self._caller.name)


def _check_end(end: wire.UploadArtifactRequest.End, size: int, sha256: str) -> None:
    problems = []
    if end.size != size:
        problems.append(Problem("end.size", f"must be the number of bytes that came, {size:,}", end.size))
    if end.sha256.lower() != sha256:
        problems.append(Problem("end.sha256", f"must be that of what came, {sha256}", end.sha256))
    if problems:
        raise InvalidInput(problems)


def _policy(request: wire.PurgeRequest) -> RetentionPolicy:
    before = read_time(request, "deleted_before")
    keep_best = request.keep_best if request.HasField("keep_best") else None
    if before is None and keep_best is None:
        raise InvalidInput([Problem("deleted_before", "is required, or 'keep_best'")])
    if keep_best is not None and keep_best < 0:
        raise InvalidInput([Problem("keep_best", "must be 0 or more", keep_best)])
    return RetentionPolicy(
        deleted_before=before,
        keep_best=keep_best,
        project_id=request.project_id or None,
        experiment_id=request.experiment_id or None,
        keep_artifacts=request.keep_artifacts,
    )
