"""Stores on database servers under faults: away, killed, cut off in the middle, locked, full, and asked for too much at once."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from katib.errors import InvalidInput, StoreUnavailable
from katib.store import open_store, upgrade_store
from katib.store.sql.dialects.postgresql import _LOCK_KEY
from katib.testing.database_servers import MariadbServer, PostgresqlServer
from katib.testing.store_promises.specimens import an_experiment, recorded, reports, trial

WRITERS = 8


def database_of(url):
    return url.rsplit("/", 1)[1]


def cut_connections(server, url):
    """End every connection to a database from the server's side."""
    if server.name == "PostgreSQL":
        server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database_of(url)}'"  # noqa: S608
        )
    else:
        for (number,) in server.execute(
            f"SELECT id FROM information_schema.processlist WHERE db = '{database_of(url)}'"  # noqa: S608
        ):
            server.execute(f"KILL {number}")


@contextlib.contextmanager
def before(kind, action):
    """Do something once, before the first statement that begins so (or before a commit)."""
    done = []

    def statement(_connection, _cursor, text, *_rest):
        if not done and text.startswith(kind):
            done.append(text)
            action()

    def commit(_connection):
        if not done and kind == "COMMIT":
            done.append(kind)
            action()

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        yield done
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


# -- away -------------------------------------------------------------------------------------------------------------


def test_a_server_that_is_away_is_said_and_its_return_noticed(server):
    url = server.new_store()
    with open_store(url) as store:
        uid = recorded(store)
        with server.paused():
            with pytest.raises(StoreUnavailable, match="cannot be reached"):
                store.record_event(uid, "Away", "message")
            for ask in (open_store, upgrade_store):
                with pytest.raises(StoreUnavailable, match="cannot be reached") as told:
                    ask(url)
                assert "w%3Ard" not in str(told.value)
        assert store.events(uid) == []
        store.record_event(uid, "Back", "message")
        assert [item.reason for item in store.events(uid)] == ["Back"]


def test_what_is_wrong_with_a_url_is_said(server):
    url = server.new_store()
    for wrong, sentence in [
        (url.replace("p%40ss", "other"), "refuses the user or the password"),
        (url.replace(database_of(url), "nowhere"), "no such .*database"),
    ]:
        with pytest.raises(StoreUnavailable, match=sentence):
            open_store(wrong)


def test_a_connection_that_is_cut_between_calls_is_made_again(server):
    url = server.new_store()
    with open_store(url) as store:
        uid = recorded(store)
        for number in range(3):
            cut_connections(server, url)
            store.record_event(uid, f"Reason{number}", "message")
            cut_connections(server, url)
            assert len(store.events(uid)) == number + 1


def test_a_call_that_is_cut_off_before_its_commit_is_made_again(server):
    url = server.new_store()
    with open_store(url) as store:
        uid = recorded(store)
        with before("INSERT INTO events", lambda: cut_connections(server, url)) as cut:
            store.record_event(uid, "Reason", "message")
        assert cut
        with before("SELECT events", lambda: cut_connections(server, url)) as cut:
            (found,) = store.events(uid)
        assert cut
        assert found.count == 1


def test_a_call_that_is_cut_off_in_its_commit_is_not_made_again(server):
    url = server.new_store()
    with open_store(url) as store:
        uid = recorded(store)
        with (
            before("COMMIT", lambda: cut_connections(server, url)),
            pytest.raises(StoreUnavailable, match="as a whole or not at all: look before"),
        ):
            store.record_event(uid, "Reason", "message")
        assert store.events(uid) == []  # here it was cut off before the server knew


def test_a_transaction_that_is_cut_off_leaves_nothing_and_says_so(server):
    url = server.new_store()

    def change():
        with store.transaction():
            store.record_event(uid, "Before", "message")
            cut_connections(server, url)
            with pytest.raises(StoreUnavailable, match="lost"):
                store.record_event(uid, "Between", "message")
            with pytest.raises(StoreUnavailable, match="lost"):
                store.record_event(uid, "After", "message")

    with open_store(url) as store:
        uid = recorded(store)
        with pytest.raises(StoreUnavailable, match="lost"):
            change()
        assert store.events(uid) == []
        store.record_event(uid, "Later", "message")
        assert len(store.events(uid)) == 1


