"""The store server under harm: killed at any moment, asked by many at once, its database full, locked, gone or away."""

import contextlib
import random
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib.rpc import v1beta1 as wire
from katib.rpc.services import stub
from katib.store import open_store
from katib.testing.database_servers import MariadbServer, PostgresqlServer
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import recorded

HEALTH = health_pb2.HealthCheckResponse
PATIENCE = 60


def stamp(number):
    return f"2026-03-01T12:{number // 60 % 60:02}:{number % 60:02}Z"


def request(trial, *numbers):
    entries = [{"time_stamp": stamp(number), "metric": {"name": "loss", "value": str(number)}} for number in numbers]
    return wire.ReportObservationLogRequest(trial_name=trial, observation_log={"metric_logs": entries})


def report(channel, trial, *numbers, timeout=PATIENCE):
    return stub(channel, "DBManager", "ReportObservationLog")(request(trial, *numbers), timeout=timeout)


def values(channel, trial):
    reply = stub(channel, "DBManager", "GetObservationLog")(
        wire.GetObservationLogRequest(trial_name=trial), timeout=PATIENCE
    )
    return [int(row.metric.value) for row in reply.observation_log.metric_logs]


def health(channel):
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE).status


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def serving(place, *arguments):
    url = place if "://" in str(place) else f"sqlite:///{place}"
    with ServedStore("--url", url, *arguments) as server:
        assert server.address, server.log
        with grpc.insecure_channel(server.address) as channel:
            server.channel = channel
            yield server
        assert "Traceback" not in server.log


def commits_begun(server):
    """Return what tells how many commits a server has begun."""
    port = server.process.stdout.readline().strip().rpartition(" ")[2]

    def number():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith("katib_store_commits_total ")).split()[1])

    return number


# -- killed -----------------------------------------------------------------------------------------------------------


class Reporter(threading.Thread):
    """Reports one number after the other, each until it is acknowledged, to whichever server there is."""

    def __init__(self, trial, ended):
        super().__init__()
        self.trial, self.ended, self.address = trial, ended, None
        self.acknowledged, self.repeated, self.failures = [], 0, []

    def run(self):
        number = 0
        while not self.ended.is_set():
            with grpc.insecure_channel(self.address) as channel:
                while not self.ended.is_set():
                    try:
                        # The number before comes again each time, as from a collector that was not sure.
                        report(channel, self.trial, *range(max(number - 1, 0), number + 1), timeout=10)
                    except grpc.RpcError as error:
                        self.repeated += 1
                        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                            self.failures.append(error)
                        time.sleep(0.02)
                        break
                    self.acknowledged.append(number)
                    number += 1


@pytest.mark.slow
def test_what_was_acknowledged_is_there_once_whenever_the_server_is_killed(tmp_path):
    seeded, ended = random.Random(11), threading.Event()
    place = tmp_path / "katib.db"
    with open_store(place) as store:
        uid = recorded(store, trials=4)
    names = [*(f"search-{index:04d}" for index in range(4)), "stranger-a", "stranger-b"]
    reporters = [Reporter(name, ended) for name in names]
    try:
        for turn in range(6):
            with serving(place) as server:
                for reporter in reporters:
                    reporter.address = server.address
                    if turn == 0:
                        reporter.start()
                before = sum(len(reporter.acknowledged) for reporter in reporters)
                wait_for(lambda before=before: sum(len(r.acknowledged) for r in reporters) > before + 20)
                time.sleep(seeded.uniform(0, 0.3))
                server.process.kill()
                server.process.wait(PATIENCE)
    finally:
        ended.set()
        for reporter in reporters:
            if reporter.ident is not None:
                reporter.join(PATIENCE)
    assert [reporter.failures for reporter in reporters] == [[]] * len(reporters)
    assert sum(reporter.repeated for reporter in reporters) > 0
    with serving(place) as server:
        for reporter in reporters:
            stored = values(server.channel, reporter.trial)
            assert not set(reporter.acknowledged) - set(stored)
            assert max(Counter(stored).values()) == 1
            # One more may have been stored without its answer.
            assert len(stored) <= len(reporter.acknowledged) + 1
    with open_store(place) as store:
        for name in names[:4]:
            series = store.series(uid, name)
            assert [found.sequence for found in series] == list(range(len(series)))
            assert store.summaries(uid, name)["loss"].count == len(series)


