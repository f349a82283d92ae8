"""Who may serve a SQLite file: decided by a lock on one machine, by watching between machines."""

import multiprocessing
import os
import threading
from dataclasses import replace

import pytest

from katib.errors import Conflict, StoreUnavailable
from katib.store import file_lease, open_store
from katib.store.file_lease import FileLease, Holder, LeaseTimes, lease_of

QUICK = LeaseTimes(renewed_every=0.05, watched_for=0.3, settling=0.1)
SOON_STALE = replace(QUICK, trusted_for=0.2)
PATIENT = replace(QUICK, watched_for=60)
PATIENCE = 30


def lease(path, told=None, times=QUICK):
    return FileLease(path, waiting=(lambda _: None) if told is None else told.append, times=times)


def named(path):
    return Holder.of(path.with_name(f"{path.name}.lease").read_bytes())


def wait_until(condition):
    for _ in range(PATIENCE * 20):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "katib.db"


@pytest.fixture
def elsewhere(monkeypatch):
    """Let leases that are taken from now on be of another machine, whose locks nobody here sees."""

    def move(boot="another boot"):
        monkeypatch.setattr(file_lease, "_boot", lambda: boot)
        monkeypatch.setattr(file_lease, "_lock", lambda _: True)

    return move


def test_a_lease_names_its_holder_and_goes_with_it(path):
    with lease(path) as held:
        held.check()
        holder = named(path)
        assert (holder.pid, holder.host, holder.boot) == (os.getpid(), os.uname().nodename, file_lease._boot())
        held.serves_at("127.0.0.1:6789")
        wait_until(lambda: named(path).address == "127.0.0.1:6789")
        wait_until(lambda: named(path).renewals > holder.renewals + 1)
        assert (path.with_name("katib.db.lease").stat().st_mode & 0o777) == 0o600
    assert list(path.parent.iterdir()) == []


def test_a_second_one_on_the_machine_is_refused_at_once_and_told_who(path):
    told = []
    with lease(path) as held:
        held.serves_at("127.0.0.1:6789")
        wait_until(lambda: named(path).address)
        with (
            pytest.raises(Conflict, match=f"process {os.getpid()} of .*127.0.0.1:6789: one server at a time"),
            lease(path, told),
        ):
            pass
        held.check()
    assert told == []
    with lease(path):
        pass


def test_a_link_to_the_file_is_the_file(path):
    path.touch()
    link = path.with_name("link.db")
    link.symlink_to(path)
    with lease(path), pytest.raises(Conflict), lease(link):
        pass


def _hold_and_die(path):
    held = lease(path)
    held.__enter__()
    os._exit(9)


def test_a_process_that_was_killed_leaves_nothing_that_blocks(path):
    child = multiprocessing.get_context("spawn").Process(target=_hold_and_die, args=(path,))
    child.start()
    child.join(PATIENCE)
    assert child.exitcode == 9
    dead = named(path)
    told = []
    with lease(path, told):
        assert named(path).token != dead.token
    assert told == []


def test_a_dead_holder_of_another_machine_is_waited_for(path, elsewhere):
    with lease(path):
        left = path.with_name("katib.db.lease").read_bytes()
    path.with_name("katib.db.lease").write_bytes(left)
    elsewhere()
    told = []
    with lease(path, told) as held:
        held.check()
        assert named(path).boot == "another boot"
    (sentence,) = told
    assert f"process {os.getpid()} of {os.uname().nodename}" in sentence
    assert "waiting 0.4 s at most" in sentence


def test_a_holder_of_another_machine_that_moves_is_left_alone(path, elsewhere):
    with lease(path) as held:
        elsewhere()
        with pytest.raises(Conflict, match="one server at a time"), lease(path, times=PATIENT):
            pass
        held.check()
        assert held.lost == ""


def test_a_holder_that_ends_while_another_machine_waits_lets_it_in(path, elsewhere):
    held = lease(path, times=LeaseTimes(renewed_every=60, trusted_for=60))
    held.__enter__()
    elsewhere()
    told = []

    def end(sentence):
        told.append(sentence)
        held.__exit__(None, None, None)

    with FileLease(path, waiting=end, times=LeaseTimes()) as second:
        second.check()
    assert len(told) == 1


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"token": 1}', b"\xff" * 1024, b'{"token": []}'])
def test_a_file_that_names_nobody_is_waited_for(path, text):
    path.with_name("katib.db.lease").write_bytes(text)
    told = []
    with lease(path, told) as held:
        held.check()
    assert "another machine" in told[0]


