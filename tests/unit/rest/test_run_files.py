"""Files of runs where others write them too, where the record cannot be written, and where callers leave: file and record agree."""

import asyncio
import contextlib
import threading
from types import SimpleNamespace

import pytest

from katib.errors import Conflict, NotFound, Overloaded, StoreUnavailable, Unsupported
from katib.rpc.file_pieces import DamagedFile
from katib.rpc.run_files import RunFiles, RunFolder
from katib.rpc.transfers import Transfers
from katib.store import open_store
from katib.store.artifacts import open_artifacts
from katib.store.tracking.records import ArtifactState, NewRun, Node, NodeKind, RetentionPolicy

LARGE = bytes(range(256)) * 10_000  # more than two pieces


class Caller:
    """The tracking store for one caller, with something that happens once before it writes."""

    def __init__(self, tracking, before_write=None):
        self.tracking = tracking
        self.before_write = before_write

    async def read(self, function):
        return await asyncio.to_thread(function, self.tracking)

    async def write(self, function):
        before, self.before_write = self.before_write, None
        if before is not None:
            await before()
        return await asyncio.to_thread(function, self.tracking)


async def pieces_of(*pieces):
    for piece in pieces:
        yield piece


async def never():
    yield b"begun"
    await asyncio.Event().wait()


@pytest.fixture
def world(tmp_path):
    """A run, and two replicas that share its store and its place for files."""
    with open_store(tmp_path / "katib.db") as store, contextlib.ExitStack() as stack:
        tracking = store.tracking("team")
        run = tracking.create_run(NewRun())
        artifacts = open_artifacts(tmp_path / "files")
        replicas = [RunFiles(artifacts, stack.enter_context(Transfers(2))) for _ in range(2)]
        folder = RunFolder(run.project_id, run.id)
        yield SimpleNamespace(
            tracking=tracking,
            run=run,
            folder=folder,
            artifacts=artifacts,
            files=replicas[0],
            others=replicas[1],
            caller=Caller(tracking),
            on_disk=tmp_path / "files" / run.project_id / run.id / "artifacts",
        )


async def read(world, path="f"):
    _, pieces = await world.files.open(world.caller, world.folder, path)
    return b"".join([piece async for piece in pieces])


def agree(world, path="f"):
    """Whether a record is that of the file."""
    record, info = world.tracking.artifact(world.run.id, path), world.artifacts.info(world.folder.path(path))
    return (record.state, record.size, record.sha256) == (ArtifactState.STORED, info.size, info.sha256)


async def test_a_file_there_and_back(world):
    for content in (b"", b"small", LARGE):
        record = await world.files.put(
            world.caller,
            world.folder,
            "a/f",
            pieces_of(content),
            content_type="text/x",
            type="MODEL",
            metadata={"a": 1},
        )
        assert (record.size, record.type, record.content_type, record.metadata) == (
            len(content),
            "MODEL",
            "text/x",
            {"a": 1},
        )
        assert await read(world, "a/f") == content
        assert agree(world, "a/f")


async def test_who_is_overtaken_while_recording_records_what_is_there(world):
    async def overtake():
        await world.others.put(Caller(world.tracking), world.folder, "f", pieces_of(b"theirs, which is longer"))

    record = await world.files.put(Caller(world.tracking, overtake), world.folder, "f", pieces_of(b"ours"))
    assert record.size == len(b"theirs, which is longer")
    assert await read(world) == b"theirs, which is longer"
    assert agree(world)


async def test_who_is_overtaken_before_recording_leaves_the_record_of_the_other(world, monkeypatch):
    loop, put = asyncio.get_running_loop(), world.artifacts.put

    def overtaken(path, content, **more):
        info = put(path, content, **more)
        monkeypatch.undo()
        theirs = world.others.put(Caller(world.tracking), world.folder, "f", pieces_of(b"theirs"), type="DATA")
        asyncio.run_coroutine_threadsafe(theirs, loop).result()
        return info

    monkeypatch.setattr(world.artifacts, "put", overtaken)
    record = await world.files.put(world.caller, world.folder, "f", pieces_of(b"ours"), type="MODEL")
    assert record.type == "DATA"
    assert await read(world) == b"theirs"
    assert agree(world)


async def test_many_writers_in_two_replicas_leave_one_file_and_its_record(world):
    contents = [bytes([number]) * (10 + number) for number in range(4)]
    for _ in range(5):
        await asyncio.gather(
            *(
                files.put(Caller(world.tracking), world.folder, "f", pieces_of(content))
                for files in (world.files, world.others)
                for content in contents[::2]
            )
        )
        assert await read(world) in contents
        assert agree(world)


