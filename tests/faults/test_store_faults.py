"""The store under faults: killed writers, full disks, damaged and foreign files, locks that are not given back."""

import contextlib
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from katib.errors import StoreUnavailable
from katib.store import open_store
from katib.testing.store_promises.specimens import an_experiment, recorded, reports, trial

NOBODY = 65534

WRITER = """
import sys
from katib.api.trial import TrialState
from katib.store import open_store
from katib.testing.store_promises.specimens import reports, trial

store = open_store(sys.argv[1])
uid = sys.argv[2]
for index in range(store.count_trials(uid), 100_000):
    with store.transaction():
        store.record_trials(uid, [trial(index)])
        store.append_observations(uid, f"search-{index:04d}", reports(3), first_sequence=0, checkpoint={"at": 3})
    print(f"started {index}", flush=True)
    with store.transaction():
        store.append_observations(
            uid, f"search-{index:04d}", reports(3, start=3), first_sequence=3, checkpoint={"at": 6}
        )
        store.record_trials(uid, [trial(index, TrialState.SUCCEEDED)])
    print(f"finished {index}", flush=True)
"""
"""Two commits for each trial; each is acknowledged on standard output."""


def rows_of(path, query):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def run_limited(script, *arguments):
    """Run a script in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return done.stdout


# -- killed -----------------------------------------------------------------------------------------------------------


def test_a_killed_writer_loses_nothing_it_was_told_is_stored(tmp_path):
    path, seeded = tmp_path / "store.db", random.Random(7)
    with open_store(path) as store:
        uid = recorded(store)
    acknowledged = set()
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), uid], stdout=subprocess.PIPE, text=True)
        for _ in range(seeded.randrange(1, 120)):
            acknowledged.add(writer.stdout.readline().strip())
        writer.kill()
        acknowledged.update(writer.communicate()[0].splitlines())
        assert writer.returncode == -signal.SIGKILL
        with open_store(path) as store:
            trials = store.trials(uid)
            # Every transaction is there as a whole or not at all.
            assert [record.index for record in trials] == list(range(len(trials)))
            for record in trials:
                stored = 3 if record.state.is_active else 6
                assert len(store.series(uid, record.name)) == stored
                assert store.summaries(uid, record.name)["loss"].count == stored
                assert store.collector_state(uid, record.name) == ({"at": stored}, stored)
            there = {f"started {record.index}" for record in trials}
            there |= {f"finished {record.index}" for record in trials if not record.state.is_active}
            assert acknowledged <= there
        assert rows_of(path, "PRAGMA integrity_check") == [("ok",)]
    assert len(acknowledged) > 100


def test_a_process_killed_while_it_creates_the_store(tmp_path):
    script = """
import os, sys
from katib.store.sql import migrate
from katib.store import open_store
create = migrate._create
def create_and_die(connection, **options):
    create(connection, **options)
    os.kill(os.getpid(), 9)
migrate._create = create_and_die
open_store(sys.argv[1])
"""
    path = tmp_path / "store.db"
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with open_store(path) as store:
        assert store.experiments() == []


# -- no room ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(store, uid, events=2000):
    """Record events until there is no room; return how many were acknowledged and what the last was told."""
    for number in range(events):
        try:
            store.record_event(uid, f"Reason{number}", "x" * 5000)
        except StoreUnavailable as error:
            return number, str(error)
    raise AssertionError("there is room without end")


def record_too_much(store, uid):
    """Fail in the middle of a transaction."""
    with store.transaction():
        store.record_trials(uid, [trial(1)])
        store.record_event(uid, "Big", "x" * 2**22)


def test_a_full_disk_is_said_and_loses_nothing(small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 2**20)
    path = small_disk / "store.db"
    with open_store(path) as store:
        uid = recorded(store, trials=1)
        stored, told = fill(store, uid)
        assert "is full" in told
        assert str(path) in told
        # What is stored can be read, by this process and by the next, and nothing of the failed calls is there.
        assert len(store.events(uid)) == stored > 10
        with pytest.raises(StoreUnavailable):
            record_too_much(store, uid)
        assert store.trials(uid) == [trial(0)]
        filler.unlink()
        store.record_event(uid, "Room", "again")
        assert [event.reason for event in store.events(uid)][-1] == "Room"
    with open_store(path) as store:
        assert [event.reason for event in store.events(uid)] == [*(f"Reason{n}" for n in range(stored)), "Room"]
    assert rows_of(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_store_cannot_be_made_on_a_full_disk(small_disk):
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreUnavailable, match=r"full|failed|cannot"):
        open_store(small_disk / "store.db")
    filler.unlink()
    with open_store(small_disk / "store.db") as store:
        assert store.experiments() == []


def test_a_limit_on_file_size_is_said_and_loses_nothing(tmp_path):
    # What a quota does, without being root: writes beyond the limit fail.
    script = """