def test_of_those_that_take_over_at_once_one_stays(path, elsewhere, monkeypatch):
    with lease(path):
        left = path.with_name("katib.db.lease").read_bytes()
    path.with_name("katib.db.lease").write_bytes(left)
    elsewhere()
    monkeypatch.setattr(file_lease, "_boot", lambda: f"boot {threading.get_ident()}")
    results, ready, done = [], threading.Barrier(4), threading.Event()

    def take():
        ready.wait()
        try:
            with lease(path):
                results.append("taken")
                done.wait(PATIENCE)
        except Conflict:
            results.append("refused")

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(results) == 4)
    done.set()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["refused", "refused", "refused", "taken"]


def test_a_holder_whose_name_was_written_over_has_lost(path, elsewhere, monkeypatch):
    with lease(path, times=SOON_STALE) as held, open_store(path) as store:
        store.tracking("team").create_project("before")
        store.guard_writes(held.check)
        elsewhere()
        other = lease(path)
        # It was paused for as long as the other one watched.
        monkeypatch.setattr(held, "_renew", lambda: None)
        with other:
            wait_until(lambda: not held._is_fresh())
            with pytest.raises(StoreUnavailable, match=r"could not renew its lease .* takes no changes"):
                store.tracking("team").create_project("paused")
            monkeypatch.undo()
            elsewhere()
            wait_until(lambda: held.lost)
            assert "has it now" in held.lost
            with pytest.raises(StoreUnavailable, match="has lost the store"):
                store.tracking("team").create_project("after")
            other.check()
        assert [project.name for project in store.tracking("team").find_projects().items] == ["before"]


def test_a_holder_that_was_paused_goes_on_when_nobody_took_over(path, monkeypatch):
    with lease(path, times=SOON_STALE) as held:
        monkeypatch.setattr(held, "_renew", lambda: None)
        wait_until(lambda: not held._is_fresh())
        with pytest.raises(StoreUnavailable):
            held.check()
        monkeypatch.undo()
        wait_until(held._is_fresh)
        assert held.lost == ""


def test_a_lease_that_somebody_removed_is_lost(path):
    with lease(path) as held:
        path.with_name("katib.db.lease").unlink()
        wait_until(lambda: held.lost)
        assert "katib.db.lease was removed" in held.lost


def test_a_lease_that_cannot_be_written_says_so_and_comes_back(path, monkeypatch):
    with lease(path, times=SOON_STALE) as held:

        def fail(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(file_lease, "_store", fail)
        wait_until(lambda: not held._is_fresh())
        with pytest.raises(StoreUnavailable, match="No space left on device"):
            held.check()
        monkeypatch.undo()
        wait_until(held._is_fresh)


def test_where_no_lease_can_be_made_nothing_is_served(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot create the store"), lease(tmp_path / "file" / "katib.db"):
        pass
    (tmp_path / "katib.db.lease").mkdir()
    with pytest.raises(StoreUnavailable, match="cannot keep other servers off"), lease(tmp_path / "katib.db"):
        pass


def test_a_change_that_began_in_time_and_did_not_end_in_time_is_undone(path):
    with open_store(path) as store:
        calls = []

        def check():
            calls.append(1)
            if len(calls) == 2:
                raise StoreUnavailable("too late")

        store.guard_writes(check)
        with pytest.raises(StoreUnavailable, match="too late"):
            store.tracking("team").create_project("late")
        store.guard_writes(lambda: None)
        assert store.tracking("team").find_projects().items == ()


def test_a_database_server_needs_none(tmp_path):
    with lease_of("postgresql+psycopg://user@host/database") as held:
        assert held is None
    with lease_of(f"sqlite:///{tmp_path}/katib.db") as held:
        assert (tmp_path / "katib.db.lease").exists()
    assert not (tmp_path / "katib.db.lease").exists()
