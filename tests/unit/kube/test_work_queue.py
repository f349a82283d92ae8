"""A key is worked on by one at a time, as often as is needed, and by nobody in vain."""

import random
import threading
import time

import pytest

from katib.kube.work_queue import WorkQueue


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return WorkQueue(clock=clock, jitter=random.Random(1))


def test_first_come_first_served_and_once(queue):
    for key in "abab":
        queue.add(key)
    assert len(queue) == 2
    assert [queue.get(0), queue.get(0), queue.get(0)] == ["a", "b", None]


def test_key_that_is_worked_on_comes_once_more_afterwards(queue):
    queue.add("a")
    assert queue.get(0) == "a"
    queue.add("a")
    queue.add("a")
    assert queue.get(0) is None
    queue.done("a")
    assert queue.get(0) == "a"
    queue.done("a")
    assert queue.get(0) is None


def test_later_is_later_and_the_earliest_of_several_times(queue, clock):
    queue.add_after("a", 10)
    queue.add_after("a", 30)
    queue.add_after("b", 5)
    queue.add_after("b", 2)
    queue.add_after("now", 0)
    assert queue.waiting == 2
    assert queue.get(0) == "now"
    assert queue.get(0) is None
    clock.now += 3
    assert queue.get(0) == "b"
    queue.done("b")
    clock.now += 7
    assert queue.get(0) == "a"
    queue.done("a")
    clock.now += 100
    assert queue.get(0) is None
    assert queue.waiting == 0


def test_pauses_of_a_key_double_up_to_a_minute_and_begin_anew(queue):
    pauses = [queue.retry("a") for _ in range(20)]
    assert all(0.005 * 2**i <= pause <= 0.01 * 2**i for i, pause in enumerate(pauses[:13]))
    assert pauses[-1] == 60
    assert queue.failures("a") == 20
    assert queue.retry("b") <= 0.01
    queue.forget("a")
    assert queue.retry("a") <= 0.01


def test_one_that_waits_gets_a_key_when_it_comes_and_when_it_is_due():
    queue = WorkQueue()
    got = []
    threads = [threading.Thread(target=lambda: got.append(queue.get(20))) for _ in range(3)]
    for thread in threads:
        thread.start()
    queue.add("a")
    queue.add_after("b", 0.05)
    queue.add_after("c", 0.02)
    for thread in threads:
        thread.join(20)
    assert sorted(got) == ["a", "b", "c"]


def test_shut_down_wakes_all_and_gives_out_nothing_more():
    queue = WorkQueue()
    got = []
    threads = [threading.Thread(target=lambda: got.append(queue.get())) for _ in range(3)]
    for thread in threads:
        thread.start()
    queue.shut_down()
    for thread in threads:
        thread.join(20)
    queue.add("a")
    queue.add_after("b", 0.001)
    assert got == [None, None, None]
    assert queue.get() is None
    assert queue.is_shut_down


def test_many_workers_never_share_a_key_and_miss_no_request():
    queue = WorkQueue()
    working = set()
    lock = threading.Lock()
    wanted = dict.fromkeys(range(20), 0)
    done = dict.fromkeys(range(20), -1)
    shared = []

    def work():
        while (key := queue.get()) is not None:
            with lock:
                if key in working:
                    shared.append(key)
                working.add(key)
                state = wanted[key]
            time.sleep(0.0005)
            with lock:
                working.discard(key)
                done[key] = state
            queue.done(key)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    choose = random.Random(2)
    for _ in range(3_000):
        key = choose.randrange(20)
        with lock:
            wanted[key] += 1
        queue.add(key)
    end = time.monotonic() + 20
    while done != wanted and time.monotonic() < end:
        time.sleep(0.01)
    queue.shut_down()
    for thread in threads:
        thread.join(20)
    assert done == wanted
    assert shared == []