def test_a_server_told_to_stop_answers_what_it_took(tmp_path):
    with serving(tmp_path / "katib.db", "--metrics-address", "127.0.0.1:0") as server:
        begun = commits_begun(server)
        with contextlib.closing(sqlite3.connect(tmp_path / "katib.db", isolation_level=None)) as locker:
            locker.execute("BEGIN IMMEDIATE")
            call = stub(server.channel, "DBManager", "ReportObservationLog").future(request("t", 1), timeout=PATIENCE)
            wait_for(lambda: begun() == 1)
            server.process.terminate()
            wait_for(lambda: server.process.stdout.readline().startswith("stopping"))
            locker.execute("ROLLBACK")
        assert call.result() == wire.ReportObservationLogReply()
        assert server.process.wait(PATIENCE) == 0
    with serving(tmp_path / "katib.db") as server:
        assert values(server.channel, "t") == [1]


def test_a_server_told_twice_ends_though_its_database_does_not_answer(tmp_path):
    with serving(tmp_path / "katib.db", "--metrics-address", "127.0.0.1:0") as server:
        begun = commits_begun(server)
        with contextlib.closing(sqlite3.connect(tmp_path / "katib.db", isolation_level=None)) as locker:
            locker.execute("BEGIN IMMEDIATE")
            call = stub(server.channel, "DBManager", "ReportObservationLog").future(request("t", 1), timeout=PATIENCE)
            wait_for(lambda: begun() == 1)
            server.process.terminate()
            wait_for(lambda: server.process.stdout.readline().startswith("stopping"))
            server.process.terminate()
            assert server.process.wait(PATIENCE) == 130
            assert call.code() is grpc.StatusCode.UNAVAILABLE


# -- many at once -----------------------------------------------------------------------------------------------------


def test_32_clients_at_once_and_local_mode_beside_them(tmp_path):
    place = tmp_path / "katib.db"
    with open_store(place) as store:
        uid = recorded(store, trials=8)
        with serving(place) as server:

            def client(number):
                options = (("grpc.use_local_subchannel_pool", 1),)
                with grpc.insecure_channel(server.address, options=options) as channel:
                    for value in range(20):
                        report(channel, f"search-{number % 8:04d}", 100 * number + value)
                        report(channel, f"search-{number % 8:04d}", 100 * number + value)

            with ThreadPoolExecutor(32) as threads:
                done = threads.map(client, range(32))
                for index in range(30):
                    store.record_event(uid, "Beside", str(index))
                assert list(done) == [None] * 32
            for index in range(8):
                stored = values(server.channel, f"search-{index:04d}")
                wanted = [100 * number + value for number in range(index, 32, 8) for value in range(20)]
                assert sorted(stored) == wanted
                assert store.summaries(uid, f"search-{index:04d}")["loss"].count == 80
        assert len(store.events(uid)) == 30


def test_more_reports_than_may_wait_are_refused_and_the_rest_is_stored(tmp_path):
    place = tmp_path / "katib.db"
    with serving(place, "--queue", "3", "--metrics-address", "127.0.0.1:0") as server:
        begun = commits_begun(server)
        with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as locker:
            locker.execute("BEGIN IMMEDIATE")
            call = stub(server.channel, "DBManager", "ReportObservationLog")
            futures = [call.future(request("t", 0), timeout=PATIENCE)]
            wait_for(lambda: begun() == 1)
            futures += [call.future(request("t", number), timeout=PATIENCE) for number in range(1, 20)]
            wait_for(lambda: sum(future.done() for future in futures) >= 16)
            assert health(server.channel) == HEALTH.SERVING
            locker.execute("ROLLBACK")
        codes = Counter(future.code() for future in futures)
        assert codes == {grpc.StatusCode.OK: 4, grpc.StatusCode.RESOURCE_EXHAUSTED: 16}
        stored = [number for number, future in enumerate(futures) if future.code() is grpc.StatusCode.OK]
        assert values(server.channel, "t") == stored


# -- the database -----------------------------------------------------------------------------------------------------


