"""One of several leads, and it stops by itself before another one can begin; nobody's wall clock is believed."""

import threading

import pytest

from katib.kube.errors import AlreadyExists, Conflict, NotFound, NotLeading, ServerAway
from katib.kube.lease import LeaderElection, LeaseTimes


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class FakeLeases:
    """One lease, as an API server keeps it. ``away`` fails every request; ``lost`` carries out and then fails."""

    def __init__(self, clock):
        self.clock = clock
        self.lease = None
        self.version = 0
        self.away = False
        self.lost = False
        self.takes = 0.0

    def _answer(self):
        self.clock.now += self.takes
        if self.lost:
            raise ServerAway("the answer got lost")
        return {"metadata": {"resourceVersion": str(self.version)}, "spec": dict(self.lease)}

    def get(self, *_, **__):
        if self.away:
            raise ServerAway("away")
        if self.lease is None:
            raise NotFound("no lease")
        return self._answer()

    def create(self, _resource, body, *_, **__):
        if self.away:
            raise ServerAway("away")
        if self.lease is not None:
            raise AlreadyExists("there")
        self.lease, self.version = dict(body["spec"]), self.version + 1
        return self._answer()

    def merge_patch(self, _resource, _name, patch, *_, **__):
        if self.away:
            raise ServerAway("away")
        if patch["metadata"]["resourceVersion"] != str(self.version):
            raise Conflict("another version")
        self.lease, self.version = {**self.lease, **patch["spec"]}, self.version + 1
        return self._answer()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def leases(clock):
    return FakeLeases(clock)


@pytest.fixture
def candidate(leases, clock):
    def made(identity, clock=clock):
        return LeaderElection(leases, namespace="katib", name="operator", identity=identity, clock=clock)

    return made


def test_first_one_leads_and_the_second_waits_for_the_promised_time(candidate, clock):
    first, second = candidate("first"), candidate("second")
    assert first._take()
    assert not second._take()
    clock.now += 10
    assert not first.is_leading
    assert not second._take()
    clock.now += 4.9
    assert not second._take()
    clock.now += 0.2
    assert second._take()
    assert second.is_leading


def test_holder_that_renews_keeps_it(candidate, clock):
    first, second = candidate("first"), candidate("second")
    assert first._take()
    for _ in range(20):
        clock.now += 2
        assert first._renew()
        assert not second._take()
        assert first.is_leading
        assert not second.is_leading


def test_leading_ends_by_the_clock_alone(candidate, clock):
    """As after SIGSTOP and SIGCONT, when no thread has run."""
    leader = candidate("first")
    assert leader._take()
    leader.check()
    clock.now += 60
    assert not leader.is_leading
    with pytest.raises(NotLeading, match="does not hold the lease"):
        leader.check()


def test_time_counts_from_before_the_request(candidate, clock, leases):
    leader = candidate("first")
    leases.takes = 4
    assert leader._take()
    leases.takes = 0
    clock.now += 5.9
    assert leader.is_leading
    clock.now += 0.2  # 10 s after the request was sent, which took 4 s
    assert not leader.is_leading


def test_clocks_of_the_candidates_may_differ_by_years(candidate, clock):
    other = Clock()
    other.now = -1e9
    first, second = candidate("first"), candidate("second", other)
    assert first._take()
    assert not second._take()
    other.now += 14
    clock.now += 14
    assert not second._take()
    other.now += 2
    assert second._take()


def test_wall_clock_in_the_record_is_not_believed(candidate, leases, clock):
    first, second = candidate("first"), candidate("second")
    assert first._take()
    leases.lease["renewTime"] = "1970-01-01T00:00:00.000000Z"
    assert not second._take()
    clock.now += 14
    assert not second._take()


def test_promise_in_the_record_counts_if_it_is_longer(candidate, leases, clock):
    first, second = candidate("first"), candidate("second")
    assert first._take()
    leases.lease["leaseDurationSeconds"] = 60
    assert not second._take()
    clock.now += 59
    assert not second._take()
    clock.now += 2
    assert second._take()


