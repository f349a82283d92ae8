"""A change that is asked for again is made once."""

import asyncio
import functools

import pytest

from katib.errors import Conflict, StoreUnavailable
from katib.rpc.experiments_once import Once

KEY = ("somebody", "team-a", "r-1")
STOP = "StopExperiment"


def looped(test):
    """Run a test in a loop of its own."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class Changes:
    def __init__(self):
        self.made = 0
        self.fails = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self):
        await self.go_on.wait()
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("away")
        self.made += 1
        return b"%d" % self.made


@looped
async def test_the_second_answer_is_the_first_one():
    once, change = Once(), Changes()
    answers = [await once.answer(KEY, STOP, b"request", change) for _ in range(3)]
    assert answers == [b"1"] * 3
    assert await once.answer((*KEY[:-1], "r-2"), STOP, b"request", change) == b"2"
    assert await once.answer(("somebody else", *KEY[1:]), STOP, b"request", change) == b"3"


@looped
async def test_without_an_id_nothing_is_known_again():
    once, change = Once(), Changes()
    key = (*KEY[:-1], "")
    assert [await once.answer(key, STOP, b"request", change) for _ in range(2)] == [b"1", b"2"]


@looped
async def test_an_id_is_for_one_request():
    once, change = Once(), Changes()
    await once.answer(KEY, STOP, b"request", change)
    with pytest.raises(Conflict, match="r-1"):
        await once.answer(KEY, STOP, b"another", change)
    with pytest.raises(Conflict, match="r-1"):
        await once.answer(KEY, "ResumeExperiment", b"request", change)


@looped
async def test_what_failed_can_be_asked_for_again():
    once, change = Once(), Changes()
    change.fails = 1
    with pytest.raises(StoreUnavailable):
        await once.answer(KEY, STOP, b"request", change)
    assert await once.answer(KEY, STOP, b"request", change) == b"1"


@looped
async def test_a_caller_who_goes_is_followed_by_one_who_gets_the_answer():
    once, change = Once(), Changes()
    change.go_on.clear()
    gone = asyncio.create_task(once.answer(KEY, STOP, b"request", change))
    others = [asyncio.create_task(once.answer(KEY, STOP, b"request", change)) for _ in range(3)]
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait({gone})
    change.go_on.set()
    assert await asyncio.gather(*others) == [b"1"] * 3


@looped
async def test_memory_has_a_bound(monkeypatch):
    monkeypatch.setattr("katib.rpc.experiments_once._MOST", 10)
    once, change = Once(), Changes()
    for number in range(50):
        await once.answer((*KEY[:-1], f"r-{number}"), STOP, b"request", change)
    assert len(once._answers) <= 11
    assert await once.answer((*KEY[:-1], "r-49"), STOP, b"request", change) == b"50"