async def test_what_is_deleted_while_it_is_stored_has_no_record(world):
    async def delete():
        await world.others.delete(Caller(world.tracking), world.folder, "")

    with pytest.raises(Conflict, match="was deleted while it was stored"):
        await world.files.put(Caller(world.tracking, delete), world.folder, "a/f", pieces_of(b"x"))
    assert world.tracking.artifacts(world.run.id) == []
    assert not world.on_disk.exists()


async def test_the_file_of_a_run_that_is_purged_meanwhile_is_removed(world):
    async def purge():
        world.tracking.delete(Node(NodeKind.RUN, world.run.id))
        now = world.tracking.run(world.run.id).deleted
        world.tracking.purge(RetentionPolicy(deleted_before=now.replace(year=now.year + 1)))

    with pytest.raises(NotFound):
        await world.files.put(Caller(world.tracking, purge), world.folder, "f", pieces_of(b"x"))
    assert not world.on_disk.exists()


async def test_a_record_that_cannot_be_written_is_told_to_readers_and_mended_by_another_upload(world):
    async def away():
        raise StoreUnavailable("the database is away")

    async def fail(content):
        with pytest.raises(StoreUnavailable):
            await world.files.put(Caller(world.tracking, away), world.folder, "f", pieces_of(content))

    await fail(b"first")
    with pytest.raises(NotFound):
        await read(world)
    with pytest.raises(Conflict, match="upload it again, to replace"):
        await world.files.put(world.caller, world.folder, "f", pieces_of(b"x"), if_absent=True)
    await world.files.put(world.caller, world.folder, "f", pieces_of(b"first"))
    await fail(b"second")
    with pytest.raises(DamagedFile, match="an upload was cut off before it was recorded; upload it again"):
        await read(world)
    await world.files.put(world.caller, world.folder, "f", pieces_of(b"second"))
    assert await read(world) == b"second"
    with pytest.raises(Conflict) as conflict:
        await world.files.put(world.caller, world.folder, "f", pieces_of(b"x"), if_absent=True)
    assert "upload it again" not in str(conflict.value)


async def test_a_reader_between_file_and_record_waits_for_the_record(world):
    await world.files.put(world.caller, world.folder, "f", pieces_of(b"old"))
    reading = []

    async def let_read():
        reading.append(asyncio.create_task(read(world)))
        await asyncio.sleep(0)

    await world.files.put(Caller(world.tracking, let_read), world.folder, "f", pieces_of(b"newer"))
    assert await reading[0] == b"newer"


async def test_a_commit_that_is_sent_again_changes_nothing(world):
    upload = await world.files.begin(world.caller, world.folder, "f")
    parts = [(1, await world.files.put_part(upload, 1, pieces_of(b"of parts")))]
    await world.files.commit(world.caller, world.folder, "f", upload, parts)
    assert await read(world) == b"of parts"
    await world.files.put(world.caller, world.folder, "f", pieces_of(b"later"), type="DATA")
    await world.files.commit(world.caller, world.folder, "f", upload, parts)
    assert await read(world) == b"later"
    assert agree(world)
    assert world.tracking.artifact(world.run.id, "f").type == "DATA"


class TestCallersWhoLeave:
    async def test_before_all_is_there_nothing_is_stored(self, world):
        putting = asyncio.create_task(world.files.put(world.caller, world.folder, "f", never()))
        await asyncio.sleep(0.05)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        with pytest.raises(NotFound):
            await read(world)
        await world.files.put(world.caller, world.folder, "f", pieces_of(b"x"))
        assert await read(world) == b"x"

    async def test_when_all_is_there_it_is_recorded(self, world):
        reached, recorded = asyncio.Event(), asyncio.Event()

        class Slow(Caller):
            async def write(self, function):
                reached.set()
                try:
                    return await super().write(function)
                finally:
                    recorded.set()

        putting = asyncio.create_task(world.files.put(Slow(world.tracking), world.folder, "f", pieces_of(b"all of it")))
        await reached.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        await recorded.wait()
        assert agree(world)
        assert await read(world) == b"all of it"

    async def test_readers_give_their_places_back(self, world):
        await world.files.put(world.caller, world.folder, "f", pieces_of(LARGE))
        opened = [(await world.files.open(world.caller, world.folder, "f"))[1] for _ in range(2)]
        with pytest.raises(Overloaded):
            await read(world)
        with pytest.raises(Overloaded):
            await world.files.put(world.caller, world.folder, "g", pieces_of(b"x"))
        for pieces in opened:
            await pieces.aclose()
            await pieces.aclose()
        assert await read(world) == LARGE
        for _ in range(5):
            with pytest.raises(NotFound):
                await read(world, "missing")
        assert await read(world) == LARGE

    async def test_a_file_is_closed_after_the_thread_that_reads_it(self, world, monkeypatch):
        await world.files.put(world.caller, world.folder, "f", pieces_of(LARGE))
        reader, pieces = await world.files.open(world.caller, world.folder, "f")
        go, take = threading.Event(), pieces._take

        def slow():
            go.wait(20)
            return take()

        monkeypatch.setattr(pieces, "_take", slow)
        await anext(pieces)  # read already
        taking = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0.02)
        taking.cancel()
        closing = asyncio.create_task(pieces.aclose())
        await asyncio.sleep(0.02)
        go.set()
        await closing
        assert list(reader) == []
        with pytest.raises(StopAsyncIteration):
            await anext(pieces)