import resource, signal, sys
from katib.errors import StoreUnavailable
from katib.store import open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store, uid = open_store(sys.argv[1]), sys.argv[2]
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
number = 0
try:
    while True:
        store.record_event(uid, f"Reason{number}", "x" * 5000)
        number += 1
except StoreUnavailable as error:
    told = str(error)
assert len(store.events(uid)) == number, (number, len(store.events(uid)))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.record_event(uid, "Room", "again")
print(number, told)
"""
    path = tmp_path / "store.db"
    with open_store(path) as store:
        uid = recorded(store)
    stored, told = run_limited(script, path, uid).split(" ", 1)
    assert "reading or writing failed" in told
    assert "check the disk and its space" in told
    with open_store(path) as store:
        assert [event.reason for event in store.events(uid)] == [*(f"Reason{n}" for n in range(int(stored))), "Room"]


def test_no_descriptors_left(tmp_path):
    path = tmp_path / "store.db"
    with open_store(path) as store:
        store.create_experiment(an_experiment())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # the standard streams' only
        with pytest.raises(StoreUnavailable, match="cannot be opened"):
            open_store(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with open_store(path) as store:
        assert len(store.experiments()) == 1


# -- the wrong file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"# Results\n" * 500, b"\x00" * 8192, b"results", b"\x89PNG" * 16])
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content):
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="not a database of katib"):
        open_store(path)
    assert path.read_bytes() == content


def filled_store(path, trials=200):
    with open_store(path) as store:
        uid = recorded(store, trials=trials)
        for index in range(trials):
            store.append_observations(uid, f"search-{index:04d}", reports(20), first_sequence=0)
    return uid


def test_a_damaged_file_is_said_to_be_damaged(tmp_path):
    path = tmp_path / "store.db"
    uid = filled_store(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreUnavailable, match="damaged"), open_store(path) as store:
        store.trials(uid)


@pytest.mark.parametrize("seed", range(12))
def test_a_file_damaged_anywhere_is_never_a_crash(tmp_path, seed):
    path, seeded = tmp_path / "store.db", random.Random(seed)
    uid = filled_store(path, trials=20)
    content = bytearray(path.read_bytes())
    for _ in range(40):
        at = seeded.randrange(100, len(content))
        content[at] = seeded.randrange(256)
    path.write_bytes(content[: seeded.randrange(len(content) // 2, len(content) + 1)])
    with contextlib.suppress(StoreUnavailable), open_store(path) as store:
        for summary in store.experiments():
            for record in store.trials(summary.uid):
                store.series(summary.uid, record.name)
                store.summaries(summary.uid, record.name)
        store.record_event(uid, "Reason", "message")


def test_a_lost_log_of_a_closed_store_is_no_loss(tmp_path):
    path = tmp_path / "store.db"
    uid = filled_store(path)
    for name in ("store.db-wal", "store.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    with open_store(path) as store:
        assert store.count_trials(uid) == 200


# -- no permission ----------------------------------------------------------------------------------------------------


@pytest.fixture
def as_nobody():
    """Give a folder of an ordinary user, and work as that user: root may write everything."""
    folder = Path(tempfile.mkdtemp(prefix="katib-store-"))
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        shutil.rmtree(folder)


def test_a_folder_that_may_not_be_written(as_nobody):
    as_nobody.chmod(0o500)
    with pytest.raises(StoreUnavailable, match="cannot create the store"):
        open_store(as_nobody / "store.db")
    with pytest.raises(StoreUnavailable, match="cannot create the store"):
        open_store(as_nobody / "deeper" / "store.db")


def test_a_store_in_a_folder_that_became_read_only(as_nobody):
    path = as_nobody / "store.db"
    with open_store(path) as store:
        store.create_experiment(an_experiment())
    as_nobody.chmod(0o500)
    with pytest.raises(StoreUnavailable, match=r"cannot be (opened|written); check"), open_store(path) as store:
        store.create_experiment(an_experiment("second"))
    as_nobody.chmod(0o700)
    with open_store(path) as store:
        assert [item.name for item in store.experiments()] == ["search"]


def test_a_file_that_became_read_only(as_nobody):
    path = as_nobody / "store.db"
    with open_store(path) as store:
        store.create_experiment(an_experiment())
    path.chmod(0o400)
    with pytest.raises(StoreUnavailable, match=r"cannot be (opened|written); check"), open_store(path) as store:
        store.create_experiment(an_experiment("second"))
    path.chmod(0o000)
    with pytest.raises(StoreUnavailable, match="cannot be opened; check"):
        open_store(path)


# -- locked -----------------------------------------------------------------------------------------------------------


def hold_lock(path, held, release):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    held.set()
    release.wait()
    connection.execute("COMMIT")
    connection.close()


@contextlib.contextmanager
def locked(path):
    """Have another process hold the write lock; yields what makes it let go."""
    context = multiprocessing.get_context("fork")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=hold_lock, args=(path, held, release))
    holder.start()
    held.wait()
    try:
        yield release
    finally:
        release.set()
        holder.join()


def test_a_lock_beyond_patience_is_said(tmp_path):
    path = tmp_path / "store.db"
    open_store(path).close()
    with locked(path), open_store(path, patience=0.2) as store:
        assert store.experiments() == []  # readers do not care
        with pytest.raises(StoreUnavailable, match=r"locked for longer than 0\.2 s"):
            store.create_experiment(an_experiment())
        with pytest.raises(StoreUnavailable, match="locked"), store.transaction():
            pass
    with open_store(path) as store:
        store.create_experiment(an_experiment())
        assert len(store.experiments()) == 1


def test_a_lock_within_patience_is_waited_for(tmp_path):
    path = tmp_path / "store.db"
    open_store(path).close()
    with locked(path) as release, open_store(path, patience=60) as store:
        context = multiprocessing.get_context("fork")
        releaser = context.Process(target=release.set)
        releaser.start()
        store.create_experiment(an_experiment())
        releaser.join()
        assert len(store.experiments()) == 1


def test_a_new_file_that_another_process_keeps_locked(tmp_path):
    path = tmp_path / "store.db"
    path.touch()
    with locked(path), pytest.raises(StoreUnavailable, match="locked"):
        open_store(path, patience=0.2)
    with open_store(path) as store:
        assert store.experiments() == []


def test_a_writer_that_is_killed_gives_its_lock_back(tmp_path):
    script = """
import os, sys
from katib.store import open_store
from katib.testing.store_promises.specimens import an_experiment
store = open_store(sys.argv[1])
with store.transaction():
    store.create_experiment(an_experiment())
    os.kill(os.getpid(), 9)
"""
    path = tmp_path / "store.db"
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with open_store(path, patience=1) as store:
        assert store.experiments() == []
        store.create_experiment(an_experiment())
