"""Who is woken, and when."""

import asyncio
import functools

import pytest

from katib.errors import Overloaded, StoreUnavailable
from katib.rpc.tracking_changes import Changes


def run_in_loop(test):
    """Let a coroutine be a test."""

    @functools.wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return run


@run_in_loop
async def test_a_change_wakes_those_of_its_namespace():
    changes = Changes()
    with changes.watch("a") as ours, changes.watch("b") as others:
        changes.changed("a")
        await ours.wait(60)
        waiting = asyncio.create_task(others.wait(60))
        done, _ = await asyncio.wait({waiting}, timeout=0.01)
        assert not done
        waiting.cancel()


@run_in_loop
async def test_who_was_not_woken_looks_by_itself():
    changes = Changes()
    with changes.watch("a") as watch:
        await watch.wait(0.01)
        await watch.wait(-1)


@run_in_loop
async def test_the_end_of_the_server_ends_them_all():
    changes = Changes()
    with changes.watch("a") as watch, changes.watch("b") as other:
        waiting = asyncio.create_task(watch.wait(60))
        await asyncio.sleep(0)
        changes.close()
        for wait in (waiting, other.wait(60)):
            with pytest.raises(StoreUnavailable, match="stopping"):
                await wait


@run_in_loop
async def test_one_too_many_is_refused_and_leaves_the_others():
    changes = Changes(most=1)
    with changes.watch("a"):
        with pytest.raises(Overloaded), changes.watch("a"):
            pass
        changes.changed("a")
    with changes.watch("a"):
        pass