class TestDamage:
    async def test_a_small_file_is_refused(self, world):
        await world.files.put(world.caller, world.folder, "f", pieces_of(b"right"))
        (world.on_disk / "f").write_bytes(b"wrong")
        with pytest.raises(DamagedFile, match="somebody has changed it"):
            await read(world)

    async def test_the_end_of_a_large_file_is_held_back(self, world):
        await world.files.put(world.caller, world.folder, "f", pieces_of(LARGE))
        (world.on_disk / "f").write_bytes(LARGE[:-1] + b"x")
        reader, pieces = await world.files.open(world.caller, world.folder, "f")
        got = 0
        with pytest.raises(DamagedFile):  # noqa: PT012 - where in the loop is what is asked
            async for piece in pieces:
                got += len(piece)
        await pieces.aclose()
        assert 0 < got < reader.size


class TestDeleting:
    @pytest.mark.parametrize(("path", "left"), [("a", ["ab", "b/f"]), ("a/f", ["a/g/h", "ab", "b/f"]), ("", [])])
    async def test_a_file_or_all_below_a_folder(self, world, path, left):
        for name in ("a/f", "a/g/h", "ab", "b/f"):
            await world.files.put(world.caller, world.folder, name, pieces_of(b"x"))
        assert await world.files.delete(world.caller, world.folder, path) == 4 - len(left)
        assert [record.path for record in world.tracking.artifacts(world.run.id)] == left
        assert [
            str(file.relative_to(world.on_disk)) for file in sorted(world.on_disk.rglob("*")) if file.is_file()
        ] == left

    async def test_what_is_recorded_while_a_folder_goes_keeps_no_record_without_its_file(self, world):
        await world.files.put(world.caller, world.folder, "a/f", pieces_of(b"x"))
        delete_all, loop = world.artifacts.delete_all, asyncio.get_running_loop()

        def overtaken(folder):
            late = world.others.put(Caller(world.tracking), world.folder, "a/late", pieces_of(b"x"))
            asyncio.run_coroutine_threadsafe(late, loop).result()
            return delete_all(folder)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.artifacts, "delete_all", overtaken)
            assert await world.files.delete(world.caller, world.folder, "a") == 1
        assert world.tracking.artifacts(world.run.id) == []

    async def test_one_file_by_its_run(self, world):
        await world.files.put(world.caller, world.run, "f", pieces_of(b"x"))
        await world.files.delete_file(world.caller, world.run, "f")
        with pytest.raises(NotFound):
            await world.files.delete_file(world.caller, world.run, "f")
        assert not world.on_disk.exists()


async def test_a_run_that_is_not_here_deleted_or_of_another_project(world):
    for folder in (RunFolder("other", world.run.id), RunFolder(world.run.project_id, "other")):
        with pytest.raises(NotFound):
            await world.files.put(world.caller, folder, "f", pieces_of(b"x"))
        with pytest.raises(NotFound):
            await world.files.open(world.caller, folder, "f")
    world.tracking.delete(Node(NodeKind.RUN, world.run.id))
    with pytest.raises(Conflict, match="is deleted"):
        await world.files.put(world.caller, world.folder, "f", pieces_of(b"x"))
    assert not world.on_disk.exists()


async def test_a_link_and_an_announced_file_have_no_content(world):
    world.tracking.put_artifact(world.run.id, "link", state=ArtifactState.LINK, uri="s3://b/k")
    world.tracking.put_artifact(world.run.id, "soon", state=ArtifactState.PENDING)
    with pytest.raises(NotFound, match="it is a link to 's3://b/k'"):
        await read(world, "link")
    with pytest.raises(NotFound, match="announced and not uploaded"):
        await read(world, "soon")


async def test_no_place_for_files(world):
    with Transfers() as transfers:
        files = RunFiles(None, transfers)
        with pytest.raises(Unsupported, match="--artifacts"):
            await files.put(world.caller, world.folder, "f", pieces_of(b"x"))
