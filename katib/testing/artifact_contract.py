"""What every place that keeps artifacts promises, as tests.

A place's whole test module can be::

    class TestMyBucket(ArtifactContract):
        @pytest.fixture
        def place(self):
            return "s3://bucket/prefix?endpoint=..."
"""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final

import pytest

from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.artifacts import ArtifactStore, open_artifacts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STRANGE_NAMES", "ArtifactContract", "content", "sha256"]

MIB: Final = 1 << 20
LARGE: Final = 20 * MIB + 17

STRANGE_NAMES: Final = (
    "%2e%2e", "a%2Fb", "...", "..a", " ", " a ", "a b", "ü", "日本", "#", "q?x=1", "p+l", "*", "~", "[x]", "{y}", "`", '"', "'", "<>", "|",
    "^", "a&b=c", ";", ":", "@", "$HOME", ",", "-rf", "CON", "x.json", "\U0001f600", "a" * 255,
)  # fmt: skip
"""Names of files that are right, and that one layer or another could take for something else."""

KILLED_WRITER: Final = """
import sys, time
from katib.store.artifacts import open_artifacts

def stuck():
    yield from (b"x" * (1 << 20) for _ in range(24))
    print("writing", flush=True)
    time.sleep(600)
    yield b""

open_artifacts(sys.argv[1]).put("model", stuck())
"""


def content(size: int, seed: int = 0) -> bytes:
    """Return bytes that are nowhere the same."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    """Return a checksum as the store gives it."""
    return hashlib.sha256(data).hexdigest()


def pieces(data: bytes, size: int = 700_001) -> Iterator[bytes]:
    """Return content as it comes from a connection."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def paths(store: ArtifactStore, folder: str = "", *, recursive: bool = True) -> list[str]:
    """Return what a folder has."""
    return [entry.place for entry in store.list(folder, recursive=recursive).entries]


