"""A server that goes away: how often it is asked again, for how long, and what is said."""

import logging

import pytest

from katib.errors import Conflict, NotFound, Overloaded, StoreUnavailable
from katib.rpc import experiments_outage
from katib.rpc.experiments_outage import Attempts, Outage

AWAY = StoreUnavailable("the server at katib:6789 does not answer: Connection refused")


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self):
        self.now = 1_000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(experiments_outage, "time", clock)
    return clock


@pytest.fixture
def said():
    return []


@pytest.fixture
def outage(said):
    return Outage("katib:6789", 60, said.append)


def pauses(attempts, clock, error=AWAY):
    """The pauses until an error is raised, and the error."""
    found = []
    while True:
        try:
            found.append(attempts.pause(error))
        except type(error) as last:
            return found, last
        clock.now += found[-1]


def test_pauses_grow_and_differ_and_end(outage, clock):
    first, last = pauses(Attempts(outage), clock)
    assert first[0] < 0.25
    assert max(first) <= 2
    assert 59 <= sum(first) <= 61
    assert "Connection refused" in str(last)
    assert f"asked {len(first) + 1} times in 60 s" in str(last)
    second, _ = pauses(Attempts(outage), clock)
    assert first != second


def test_what_would_fail_again_is_not_asked_again(outage, said):
    for error in (NotFound("no"), Conflict("taken")):
        with pytest.raises(type(error)):
            Attempts(outage).pause(error)
    assert said == []


def test_who_has_no_patience_gets_the_error_as_it_is(clock):
    with pytest.raises(StoreUnavailable) as caught:
        Attempts(Outage("katib:6789", 0)).pause(AWAY)
    assert caught.value is AWAY
    assert clock.now == 1_000


def test_it_is_said_once_for_all_calls_and_once_that_it_is_over(outage, said, clock, caplog):
    with caplog.at_level(logging.INFO, "katib"):
        one, other = Attempts(outage), Attempts(outage)
        for attempts in (one, other, one):
            attempts.pause(AWAY)
        one.answered()
        other.answered()
    assert said == [f"{AWAY}; asking again for up to 60 s", "the server at katib:6789 answers again"]
    assert [(record.name, record.levelname) for record in caplog.records] == [("katib", "WARNING"), ("katib", "INFO")]
    assert clock.now == 1_000


def test_a_stream_that_went_on_has_its_patience_again(outage, clock):
    attempts = Attempts(outage)
    attempts.pause(AWAY)
    clock.now += 59
    attempts.answered()
    clock.now += 59
    attempts.pause(Overloaded("full"))
    clock.now += 59
    attempts.pause(AWAY)
    clock.now += 2
    with pytest.raises(StoreUnavailable, match="asked 3 times"):
        attempts.pause(AWAY)


def test_who_cannot_be_told_keeps_nobody_from_the_answer(caplog):
    def broken(_):
        raise BrokenPipeError(32, "Broken pipe")

    attempts = Attempts(Outage("katib:6789", 60, broken))
    assert attempts.pause(AWAY) > 0
    attempts.answered()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [BrokenPipeError] * 2
