"""While a server is away one of many asks it, ever more seldom; when it is back all of them do."""

import pytest

from katib.operator import outage as module
from katib.operator.outage import Outage


class Server:
    """Counts its answers."""

    answers = 7


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def outage(server):
    return Outage(lambda: server.answers)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def tries(outage, clock, seconds):
    """How often somebody may try within some seconds, each try in vain; fifty workers ask ten times a second."""
    found = 0
    for _ in range(seconds * 10):
        for _ in range(50):
            if outage.may_try():
                found += 1
                outage.failed()
        clock[0] += 0.1
    return found


def test_everybody_may_ask_a_server_that_answers(outage):
    assert all(outage.may_try() for _ in range(100))
    assert outage.lasts is None


def test_a_server_that_is_away_is_asked_less_than_once_a_second(outage, clock):
    outage.failed()
    assert 2 <= tries(outage, clock, 60) <= 8
    assert outage.lasts == pytest.approx(60, abs=0.2)


def test_one_that_tries_and_hangs_does_not_keep_the_others_from_it_for_ever(outage, clock):
    outage.failed()
    clock[0] += 4.1
    assert outage.may_try()
    assert not outage.may_try()
    clock[0] += 4.1
    assert outage.may_try()


def test_when_it_answers_anybody_nobody_waits_and_the_next_outage_begins_anew(outage, clock, server):
    outage.failed()
    tries(outage, clock, 60)
    assert not outage.may_try()
    server.answers += 1
    assert all(outage.may_try() for _ in range(10))
    assert outage.lasts is None
    outage.failed()
    assert not outage.may_try()
    clock[0] += 4.1
    assert outage.may_try()


def test_many_that_fail_at_once_are_one_failure(outage, clock):
    """All workers were on their way when the server went; the pause is that of the first failure."""
    for _ in range(12):
        outage.failed()
    clock[0] += 4.1
    assert outage.may_try()
