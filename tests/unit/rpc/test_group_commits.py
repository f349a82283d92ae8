import asyncio
import threading

import pytest

from katib.errors import InvalidInput, Overloaded, StoreUnavailable
from katib.rpc.group_commits import GroupCommits, GroupLimits


class Disk:
    """Takes changes; while it is held, a commit does not end."""

    def __init__(self):
        self.groups = []
        self.free = threading.Event()
        self.free.set()
        self.began = threading.Event()

    def commit(self, changes):
        self.began.set()
        self.free.wait(30)
        if "away" in changes:
            raise StoreUnavailable("the disk is away")
        if "bad" in changes:
            raise InvalidInput("bad")
        self.groups.append(list(changes))
        return [change.upper() for change in changes]


@pytest.fixture
def disk():
    return Disk()


async def held(disk, commits, *changes):
    """Hold the disk with one change and let others gather."""
    disk.free.clear()
    first = asyncio.create_task(commits.commit("first", 1))
    await asyncio.to_thread(disk.began.wait, 30)
    tasks = [asyncio.create_task(commits.commit(change, 1)) for change in changes]
    await asyncio.sleep(0)
    return first, tasks


def test_those_who_wait_share_a_commit_and_get_their_own_results(disk):
    async def run():
        async with GroupCommits(disk.commit) as commits:
            first, tasks = await held(disk, commits, "a", "b", "c")
            assert (commits.waiting, first.done()) == (3, False)
            disk.free.set()
            assert await first == "FIRST"
            assert await asyncio.gather(*tasks) == ["A", "B", "C"]
            assert commits.commits == 2
        return disk.groups

    assert asyncio.run(run()) == [["first"], ["a", "b", "c"]]


def test_too_many_are_refused_at_once(disk):
    async def run():
        async with GroupCommits(disk.commit, GroupLimits(waiting=2)) as commits:
            first, tasks = await held(disk, commits, "a", "b")
            with pytest.raises(Overloaded, match="2 reports wait"):
                await commits.commit("c", 1)
            disk.free.set()
            await asyncio.gather(first, *tasks)
            assert await commits.commit("d", 1) == "D"

    asyncio.run(run())


def test_bytes_are_bounded_too_but_never_for_one_alone(disk):
    async def run():
        limits = GroupLimits(waiting_bytes=10, commit_bytes=10)
        async with GroupCommits(disk.commit, limits) as commits:
            first, _ = await held(disk, commits)
            large = asyncio.create_task(commits.commit("large", 100))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await commits.commit("small", 1)
            disk.free.set()
            await asyncio.gather(first, large)
            await asyncio.gather(*(commits.commit(name, 5) for name in "ab"))

    asyncio.run(run())
    assert disk.groups == [["first"], ["large"], ["a", "b"]]


def test_a_large_commit_is_made_of_several(disk):
    async def run():
        async with GroupCommits(disk.commit, GroupLimits(changes=2)) as commits:
            first, tasks = await held(disk, commits, *"abc")
            disk.free.set()
            await asyncio.gather(first, *tasks)

    asyncio.run(run())
    assert disk.groups == [["first"], ["a", "b"], ["c"]]


def test_a_caller_who_has_gone_is_left_out(disk):
    async def run():
        async with GroupCommits(disk.commit) as commits:
            first, tasks = await held(disk, commits, "a", "b")
            tasks[0].cancel()
            await asyncio.sleep(0)
            disk.free.set()
            await asyncio.gather(first, tasks[1])

    asyncio.run(run())
    assert disk.groups == [["first"], ["b"]]


def test_a_bad_change_fails_alone(disk):
    async def run():
        async with GroupCommits(disk.commit) as commits:
            first, tasks = await held(disk, commits, "a", "bad", "b")
            disk.free.set()
            await first
            return await asyncio.gather(*tasks, return_exceptions=True)

    good, bad, last = asyncio.run(run())
    assert (good, last) == ("A", "B")
    assert isinstance(bad, InvalidInput)
    assert disk.groups == [["first"], ["a"], ["b"]]


def test_a_database_that_is_away_is_told_to_all_and_asked_again_by_the_next(disk):
    async def run():
        async with GroupCommits(disk.commit) as commits:
            first, tasks = await held(disk, commits, "a", "away")
            disk.free.set()
            await first
            failed = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(each) for each in failed] == [StoreUnavailable] * 2
            assert await commits.commit("again", 1) == "AGAIN"

    asyncio.run(run())
    assert disk.groups == [["first"], ["again"]]


def test_closing_commits_what_waits_and_takes_no_more(disk):
    async def run():
        commits = GroupCommits(disk.commit)
        await commits.__aenter__()
        first, tasks = await held(disk, commits, "a")
        closing = asyncio.create_task(commits.__aexit__())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="stopping"):
            await commits.commit("b", 1)
        disk.free.set()
        await asyncio.gather(first, *tasks, closing)

    asyncio.run(run())
    assert disk.groups == [["first"], ["a"]]
