"""Artifacts where it hurts: a real S3 server, one that is away, mute or refuses; disks that are full; links that appear while one writes."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import traceback
import urllib.request

import pytest

from katib.errors import Conflict, Denied, InvalidInput, KatibError, NotFound, Retry, StoreUnavailable
from katib.store.artifacts import open_artifacts
from katib.testing.artifact_contract import LARGE, ArtifactContract, content, paths, pieces
from katib.testing.s3_server import SECRET_KEY, S3Server

MIB = 1 << 20


@pytest.fixture(scope="module")
def server():
    if S3Server.missing():
        pytest.skip(S3Server.missing())
    with S3Server() as running:
        yield running


@pytest.fixture(autouse=True)
def no_keys_of_this_machine(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)


class TestS3(ArtifactContract):
    @pytest.fixture
    def place(self, server):
        self.server = server
        self.bucket = server.new_bucket()
        return server.url(self.bucket)

    @pytest.fixture(autouse=True)
    def nothing_unfinished(self, request, place):  # noqa: ARG002 - the bucket is made there
        """Whatever fails, no parts are left that the bucket's owner pays for; except where the writer was killed."""
        yield
        if "killed" not in request.node.name:
            assert self.server.unfinished(self.bucket) == 0

    def check_leftovers(self, store):
        assert store.purge(0) == 0

    def test_address_reads_and_writes_without_us(self, store):
        store.put("a b/%2e", b"content")
        with urllib.request.urlopen(store.download_url("a b/%2e", 60)) as answer:  # noqa: S310
            assert answer.read() == b"content"
        request = urllib.request.Request(store.upload_url("new", 60), data=b"sent", method="PUT")  # noqa: S310
        request.add_header("Content-Type", "application/octet-stream")
        with urllib.request.urlopen(request):  # noqa: S310
            assert store.open("new").read_all() == b"sent"
        assert store.info("new").sha256 is None

    def test_prefixes_of_one_bucket_see_nothing_of_each_other(self, store):
        other = open_artifacts(self.server.url(self.bucket, "runs/of"))
        store.put("a", b"x")
        assert paths(other) == []
        beside = open_artifacts(self.server.url(self.bucket, "runs/of test"))
        assert paths(beside) == []
        whole = open_artifacts(self.server.url(self.bucket, ""))
        assert paths(whole) == ["runs/of tests/a"]
        with pytest.raises(InvalidInput, match="too long"):
            store.put("/".join(["a" * 202] * 5), b"x")

    def test_bucket_that_is_not_there(self, server):
        store = open_artifacts(server.url("nobody-made-it"))
        for call in (lambda: store.put("a", b"x"), lambda: store.open("a"), store.list, lambda: store.purge(0)):
            with pytest.raises(StoreUnavailable, match="make the bucket first"):
                call()

    def test_server_that_comes_back_is_used_again(self):
        with S3Server() as own:
            bucket = own.new_bucket()
            store = open_artifacts(own.url(bucket), patience=2)
            store.put("a", b"x")
            own.kill()
            for call in calls(store):
                with pytest.raises(StoreUnavailable, match="not available: no connection") as caught:
                    call()
                assert caught.value.retry is Retry.LATER
            own.start()
            assert own._ask("PUT", bucket) is not None
            assert store.put("a", b"y").size == 1
            assert store.open("a").read_all() == b"y"


def calls(store):
    """Return each way to ask."""
    return [
        lambda: store.put("a", b"x"),
        lambda: store.put("a", pieces(content(LARGE))),
        lambda: store.open("a"),
        lambda: store.info("a"),
        lambda: store.exists("a"),
        store.list,
        lambda: store.delete("a"),
        lambda: store.delete_all("a"),
        lambda: store.copy("a", "b"),
        lambda: store.begin("a"),
        lambda: store.purge(0),
    ]