# -- locked -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def foreign(server, url, *statements):
    """Hold a transaction open from another program."""
    with contextlib.closing(server.connect(database_of(url))) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        yield cursor
        connection.rollback()


def test_a_lock_beyond_patience_is_said(server):
    url = server.new_store()
    lock = {
        "PostgreSQL": f"SELECT pg_advisory_xact_lock({_LOCK_KEY})",
        "MariaDB": "SELECT * FROM counters WHERE name = 'writers' FOR UPDATE",
    }[server.name]
    with open_store(url, patience=1) as store:
        with foreign(server, url, lock):
            assert store.experiments() == []  # readers do not care
            with pytest.raises(StoreUnavailable, match="locked for longer than 1 s"):
                store.create_experiment(an_experiment())
            with pytest.raises(StoreUnavailable, match="locked"), store.transaction():
                pass
        store.create_experiment(an_experiment())
        assert len(store.experiments()) == 1


def test_a_deadlock_reaches_nobody(server):
    url = server.new_store()
    with open_store(url) as store:
        uid = recorded(store)
        heavy = [f"INSERT INTO counters VALUES ('of another {number}', 0)" for number in range(20)]  # noqa: S608
        with foreign(server, url, *heavy, "SELECT * FROM counters WHERE name = 'change' FOR UPDATE") as cursor:
            writer = threading.Thread(target=store.record_event, args=(uid, "Reason", "message"))
            writer.start()  # it has the experiment and waits for the counter
            time.sleep(0.3)
            with contextlib.suppress(Exception):  # either of the two may be the one that is broken off
                cursor.execute("SELECT id FROM experiments FOR UPDATE")
                cursor.connection.rollback()
            cursor.connection.rollback()
            writer.join()
        assert [item.count for item in store.events(uid)] == [1]


def test_32_writers_are_told_of_no_lock(server):
    url = server.new_store()
    script = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from katib.api.trial import TrialState
from katib.store import open_store
from katib.testing.store_promises.specimens import reports, trial

uid, process = sys.argv[2], int(sys.argv[3])
def write(thread):
    index = process * {WRITERS} + thread
    for number in range(8):
        store.record_trials(uid, [trial(index, TrialState.RUNNING)])
        store.append_observations(uid, f"search-{{index:04d}}", reports(3, f"m{{number}}"), first_sequence=3 * number)
        store.record_event(uid, "Same", "words")
        with store.transaction():
            store.save_job(uid, f"search-{{index:04d}}", {{"number": number}})
            store.append_observations(uid, "search-0032", reports(number), first_sequence=0)
with open_store(sys.argv[1]) as store, ThreadPoolExecutor({WRITERS}) as pool:
    list(pool.map(write, range({WRITERS})))
"""
    with open_store(url) as store:
        uid = recorded(store)
        store.record_trials(uid, [trial(32)])
        processes = [
            subprocess.Popen([sys.executable, "-c", script, url, uid, str(number)], stderr=subprocess.PIPE, text=True)
            for number in range(4)
        ]
        assert [process.communicate()[1] for process in processes] == [""] * 4
        assert [item.count for item in store.events(uid)] == [32 * 8]
        for index in range(32):
            name = f"search-{index:04d}"
            assert [item.sequence for item in store.series(uid, name)] == list(range(24))
            assert {summary.count for summary in store.summaries(uid, name).values()} == {3}
        assert len(store.series(uid, "search-0032")) == 7


# -- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in (PostgresqlServer, MariadbServer) if not kind.missing()])
def test_a_killed_server_loses_nothing_that_was_acknowledged(kind):
    with kind(durable=True) as server:
        url, ended = server.new_store(), threading.Event()
        acknowledged, told = [0] * WRITERS, []

        def write(number):
            name = f"search-{number:04d}"
            while not ended.is_set():
                first = acknowledged[number]
                try:
                    store.append_observations(uid, name, reports(3, start=first), first_sequence=first)
                except StoreUnavailable as error:
                    told.append(str(error))
                    time.sleep(0.02)
                else:
                    acknowledged[number] = first + 3

        with open_store(url) as store, ThreadPoolExecutor(WRITERS) as pool:
            uid = recorded(store, trials=WRITERS)
            writers = [pool.submit(write, number) for number in range(WRITERS)]
            try:
                for _ in range(3):
                    reached = sum(acknowledged)
                    while sum(acknowledged) < reached + 200:
                        time.sleep(0.01)
                        assert not any(writer.done() for writer in writers)
                    server.kill()
                    server.start()
            finally:
                ended.set()
            for writer in writers:
                writer.result()
            for number in range(WRITERS):
                found = store.series(uid, f"search-{number:04d}")
                assert [item.sequence for item in found] == list(range(len(found)))
                assert [item.text for item in found] == [sample.text for sample in reports(len(found))]
                assert len(found) in (acknowledged[number], acknowledged[number] + 3)
                assert store.summaries(uid, f"search-{number:04d}")["loss"].count == len(found)
        # None is told of it whose call was made again once the server was back.
        assert all("is not available" in sentence for sentence in told)


def test_a_killed_writer_leaves_no_lock_and_no_half(server):
    url = server.new_store()
    script = """