class ArtifactContract:
    """Inherit it and give it a place that is empty in each test."""

    @pytest.fixture
    def place(self) -> str:
        """Return what ``open_artifacts`` opens."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, place: str) -> ArtifactStore:
        """Open the place."""
        return open_artifacts(place)

    @pytest.mark.parametrize("size", [0, 1, MIB, 8 * MIB, 8 * MIB + 1, LARGE])
    def test_what_is_stored_comes_back_with_its_size_and_checksum(
        self, store: ArtifactStore, place: str, size: int
    ) -> None:
        """Of every size around the sizes of requests."""
        data = content(size)
        info = store.put("run/model.bin", pieces(data), content_type="application/x-model")
        assert (info.path, info.size, info.sha256) == ("run/model.bin", size, sha256(data))
        fresh = open_artifacts(place)
        with fresh.open("run/model.bin") as reader:
            assert reader.size == size
            assert reader.info.size == size
            assert reader.read_all() == data
        found = fresh.info("run/model.bin")
        assert found.size == size
        assert found.etag == info.etag
        assert found.content_type in {"application/x-model", None}
        assert found.sha256 in {info.sha256, None}
        assert abs((found.modified - info.modified).total_seconds()) < 60

    def test_bytes_and_files_are_content_too(self, store: ArtifactStore) -> None:
        """And lists of bytes, empty ones among them."""
        data = content(3 * MIB)
        for form in (data, bytearray(data), memoryview(data), io.BytesIO(data), [data, b"", b""]):
            store.put("form", form)
            assert store.open("form").read_all() == data

    def test_checksum_that_fits_is_kept(self, store: ArtifactStore) -> None:
        """In capital letters too."""
        data = content(LARGE)
        store.put("announced", pieces(data), expected_sha256=sha256(data).upper())
        assert store.info("announced").sha256 in {sha256(data), None}

    @pytest.mark.parametrize("size", [5, LARGE])
    def test_checksum_that_does_not_fit_stores_nothing(self, store: ArtifactStore, size: int) -> None:
        """And what was there stays."""
        store.put("kept", b"before")
        for path in ("kept", "new"):
            with pytest.raises(InvalidInput, match="is not what was announced"):
                store.put(path, pieces(content(size)), expected_sha256=sha256(b"other"))
        assert store.open("kept").read_all() == b"before"
        assert paths(store) == ["kept"]

    def test_text_that_is_no_checksum_or_type_is_refused(self, store: ArtifactStore) -> None:
        """A type cannot smuggle in a header."""
        with pytest.raises(InvalidInput, match="64 hexadecimal digits"):
            store.put("a", b"", expected_sha256="abc")
        with pytest.raises(InvalidInput, match="content type"):
            store.put("a", b"", content_type="text/plain\r\nx-evil: 1")
        assert paths(store) == []

    @pytest.mark.parametrize("size", [5, LARGE])
    def test_content_that_breaks_off_stores_nothing_and_its_error_comes_through(
        self, store: ArtifactStore, size: int
    ) -> None:
        """As it was raised; then the path can be written."""

        def hangs_up() -> Iterator[bytes]:
            yield content(size)
            raise ConnectionResetError("the client went away")

        store.put("kept", b"before")
        with pytest.raises(ConnectionResetError, match="the client went away"):
            store.put("kept", hangs_up())
        assert store.open("kept").read_all() == b"before"
        store.put("kept", b"after")
        assert store.open("kept").read_all() == b"after"

    def test_file_is_replaced_as_a_whole_and_who_reads_the_old_one_reads_on(self, store: ArtifactStore) -> None:
        """A reader has one version."""
        old, new = content(LARGE, 1), content(LARGE, 2)
        store.put("model", old)
        reader = store.open("model")
        first = next(reader)
        store.put("model", new)
        assert store.open("model").read_all() == new
        assert store.info("model").sha256 in {sha256(new), None}
        if self.old_readers_are_safe:
            assert first + reader.read_all() == old
        reader.close()

    old_readers_are_safe = True
    """Whether a reader of a replaced file is sure to see the old one to its end."""

    @pytest.mark.parametrize("size", [5, LARGE])
    def test_if_absent_keeps_what_is_there(self, store: ArtifactStore, size: int) -> None:
        """Also when the content is too large for one request."""
        data = content(size)
        assert store.put("once", pieces(data), if_absent=True).sha256 == sha256(data)
        with pytest.raises(Conflict, match="already"):
            store.put("once", pieces(content(size, 9)), if_absent=True)
        assert store.open("once").read_all() == data
        assert paths(store) == ["once"]

    def test_of_many_who_write_if_absent_one_does(self, store: ArtifactStore) -> None:
        """And its content is there."""

        def write(number: int) -> int | None:
            try:
                store.put("once", b"%d" % number, if_absent=True)
            except Conflict:
                return None
            return number

        with ThreadPoolExecutor(8) as pool:
            done = [number for number in pool.map(write, range(16)) if number is not None]
        assert len(done) == 1
        assert store.open("once").read_all() == b"%d" % done[0]

    def test_readers_of_a_file_that_is_written_all_the_time_see_whole_files(self, store: ArtifactStore) -> None:
        """Never the beginning of one and the end of another."""
        versions = [content(MIB + number, number) for number in range(4)]
        store.put("busy", versions[0])

        def write(_number: int) -> None:
            for data in versions:
                store.put("busy", data)

        def read(_number: int) -> list[bytes]:
            return [store.open("busy").read_all() for _ in range(6)]

        with ThreadPoolExecutor(4) as pool:
            writing = [pool.submit(write, number) for number in range(2)]
            seen = [data for found in pool.map(read, range(2)) for data in found]
            for each in writing:
                each.result()
        assert all(data in versions for data in seen)

    def test_ranges_are_cut_as_slices_are(self, store: ArtifactStore) -> None:
        """What is beyond the end is left out."""
        data = content(5_000)
        store.put("a", data)
        store.put("empty", b"")
        for start, end in [(0, None), (10, None), (0, 0), (0, 1), (10, 20), (20, 10), (4_999, 9_000), (5_000, None),
                           (5_000, 5_001), (9_000, None), (9_000, 9_001)]:  # fmt: skip
            with store.open("a", start=start, end=end) as reader:
                assert reader.size == len(data[start:end])
                assert reader.info.size == 5_000
                assert reader.read_all() == data[start:end]
            assert store.open("empty", start=start, end=end).read_all() == b""
        with pytest.raises(InvalidInput, match="at 0 or later"):
            store.open("a", start=-1)

    def test_what_is_not_there_is_told_so(self, store: ArtifactStore) -> None:
        """A folder is no file."""
        store.put("folder/file", b"x")
        for path in ("nothing", "folder", "folder/other", "no/such/folder"):
            assert not store.exists(path)
            with pytest.raises(NotFound, match=f"no artifact {path}"):
                store.open(path)
            with pytest.raises(NotFound, match=f"no artifact {path}"):
                store.open(path, start=1, end=1)
            with pytest.raises(NotFound):
                store.info(path)
            with pytest.raises(NotFound):
                store.copy(path, "target")
        assert store.exists("folder/file")

    def test_delete_is_idempotent(self, store: ArtifactStore) -> None:
        """And a folder without files is gone."""
        store.put("a/b/c", b"x")
        store.put("a/d", b"x")
        for _ in range(2):
            store.delete("a/b/c")
            assert paths(store, recursive=False) == ["a/"]
            assert paths(store) == ["a/d"]
        store.delete("a")
        store.delete("never/was/there")
        assert paths(store) == ["a/d"]

    def test_delete_all_takes_a_folder_and_nothing_beside_it(self, store: ArtifactStore) -> None:
        """Names that begin the same stay."""
        for path in ("a/b/1", "a/b/c/2", "a/b.c", "a/b0", "ab/1"):
            store.put(path, b"x")
        assert store.delete_all("a/b/") == 2
        assert store.delete_all("a/b") == 0
        assert paths(store) == ["a/b.c", "a/b0", "ab/1"]
        assert store.delete_all("a/b0") == 1
        with pytest.raises(InvalidInput):
            store.delete_all("")

    def test_copy_has_the_same_content_and_is_its_own(self, store: ArtifactStore) -> None:
        """And is replaced and changed apart from it."""
        data = content(LARGE)
        store.put("a", data, content_type="text/x", expected_sha256=sha256(data))
        store.put("there/b", b"replaced")
        copied = store.copy("a", "there/b")
        assert (copied.path, copied.size) == ("there/b", LARGE)
        assert copied.sha256 in {sha256(data), None}
        store.put("a", b"changed")
        assert store.open("there/b").read_all() == data
        assert store.copy("a", "a").size == 7

    def test_names_are_only_names(self, store: ArtifactStore) -> None:
        """Nothing in them is decoded, expanded or trimmed."""
        for number, name in enumerate(STRANGE_NAMES):
            store.put(f"names/{name}", b"%d" % number)
        assert sorted(paths(store, "names")) == sorted(f"names/{name}" for name in STRANGE_NAMES)
        assert sorted(paths(store, "names", recursive=False)) == sorted(f"names/{name}" for name in STRANGE_NAMES)
        for number, name in enumerate(STRANGE_NAMES):
            assert store.open(f"names/{name}").read_all() == b"%d" % number
            store.copy(f"names/{name}", "copied")
            assert store.open("copied").read_all() == b"%d" % number
            store.delete(f"names/{name}")
            assert not store.exists(f"names/{name}")
        assert paths(store, "names") == []

    def test_name_in_another_unicode_form_is_the_same_name(self, store: ArtifactStore) -> None:
        """Names that look the same are the same."""
        decomposed, composed = "re\u0301sume\u0301", "r\u00e9sum\u00e9"
        assert store.put(decomposed, b"x").path == composed
        assert store.open(composed).read_all() == b"x"
        assert store.exists(decomposed)
        assert paths(store) == [composed]

    @pytest.mark.parametrize(
        "path",
        ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", "a/./b", "a\\b", "a\0b", "a\nb", "\x7f",
         "\x85", "\u2028", "\ud800", "a" * 256, "a/" * 600 + "b", ".katib/x", ".katib"],
    )  # fmt: skip
    def test_path_that_could_be_anything_else_is_refused_everywhere(self, store: ArtifactStore, path: str) -> None:
        """By the same rule in every call."""
        store.put("there", b"x")
        for call in (store.open, store.info, store.exists, store.delete, store.delete_all, store.begin):
            if path == "a/" and call == store.delete_all:
                continue
            with pytest.raises(InvalidInput, match="cannot be the path"):
                call(path)
        with pytest.raises(InvalidInput):
            store.put(path, b"x")
        with pytest.raises(InvalidInput):
            store.copy("there", path)
        with pytest.raises(InvalidInput):
            store.download_url(path, 60)
        assert paths(store) == ["there"]

    def test_lists_are_in_order_and_in_pages(self, store: ArtifactStore) -> None:
        """Byte by byte, with pages of any size."""
        files = sorted(
            ["x/a", "x/b.c", "x/b/1", "x/b/2", "x/b/c/3", "x/b0", "x/c", "x/d/e/f/4", "y", "x.y"], key=str.encode
        )
        for path in files:
            store.put(path, path.encode())
        assert paths(store) == files
        assert paths(store, recursive=False) == ["x.y", "x/", "y"]
        assert paths(store, "x", recursive=False) == ["x/a", "x/b.c", "x/b/", "x/b0", "x/c", "x/d/"]
        assert paths(store, "x/") == [path for path in files if path.startswith("x/")]
        assert paths(store, "x/b/c", recursive=False) == ["x/b/c/3"]
        assert paths(store, "y") == []
        assert paths(store, "nowhere") == []
        for folder in ("", "x", "x/b"):
            for recursive in (False, True):
                whole = paths(store, folder, recursive=recursive)
                for limit in (1, 2, 3):
                    found, after = [], None
                    for _ in range(len(whole) + 1):
                        page = store.list(folder, recursive=recursive, after=after, limit=limit)
                        found += [entry.place for entry in page.entries]
                        after = page.next
                        if after is None:
                            break
                    assert found == whole, (folder, recursive, limit)
        one = store.list("x").entries[0]
        assert (one.path, one.is_folder, one.size) == ("x/a", False, 3)
        assert one.modified is not None
        assert store.list("x").entries[2].is_folder

    def test_large_folder_in_a_list_counts_once(self, store: ArtifactStore) -> None:
        """However many requests it takes to read over it."""
        store.put("a", b"")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: store.put(f"m/{number:04d}", b""), range(1_050)))
        store.put("n/1", b"")
        store.put("z", b"")
        assert paths(store, recursive=False) == ["a", "m/", "n/", "z"]
        assert len(paths(store, "m")) == 1_000
        page = store.list("m", limit=10_000)
        assert len(page.entries) == 1_050
        assert page.next is None
        assert store.delete_all("m") == 1_050
        assert paths(store) == ["a", "n/1", "z"]

    @pytest.mark.parametrize("limit", [0, -1, 10_001])
    def test_page_of_a_size_that_is_none_is_refused(self, store: ArtifactStore, limit: int) -> None:
        """With what is allowed."""
        with pytest.raises(InvalidInput, match="a page has"):
            store.list(limit=limit)

    def test_addresses_are_for_a_while(self, store: ArtifactStore) -> None:
        """Both ways, or none."""
        store.put("a b/%2e", b"x")
        for seconds in (0, -1, 604_801):
            with pytest.raises(InvalidInput, match="a week"):
                store.download_url("a b/%2e", seconds)
            with pytest.raises(InvalidInput, match="a week"):
                store.upload_url("a b/%2e", seconds)
        down, up = store.download_url("a b/%2e", 60), store.upload_url("new", 60)
        assert (down is None) == (up is None)

    def test_upload_in_parts_becomes_the_file_when_it_is_committed(self, store: ArtifactStore, place: str) -> None:
        """Over several servers, in any order, each step twice."""
        first, second, third = content(6 * MIB, 1), content(9 * MIB, 2), content(5, 3)
        store.put("model", b"before")
        upload = store.begin("model", content_type="application/x-model")
        late = store.put_part(upload, 7, pieces(second))
        last = open_artifacts(place).put_part(upload, 9_000, third)  # another server
        early = store.put_part(upload, 1, pieces(content(100)))
        early = store.put_part(
            upload, 1, pieces(first), expected_sha256=sha256(first)
        )  # sent twice, the last one counts
        assert (late.number, late.size, late.sha256) == (7, 9 * MIB, sha256(second))
        assert store.open("model").read_all() == b"before"
        assert paths(store) == ["model"]
        parts = [(part.number, part.sha256) for part in (early, late, last)]
        info = open_artifacts(place).commit(upload, parts)
        assert info.path == "model"
        assert info.sha256 == sha256(first + second + third)
        assert store.open("model").read_all() == first + second + third
        store.put("model", b"replaced since")
        assert open_artifacts(place).commit(upload, parts) == info
        assert store.open("model").read_all() == b"replaced since"
        with pytest.raises(Conflict, match="with other parts"):
            store.commit(upload, parts[:1])
        with pytest.raises(Conflict, match="is committed"):
            store.put_part(upload, 2, b"x")
        store.abort(upload)
        assert store.open("model").read_all() == b"replaced since"
        assert paths(store) == ["model"]

    def test_commit_of_what_was_not_sent_stores_nothing_and_can_be_mended(self, store: ArtifactStore) -> None:
        """The parts that are right stay."""
        upload = store.begin("model")
        part = store.put_part(upload, 1, b"one")
        for parts, text in [
            ([], "at least one part"),
            ([(1, part.sha256), (1, part.sha256)], "each once"),
            ([(2, part.sha256), (1, part.sha256)], "in the order"),
            ([(1, part.sha256), (2, part.sha256)], "part 2 .* was not stored"),
            ([(1, sha256(b"other"))], "part 1 .* is not the one"),
            ([(1, "x")], "64 hexadecimal"),
        ]:
            with pytest.raises(InvalidInput, match=text):
                store.commit(upload, parts)
        with pytest.raises(InvalidInput, match="is not what was announced"):
            store.put_part(upload, 2, b"two", expected_sha256=part.sha256)
        for number in (0, 10_001):
            with pytest.raises(InvalidInput, match="number of a part"):
                store.put_part(upload, number, b"two")
        assert not store.exists("model")
        assert store.commit(upload, [(1, part.sha256)]).size == 3

    def test_upload_that_is_not_what_was_announced_stores_nothing(self, store: ArtifactStore) -> None:
        """Until the wrong part is sent again."""
        upload = store.begin("model", expected_sha256=sha256(b"onetwo"))
        one, two = store.put_part(upload, 1, b"one"), store.put_part(upload, 2, b"twe")
        with pytest.raises(InvalidInput, match="is not what was announced"):
            store.commit(upload, [(1, one.sha256), (2, two.sha256)])
        assert not store.exists("model")
        two = store.put_part(upload, 2, b"two")
        assert store.commit(upload, [(1, one.sha256), (2, two.sha256)]).sha256 == sha256(b"onetwo")

    def test_commits_at_the_same_time_answer_the_same(self, store: ArtifactStore) -> None:
        """One file comes of it."""
        upload = store.begin("model")
        part = store.put_part(upload, 1, content(MIB))
        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(lambda _: store.commit(upload, [(1, part.sha256)]), range(4)))
        assert {(info.path, info.size, info.sha256) for info in done} == {("model", MIB, part.sha256)}
        assert store.open("model").read_all() == content(MIB)

    @pytest.mark.parametrize("upload", ["", "x", "../../model", "0" * 32, "0" * 31 + "/", "%2e%2e", "é" * 32])
    def test_upload_that_was_never_begun_is_told_so(self, store: ArtifactStore, upload: str) -> None:
        """And its id leads nowhere."""
        with pytest.raises(NotFound, match="no upload"):
            store.put_part(upload, 1, b"x")
        with pytest.raises(NotFound, match="no upload"):
            store.commit(upload, [(1, sha256(b"x"))])

    def test_aborted_upload_is_gone(self, store: ArtifactStore) -> None:
        """With its parts."""
        upload = store.begin("model")
        store.put_part(upload, 1, b"x")
        for _ in range(2):
            store.abort(upload)
        with pytest.raises(NotFound, match="no upload"):
            store.put_part(upload, 1, b"x")
        assert list(store.uploads()) == []
        assert store.purge(0) == 0

    def test_stale_uploads_are_seen_and_purged(self, store: ArtifactStore) -> None:
        """Those that are not stale stay."""
        kept = store.put("kept", b"x")
        one, other = store.begin("model"), store.begin("plot")
        store.put_part(one, 1, content(MIB))
        found = {upload.id: upload for upload in store.uploads()}
        assert set(found) == {one, other}
        assert found[one].path == "model"
        assert MIB < found[one].size < MIB + 1_000
        assert store.purge(3_600) == 0
        assert {upload.id for upload in store.uploads()} == {one, other}
        assert store.purge(0) == 2
        assert list(store.uploads()) == []
        assert store.info("kept").size == kept.size
        with pytest.raises(InvalidInput, match="an age"):
            store.purge(-1)

    def test_own_folder_is_in_no_list(self, store: ArtifactStore) -> None:
        """And nobody can ask for it."""
        store.put("a", b"x")
        store.begin("b")
        assert paths(store) == ["a"]
        assert paths(store, recursive=False) == ["a"]
        with pytest.raises(InvalidInput, match="the store's own"):
            store.list(".katib")

    def test_killed_writer_leaves_nothing_that_counts(self, store: ArtifactStore, place: str) -> None:
        """Nothing visible; the next write works."""
        store.put("model", b"before")
        writer = subprocess.Popen(  # noqa: S603 - the script above
            [sys.executable, "-c", KILLED_WRITER, place], stdout=subprocess.PIPE, text=True
        )
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "writing\n"
            assert store.open("model").read_all() == b"before"
            assert paths(store) == ["model"]
            assert store.purge(0) == 0  # it lives
        finally:
            writer.kill()
            writer.communicate()
        assert store.open("model").read_all() == b"before"
        assert store.put("model", b"after").size == 5
        self.check_leftovers(store)
        assert store.open("model").read_all() == b"after"

    def check_leftovers(self, store: ArtifactStore) -> None:
        """Check what a killed writer left; a folder has its file, which is purged, a bucket has parts that no list shows."""
        assert store.purge(0) in {0, 1}
        assert store.purge(0) == 0

    def test_reader_that_is_given_up_lets_go(self, store: ArtifactStore) -> None:
        """And reads no more."""
        store.put("a", content(4 * MIB))
        with store.open("a") as reader:
            assert len(list(islice(reader, 1))) == 1
        assert list(reader) == []
        reader.close()
        assert "ArtifactReader('a'" in repr(reader)
