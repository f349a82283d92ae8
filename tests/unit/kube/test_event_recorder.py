"""Events are told, counted and bounded, and nobody waits for them."""

import threading
import time

import pytest
from kube_world import until

from katib.kube.errors import NotFound, NotLeading, ServerAway
from katib.kube.event_recorder import EventRecorder

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "team", "uid": "1"}}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "2"}}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class FakeEvents:
    def __init__(self):
        self.events = {}
        self.fails = None
        self.held = threading.Event()
        self.held.set()

    def create(self, _resource, body, namespace, **_):
        self.held.wait(20)
        if self.fails:
            raise self.fails
        assert len(body["metadata"]["name"]) <= 253
        assert body["metadata"]["name"] not in self.events
        assert body["metadata"]["namespace"] == namespace
        self.events[body["metadata"]["name"]] = dict(body)

    def merge_patch(self, _resource, name, patch, _namespace, **_):
        if name not in self.events:
            raise NotFound("forgotten")
        self.events[name].update(patch)


@pytest.fixture
def server():
    return FakeEvents()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def recorder(server, clock):
    recorder = EventRecorder(server, clock=clock)
    yield recorder
    server.held.set()
    recorder.stop()


def counts(server):
    return sorted((event["message"], event["count"]) for event in server.events.values())


def test_same_thing_again_raises_a_number(server, recorder):
    for _ in range(3):
        recorder.record(POD, "Failed", "out of memory", "Warning")
    recorder.record(POD, "Failed", "out of disk", "Warning")
    recorder.record(NODE, "Failed", "out of memory", "Warning")
    recorder.stop()
    assert counts(server) == [("out of disk", 1), ("out of memory", 1), ("out of memory", 3)]
    assert {event["metadata"]["namespace"] for event in server.events.values()} == {"team", "default"}
    event = next(event for event in server.events.values() if event["count"] == 3)
    assert event["involvedObject"] == {"apiVersion": "v1", "kind": "Pod", "namespace": "team", "name": "p", "uid": "1"}
    assert (event["type"], event["reason"]) == ("Warning", "Failed")


def test_event_that_the_server_forgot_is_written_anew(server, recorder):
    recorder.record(POD, "Failed", "out of memory")
    until(lambda: len(server.events) == 1)
    server.events.clear()
    recorder.record(POD, "Failed", "out of memory")
    recorder.stop()
    assert counts(server) == [("out of memory", 1)]


def test_object_that_changes_all_the_time_is_told_of_less_often(server, recorder, clock):
    for i in range(100):
        recorder.record(POD, "Changed", f"number {i}")
    recorder.record(NODE, "Changed", "of another object")
    until(lambda: len(server.events) == 26)
    assert recorder.lost == 75
    clock.now += 301
    recorder.record(POD, "Changed", "five minutes later")
    recorder.record(POD, "Changed", "and at once again")
    recorder.stop()
    assert len(server.events) == 27


def test_nobody_waits_for_a_server_that_is_slow_and_the_queue_is_bounded(server, recorder):
    server.held.clear()
    for i in range(3_000):
        recorder.record({**POD, "metadata": {"name": f"p{i}", "uid": str(i)}}, "Changed", "changed")
    assert recorder.lost >= 1_900
    server.held.set()
    until(lambda: len(server.events) + recorder.lost == 3_000)


@pytest.mark.parametrize("error", [ServerAway("away"), NotLeading("another leads"), RuntimeError("a defect")])
def test_failures_lose_the_event_and_nothing_else(server, recorder, error):
    server.fails = error
    recorder.record(POD, "Failed", "lost")
    until(lambda: recorder.lost == 1)
    server.fails = None
    recorder.record(POD, "Failed", "told")
    until(lambda: counts(server) == [("told", 1)])


def test_texts_are_cut_to_what_the_server_takes(server, recorder):
    long = {**POD, "metadata": {"name": "x" * 253, "namespace": "team"}}
    recorder.record(long, "R" * 500, "m" * 5_000)
    recorder.record({}, "Odd", "an object without anything")
    recorder.stop()
    event = next(event for event in server.events.values() if event["message"].startswith("m"))
    assert len(event["message"]) == 1_024
    assert len(event["reason"]) == 128
    assert len(server.events) == 2


def test_stop_of_a_stuck_recorder_takes_a_bounded_time(server, recorder):
    server.held.clear()
    recorder.record(POD, "Failed", "stuck")
    begun = time.monotonic()
    recorder.stop(timeout=0.05)
    assert time.monotonic() - begun < 15
    recorder.record(POD, "Failed", "after the end")
    assert recorder.lost == 1