@contextlib.contextmanager
def answering(answer):
    """Listen, and answer everything the same, or nothing at all."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            while True:
                connection = held.enter_context(listener.accept()[0])
                if answer is not None:
                    connection.recv(65_536)
                    connection.sendall(answer)
                    connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def http(status, code):
    body = f"<Error><Code>{code}</Code><Message>{SECRET_KEY}</Message></Error>"
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (None, StoreUnavailable, "did not answer in time"),
        (b"", StoreUnavailable, "not available"),
        (b"SSH-2.0-hello\r\n", StoreUnavailable, "not available"),
        (http(503, "SlowDown"), StoreUnavailable, "it answered 503"),
        (http(500, "InternalError"), StoreUnavailable, "it answered 500"),
        (http(507, "Full"), StoreUnavailable, "it answered 507"),
        (http(429, "TooMany"), StoreUnavailable, "it answered 429"),
        (http(403, "AccessDenied"), Denied, "refuses the credentials"),
        (http(401, "Unauthorized"), Denied, "refuses the credentials"),
        (http(400, "AuthorizationHeaderMalformed"), InvalidInput, "region and endpoint"),
    ],
)
def test_storage_that_does_not_do_it_is_told_in_a_sentence_without_secrets(answer, kind, text):
    pytest.importorskip("obstore")
    with answering(answer) as endpoint:
        store = open_artifacts(
            f"s3://bucket/prefix?endpoint={endpoint}&region=r&access_key_id=k&secret_access_key=katib%2Ftest%2Bsecret",
            patience=0.5,
        )
        for call in calls(store)[:3]:
            with pytest.raises(kind, match=text) as caught:
                call()
            said = "".join(traceback.format_exception(caught.value))
            assert SECRET_KEY not in said
            assert "s3://bucket/prefix " in str(caught.value)
            assert "\n" not in str(caught.value)


def test_repr_and_place_hold_no_secret():
    pytest.importorskip("obstore")
    store = open_artifacts("s3://bucket/a/b?access_key_id=hidden1&secret_access_key=hidden2&region=r")
    assert repr(store) == "ArtifactStore('s3://bucket/a/b')"
    assert store.place == "s3://bucket/a/b"
    seen = repr([vars(store), vars(store._backend)])
    assert "hidden" not in seen


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system of a size of its own can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_stores_nothing_and_loses_nothing(small_disk):
    store = open_artifacts(small_disk)
    store.put("kept", content(MIB))
    for path in ("kept", "new/one"):
        with pytest.raises(StoreUnavailable, match="no space is left") as caught:
            store.put(path, pieces(content(8 * MIB)))
        assert caught.value.retry is Retry.LATER
    upload = store.begin("model")
    with pytest.raises(StoreUnavailable, match="no space is left"):
        store.put_part(upload, 1, pieces(content(8 * MIB)))
    assert store.open("kept").read_all() == content(MIB)
    assert paths(store) == ["kept"]
    assert list((small_disk / ".katib/incoming").iterdir()) == []
    assert store.put("new/one", content(2 * MIB)).size == 2 * MIB


def test_folder_that_is_gone_is_away_not_empty(tmp_path):
    root = tmp_path / "artifacts"
    store = open_artifacts(root)
    store.put("a", b"x")
    root.rename(tmp_path / "elsewhere")
    for call in calls(store):
        with pytest.raises(StoreUnavailable, match="fails"):
            call()
    (tmp_path / "elsewhere").rename(root)
    assert store.open("a").read_all() == b"x"


class TestLinks:
    """Whatever is put into the folder by others, nothing outside is read, written or removed."""

    @pytest.fixture
    def outside(self, tmp_path):
        folder = tmp_path / "outside"
        folder.mkdir()
        (folder / "secret").write_bytes(b"secret")
        return folder

    @pytest.fixture
    def root(self, tmp_path):
        return tmp_path / "root"

    @pytest.fixture
    def store(self, root):
        return open_artifacts(root)

    @pytest.fixture(autouse=True)
    def nothing_happens_outside(self, outside):
        yield
        assert [each.name for each in outside.iterdir()] == ["secret"]
        assert (outside / "secret").read_bytes() == b"secret"

    def test_links_are_not_there(self, store, root, outside):
        (root / "folder").symlink_to(outside)
        (root / "file").symlink_to(outside / "secret")
        os.mkfifo(root / "pipe")
        os.link(outside / "secret", root / "hard")  # a hard link is a file as any other
        assert paths(store) == ["hard"]
        assert paths(store, "folder") == []
        for path in ("folder/secret", "file", "pipe", "folder"):
            with pytest.raises(NotFound):
                store.open(path)
            assert not store.exists(path)
        for call in (
            lambda: store.put("folder/new", b"x"),
            lambda: store.put("folder/secret", b"x", if_absent=True),
            lambda: store.copy("hard", "folder/secret"),
        ):
            with pytest.raises(Conflict, match="a file or a link"):
                call()
        with contextlib.suppress(KatibError):
            store.delete("folder/secret")
        store.delete_all("folder")
        store.put("file", b"mine")
        assert store.open("file").read_all() == b"mine"
        store.put("hard", b"mine")
        assert store.open("hard").read_all() == b"mine"

    def test_own_folder_that_is_a_link_is_refused(self, store, root, outside):
        (root / ".katib").symlink_to(outside)
        with pytest.raises((Conflict, StoreUnavailable)):
            store.put("a", b"x")
        with pytest.raises((Conflict, StoreUnavailable)):
            store.begin("a")
        with contextlib.suppress(KatibError):
            store.purge(0)

    def test_link_that_appears_while_a_file_is_written(self, store, root, outside):
        store.put("a/b/secret", b"old")

        def swaps():
            yield content(MIB)
            (root / "a").rename(root / "moved")
            (root / "a").symlink_to(outside.parent)
            (outside.parent / "b").symlink_to(outside)
            yield content(MIB)

        with pytest.raises(Conflict, match="a file or a link"):
            store.put("a/b/secret", swaps())
        assert list((root / ".katib/incoming").iterdir()) == []

    def test_target_that_becomes_a_link_is_replaced_not_followed(self, store, root, outside):
        def swaps():
            yield b"1"
            (root / "a").symlink_to(outside / "secret")
            yield b"2"

        store.put("a", swaps())
        assert store.open("a").read_all() == b"12"
        assert not (root / "a").is_symlink()

    def test_link_that_flips_all_the_time(self, store, root, outside):
        """What is at the name in the moment of each step counts, not what was there before."""
        stop = threading.Event()

        def flips():
            while not stop.is_set():
                (root / "next").symlink_to(outside)
                with contextlib.suppress(OSError):
                    shutil.rmtree(root / "x")
                with contextlib.suppress(OSError):
                    (root / "next").rename(root / "x")
                with contextlib.suppress(OSError):
                    (root / "next").unlink()
                with contextlib.suppress(OSError):
                    (root / "x").unlink()
                with contextlib.suppress(OSError):
                    (root / "x").mkdir()
                    (root / "x/secret").write_bytes(b"mine")

        thread = threading.Thread(target=flips)
        thread.start()
        try:
            for number in range(150):
                with contextlib.suppress(KatibError):
                    assert store.open("x/secret").read_all() != b"secret"
                with contextlib.suppress(KatibError):
                    store.put(f"x/new-{number % 5}", b"x")
                with contextlib.suppress(KatibError):
                    store.delete("x/secret")
                with contextlib.suppress(KatibError):
                    store.delete_all("x")
        finally:
            stop.set()
            thread.join()

    def test_file_below_a_file_and_over_a_folder(self, store):
        store.put("a/b", b"x")
        for path in ("a", "a/b/c"):
            with pytest.raises(Conflict, match="a file or a link, or the whole is a folder"):
                store.put(path, b"y")
            with pytest.raises(Conflict):
                store.put(path, b"y", if_absent=True)
        assert store.open("a/b").read_all() == b"x"

    def test_names_that_no_path_can_have_are_left_alone(self, store, root):
        for name in (b"\xff\xfe", b"new\nline", b"back\\slash", "e\u0301".encode()):
            (root / os.fsdecode(name)).write_bytes(b"x")
        assert paths(store) == []
        assert len(list(root.iterdir())) == 4


def test_changed_behind_our_back_has_no_checksum_any_more(tmp_path):
    store = open_artifacts(tmp_path / "root")
    stored = store.put("a", b"one", content_type="text/plain")
    assert store.info("a").sha256 in {stored.sha256, None}
    (tmp_path / "root/a").write_bytes(b"two")
    assert store.info("a").sha256 is None
    assert store.info("a").etag != stored.etag


def test_files_are_for_their_owner(tmp_path):
    store = open_artifacts(tmp_path / "root")
    store.put("a/b", b"x")
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "root/a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "root/a/b").stat().st_mode & 0o777 == 0o600


def test_writers_and_who_deletes_their_folder_do_not_harm_each_other(tmp_path):
    store = open_artifacts(tmp_path / "root")
    stop = threading.Event()

    def deletes():
        while not stop.is_set():
            store.delete_all("a")

    thread = threading.Thread(target=deletes)
    thread.start()
    try:
        for number in range(200):
            store.put(f"a/b/c/{number}", b"x")
    finally:
        stop.set()
        thread.join()
    store.delete_all("a")
    assert paths(store, recursive=False) == []


# Not by getrusage: its peak begins with that of the process that started this one.
BOUNDED = """
import sys
from pathlib import Path
from katib.store.artifacts import open_artifacts
store = open_artifacts(sys.argv[1])
store.put("warm", b"x")
store.open("warm").read_all()
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

before = peak()
def fresh(count):
    # Memory of its own for each piece, and touched: what is all zeros or always the same takes no room.
    return (bytes([number % 251 + 1]) * (1 << 20) for number in range(count))

store.put("large", fresh(300))
upload = store.begin("joined")
part = store.put_part(upload, 1, fresh(150))
store.commit(upload, [(1, part.sha256)])
print(sum(len(piece) for piece in store.open("large")), peak() - before)
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_memory_is_bounded_whatever_the_size(kind, tmp_path, request):
    place = str(tmp_path / "root")
    if kind == "s3":
        server = request.getfixturevalue("server")
        place = server.url(server.new_bucket())
    done = subprocess.run([sys.executable, "-c", BOUNDED, place], check=True, capture_output=True, text=True)
    read, grown = map(int, done.stdout.split())
    assert read == 300 * MIB
    assert grown < 64 * 1024