def test_lease_that_was_given_up_is_taken_at_once(candidate, leases):
    first, second = candidate("first"), candidate("second")
    assert first._take()
    first._release()
    assert not first.is_leading
    assert leases.lease["holderIdentity"] == ""
    assert second._take()
    assert leases.lease["leaseTransitions"] == 1


def test_lease_of_another_is_not_given_up(candidate, leases, clock):
    first, second = candidate("first"), candidate("second")
    assert first._take()
    assert not second._take()
    clock.now += 16
    assert second._take()
    first._release()
    assert leases.lease["holderIdentity"] == "second"


def test_answer_that_got_lost_is_no_loss_of_the_lease(candidate, leases, clock):
    leader = candidate("first")
    assert leader._take()
    leases.lost = True
    with pytest.raises(ServerAway):
        leader._renew()
    leases.lost = False
    clock.now += 2
    assert leader._renew()
    assert leader.is_leading


def test_holder_that_finds_another_stops(candidate, clock):
    first, second = candidate("first"), candidate("second")
    assert first._take()
    assert not second._take()
    clock.now += 16
    assert second._take()
    assert not first._renew()
    assert not first.is_leading


def test_of_two_that_take_it_at_once_one_gets_it(candidate, leases, clock):
    first, second, third = candidate("first"), candidate("second"), candidate("third")
    assert first._take()
    assert not second._take()
    assert not third._take()
    clock.now += 16
    read = leases.get

    def both_read():
        answer = read()
        leases.get = read
        assert third._take()
        return answer

    leases.get = lambda *_, **__: both_read()
    assert not second._take()
    assert [second.is_leading, third.is_leading] == [False, True]


def test_one_that_was_stopped_between_reading_and_writing_gets_nothing(candidate, leases):
    first = candidate("first")
    assert first._take()
    leases.version += 1
    assert not first._write(first._own(), 0)


@pytest.mark.parametrize("times", [(10, 10, 2), (15, 2, 2), (15, 10, 0), (5, 10, 2)])
def test_times_that_let_two_lead_are_refused(times):
    with pytest.raises(ValueError, match="lease > renew > retry > 0"):
        LeaseTimes(*times)


def test_run_leads_until_it_is_stopped_and_gives_the_lease_up(leases):
    election = LeaderElection(leases, namespace="katib", name="operator", identity="me", times=LeaseTimes(3, 2, 0.01))
    started, stop, said = threading.Event(), threading.Event(), []
    thread = threading.Thread(
        target=election.run, args=(started.set, lambda: said.append(election.is_leading), stop), daemon=True
    )
    thread.start()
    assert started.wait(20)
    stop.set()
    thread.join(20)
    assert said == [True]
    assert not election.is_leading
    assert leases.lease["holderIdentity"] == ""


def test_run_campaigns_again_after_a_loss(leases):
    election = LeaderElection(leases, namespace="katib", name="operator", identity="me", times=LeaseTimes(1, 0.2, 0.01))
    stop, started, lost = threading.Event(), [], []

    def on_lost():
        lost.append(election.is_leading)
        leases.away = False

    def on_started():
        started.append(True)
        if len(started) == 1:
            leases.away = True
        else:
            stop.set()

    thread = threading.Thread(target=election.run, args=(on_started, on_lost, stop), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert lost == [False, True]
    assert len(started) == 2


def test_leader_that_fails_gives_way(leases, caplog):
    election = LeaderElection(leases, namespace="katib", name="operator", identity="me", times=LeaseTimes(3, 2, 0.01))
    stop = threading.Event()
    thread = threading.Thread(target=election.run, args=(lambda: 1 / 0, stop.set, stop), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert "the leader failed" in caplog.text
    assert not election.is_leading