import os, sys
from katib.store import open_store
from katib.testing.store_promises.specimens import an_experiment
store = open_store(sys.argv[1])
with store.transaction():
    store.create_experiment(an_experiment())
    os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", script, url], check=False)
    assert killed.returncode == -signal.SIGKILL
    with open_store(url, patience=10) as store:
        assert store.experiments() == []
        store.create_experiment(an_experiment())
        assert len(store.experiments()) == 1


# -- too much ---------------------------------------------------------------------------------------------------------


def test_more_threads_than_connections_wait_for_each_other(server):
    with open_store(server.new_store()) as store:
        uid = recorded(store)
        with ThreadPoolExecutor(40) as pool:
            list(pool.map(lambda number: store.record_event(uid, f"Reason{number}", "message"), range(80)))
        assert len(store.events(uid)) == 80


def test_a_number_that_fits_no_column_is_refused(server):
    with open_store(server.new_store()) as store:
        uid = recorded(store, trials=1)
        with pytest.raises(InvalidInput, match="cannot hold a value of this change"):
            store.record_trials(uid, [trial(0, attempt=2**40)])
        assert store.trials(uid) == [trial(0)]


def test_a_document_larger_than_a_packet_is_said(mariadb):
    url = mariadb.new_store()
    ((usual,),) = mariadb.execute("SELECT @@global.max_allowed_packet")
    mariadb.execute("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with open_store(url) as store:
            uid = recorded(store, trials=1)
            with pytest.raises(StoreUnavailable, match="max_allowed_packet"):
                store.save_job(uid, "search-0000", {"large": "x" * 3_000_000})
            assert store.job(uid, "search-0000") is None
            store.save_job(uid, "search-0000", {"small": "x" * 500_000})
    finally:
        mariadb.execute(f"SET GLOBAL max_allowed_packet = {usual}")


@pytest.fixture
def small_disk(postgresql):
    folder = Path(tempfile.mkdtemp(prefix="katib-disk-"))
    options = "size=24m,mode=0777"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    folder.chmod(0o755)
    inner = folder / "tables"
    inner.mkdir()
    shutil.chown(inner, postgresql._owner().pw_uid if os.geteuid() == 0 else os.getuid())
    yield inner
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def noise(seed):
    """Return text that cannot be compressed."""
    return random.Random(seed).randbytes(10_000).hex()


def test_a_full_disk_of_the_server_is_said_and_loses_nothing(postgresql, small_disk):
    url = postgresql.new_store()
    name = database_of(url)
    postgresql.execute(
        f"CREATE TABLESPACE small LOCATION '{small_disk}'", f"ALTER DATABASE {name} SET TABLESPACE small"
    )
    try:
        with open_store(url) as store:
            uid, stored = recorded(store), 0
            with contextlib.suppress(StoreUnavailable):
                while True:
                    store.record_event(uid, f"Reason{stored}", noise(stored))
                    stored += 1
            with pytest.raises(StoreUnavailable, match="server's disk is full"):
                store.record_event(uid, f"Reason{stored}", noise(stored))
            assert stored > 10
            assert len(store.events(uid)) == stored
            store.delete_experiment(uid)
    finally:
        postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)", "DROP TABLESPACE small")