def test_a_lock_is_waited_for_and_a_report_given_up_may_be_sent_again(tmp_path):
    place = tmp_path / "katib.db"
    with serving(place) as server:
        with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as locker:
            locker.execute("BEGIN IMMEDIATE")
            with pytest.raises(grpc.RpcError) as caught:
                report(server.channel, "t", 1, timeout=0.5)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert values(server.channel, "t") == []  # reading goes on
            locker.execute("ROLLBACK")
        report(server.channel, "t", 1, 2)
        assert values(server.channel, "t") == [1, 2]


def test_a_file_that_is_deleted_or_replaced_is_not_written_to_in_the_dark(tmp_path):
    place = tmp_path / "folder" / "katib.db"
    with serving(place) as server:
        report(server.channel, "t", 1)
        place.parent.rename(tmp_path / "elsewhere")
        with pytest.raises(grpc.RpcError) as caught:
            report(server.channel, "t", 2)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert str(place) in caught.value.details()
        wait_for(lambda: health(server.channel) == HEALTH.NOT_SERVING)
        (tmp_path / "elsewhere").rename(place.parent)
        wait_for(lambda: health(server.channel) == HEALTH.SERVING)
        report(server.channel, "t", 2)
        assert values(server.channel, "t") == [1, 2]
        assert "not serving: the store" in server.log
        place.rename(place.with_name("old.db"))
        place.touch()
        with pytest.raises(grpc.RpcError) as caught:
            report(server.channel, "t", 3)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "another file was put in its place" in caught.value.details()


def test_a_store_that_cannot_be_opened_is_told_at_the_start(tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "songs.db").write_text("no database " * 100)
    for place, words in (("file/katib.db", "cannot create the store"), ("songs.db", "not a database")):
        with ServedStore("--url", f"sqlite:///{tmp_path / place}") as server:
            assert server.process.wait(PATIENCE) == 10
            assert words in server.log
            assert "Traceback" not in server.log


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_is_half_written(small_disk):
    filler = small_disk / "filler"
    with serving(small_disk / "katib.db") as server:
        filler.write_bytes(b"x" * 700_000)
        acknowledged = []

        def fill():
            for number in range(1_000):
                report(server.channel, "t", number)
                acknowledged.append(number)
                report(server.channel, f"t-{number}", *range(100))

        with pytest.raises(grpc.RpcError) as caught:
            fill()
        assert acknowledged
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "full" in caught.value.details()
        assert values(server.channel, "t") == acknowledged
        filler.unlink()
        report(server.channel, "t", 2_000)
        assert values(server.channel, "t") == [*acknowledged, 2_000]


@pytest.mark.parametrize("kind", [PostgresqlServer, MariadbServer], ids=lambda kind: kind.name)
def test_a_database_server_that_goes_away_and_comes_back(kind):
    if kind.missing():
        pytest.skip(kind.missing())
    with kind() as database, serving(database.new_store()) as server:
        channel = server.channel
        report(channel, "t", 1)
        assert health(channel) == HEALTH.SERVING
        with database.paused():
            with pytest.raises(grpc.RpcError) as caught:
                report(channel, "t", 2)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "is not available" in caught.value.details()
            with pytest.raises(grpc.RpcError) as caught:
                values(channel, "t")
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            wait_for(lambda: health(channel) == HEALTH.NOT_SERVING)
        report(channel, "t", 2)
        wait_for(lambda: health(channel) == HEALTH.SERVING)
        assert values(channel, "t") == [1, 2]
        assert server.stop() == 0


def test_hostile_callers_do_no_harm(tmp_path):
    """Bytes of all kinds, names of all kinds, and callers who leave at once."""
    seeded = random.Random(3)
    with serving(tmp_path / "katib.db") as server:
        methods = [
            server.channel.unary_unary(f"/api.v1.beta1.DBManager/{name}")
            for name in ("ReportObservationLog", "GetObservationLog", "DeleteObservationLog")
        ]
        codes = Counter()
        for turn in range(300):
            good = request(f"t\x00{turn}", turn).SerializeToString()
            cut = seeded.randrange(len(good))
            future = methods[turn % 3].future(
                good[:cut] + seeded.randbytes(seeded.randrange(9)) + good[cut:], timeout=10
            )
            if turn % 5 == 0:
                future.cancel()
            else:
                codes[future.code()] += 1
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
        report(server.channel, "after", 1)
        assert values(server.channel, "after") == [1]
        assert Path(f"/proc/{server.process.pid}").exists()
