"""Contents of artifacts over the store's API: in pieces of at most 1 MiB, checked, and whole or not at all.

The content is stored first and its record after it, so that what has a record is there. Both are replaced by whoever uploads again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import grpc

from katib.access import Role
from katib.errors import Conflict, InvalidInput, NotFound, Overloaded, Problem, Unsupported
from katib.rpc import store_v1 as wire
from katib.rpc.calls import FailedCall
from katib.rpc.requests import decoded
from katib.rpc.status import Status
from katib.rpc.tracking_messages import artifact_message
from katib.rpc.tracking_requests import required
from katib.rpc.tracking_values import read_document, read_time
from katib.store.artifacts.paths import artifact_path
from katib.store.tracking.records import ArtifactState, RetentionPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from katib.rpc.callers import Caller, Callers
    from katib.rpc.calls import Call
    from katib.rpc.tracking_calls import TrackingCalls
    from katib.store.artifacts import ArtifactReader, ArtifactStore
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Artifact, Run

__all__ = ["PIECE", "TrackingFiles"]

T = TypeVar("T")

PIECE: Final = 1 << 20
"""The largest piece of content in a message, in bytes."""
_NO_PARTS: Final = frozenset[Any]()


class TrackingFiles:
    """Answers the calls that move contents, for as long as it is open (``with``).

    Args:
        artifacts: Where they are; None where the server has no place for them.
        tracking: Where their records are.
        callers: Knows who may.
        most: Files that move at a time; further ones are refused.
        patience: Seconds for which an upload may be silent.
    """

    def __init__(
        self,
        artifacts: ArtifactStore | None,
        tracking: TrackingCalls,
        callers: Callers,
        *,
        most: int = 32,
        patience: float = 60.0,
    ) -> None:
        self._artifacts = artifacts
        self._tracking = tracking
        self._callers = callers
        self._most = most
        self._patience = patience
        self._moving = 0
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(most + 1, thread_name_prefix="files")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- the calls ----------------------------------------------------------------------------------------------------

    async def upload(self, requests: AsyncIterator[bytes], _: Callable[[bytes], Awaitable[None]], call: Call) -> bytes:
        """Store a file, and answer with its record."""
        first = decoded(wire.UploadArtifactRequest, await self._next(requests) or b"")
        if first.WhichOneof("part") != "start":
            raise InvalidInput([Problem("start", "is required, as the first message")])
        start = first.start
        required(start, "run_id", "path")
        path, metadata = artifact_path(start.path), read_document(start, "metadata")
        caller = await self._callers.admit(call.metadata, start.namespace, Role.WRITE)
        artifacts = self._place()
        run = await self._run(caller, start.run_id, writing=True)
        target = _target(run, path)
        with self._room():
            async with self._alone(target):
                feed = _Feed(self._pieces(requests))
                try:
                    info = await self._in_thread(
                        lambda: artifacts.put(
                            target, feed, content_type=start.content_type or None, if_absent=start.if_absent
                        )
                    )
                finally:
                    feed.stop()
                record = await self._tracking.write(
                    caller.namespace,
                    lambda tracking: tracking.put_artifact(
                        run.id,
                        path,
                        type=start.type,
                        uri=f"mlflow-artifacts:/{info.path}",
                        state=ArtifactState.STORED,
                        size=info.size,
                        sha256=info.sha256,
                        content_type=info.content_type,
                        metadata=metadata,
                    ),
                    actor=caller.name,
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
        caller = await self._callers.admit(call.metadata, request.namespace, Role.READ)
        artifacts = self._place()
        run = await self._run(caller, request.run_id)
        record = await self._tracking.read(
            caller.namespace, lambda tracking: tracking.artifact(run.id, path), actor=caller.name
        )
        if record.state is not ArtifactState.STORED:
            raise NotFound(f"the content of {path!r} is not here: {_whereabouts(record)}")
        with self._room():
            reader = await self._in_thread(lambda: artifacts.open(_target(run, path), start=request.start, end=end))
            try:
                await send(wire.DownloadArtifactResponse(artifact=artifact_message(record)).SerializeToString())
                await self._send(reader, record, send)
            finally:
                await asyncio.shield(self._in_thread(reader.close))

    async def delete(self, data: bytes, call: Call) -> bytes:
        """Remove a file and its record."""
        request = decoded(wire.DeleteArtifactRequest, data)
        required(request, "run_id", "path")
        path = artifact_path(request.path)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.WRITE)
        run = await self._run(caller, request.run_id, writing=True)
        artifacts, target = self._artifacts, _target(run, path)
        async with self._alone(target):
            # The record goes last: killed in between, the call is made again and finds it.
            if artifacts is not None:
                await self._in_thread(lambda: artifacts.delete(target))
            await self._tracking.write(
                caller.namespace, lambda tracking: tracking.delete_artifact(run.id, path), actor=caller.name
            )
        return wire.DeleteArtifactResponse().SerializeToString()

    async def purge(self, data: bytes, call: Call) -> bytes:
        """Remove what a policy says, and the files of it. Goes on to its end if the caller leaves."""
        request = decoded(wire.PurgeRequest, data)
        policy = _policy(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.ADMIN)
        artifacts = self._artifacts

        def purge(tracking: Tracking) -> bytes:
            done = tracking.purge(policy)
            files = 0
            if artifacts is not None and not policy.keep_artifacts:
                for project_id, run_id in done.artifacts:
                    files += artifacts.delete_all(f"{project_id}/{run_id}")
            return wire.PurgeResponse(
                projects=done.projects,
                experiments=done.experiments,
                runs=done.runs,
                observations=done.points,
                deleted=done.deleted,
                files=files,
            ).SerializeToString()

        return await self._tracking.read(caller.namespace, purge, actor=caller.name)

    # -- what they share ----------------------------------------------------------------------------------------------

    def _place(self) -> ArtifactStore:
        if self._artifacts is None:
            raise Unsupported("this server keeps no files: start it with --artifacts")
        return self._artifacts

    async def _run(self, caller: Caller, run_id: str, *, writing: bool = False) -> Run:
        run = await self._tracking.read(
            caller.namespace, lambda tracking: tracking.run(run_id, _NO_PARTS), actor=caller.name
        )
        if writing and run.deleted is not None:
            raise Conflict(f"the run {run.id} is deleted: restore it first")
        return run

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        if self._moving >= self._most:
            raise Overloaded(f"{self._moving} files are on their way, which is all this server takes; ask again")
        self._moving += 1
        try:
            yield
        finally:
            self._moving -= 1

    @contextlib.asynccontextmanager
    async def _alone(self, target: str) -> AsyncIterator[None]:
        """Let one caller at a time write a file, so that the record is that of the content."""
        self._wanted[target] += 1
        try:
            async with self._locks.setdefault(target, asyncio.Lock()):
                yield
        finally:
            self._wanted[target] -= 1
            if not self._wanted[target]:
                del self._wanted[target]
                self._locks.pop(target, None)

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

    async def _send(self, reader: ArtifactReader, record: Artifact, send: Callable[[bytes], Awaitable[None]]) -> None:
        whole = reader.start == 0 and reader.end == reader.info.size
        digest, size = hashlib.sha256(), 0
        while piece := await self._in_thread(lambda: next(reader, b"")):
            for start in range(0, len(piece), PIECE):
                chunk = bytes(piece[start : start + PIECE])
                digest.update(chunk)
                size += len(chunk)
                await send(wire.DownloadArtifactResponse(chunk=chunk).SerializeToString())
        damaged = whole and record.sha256 is not None and digest.hexdigest() != record.sha256
        if size != reader.size or damaged:
            message = f"the content of {record.path!r} is not what was uploaded ({size:,} bytes): upload it again"
            raise FailedCall(Status(grpc.StatusCode.DATA_LOSS, message))


class _Feed:
    """Pieces that come in the loop, for a thread that wants them."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._asked: Any = None
        self._stopped = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self._asked = asyncio.run_coroutine_threadsafe(self._piece(), self._loop)
            piece = self._asked.result()
            if piece is None:
                return
            yield piece

    async def _piece(self) -> bytes | None:
        if self._stopped:
            raise Conflict("the call has ended")
        return await anext(self._pieces, None)

    def stop(self) -> None:
        """Let the thread go, if it still waits."""
        self._stopped = True
        if self._asked is not None:
            self._asked.cancel()


def _target(run: Run, path: str) -> str:
    return f"{run.project_id}/{run.id}/artifacts/{path}"


def _whereabouts(record: Artifact) -> str:
    if record.state is ArtifactState.LINK:
        return f"it is a link to {record.uri!r}"
    return "it was announced and not uploaded"


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
