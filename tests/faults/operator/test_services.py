"""Suggestion services that misbehave, and the early stopper: a search goes on where it can, and ends with a reason where it cannot."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from world import condition, experiment, state, tell

from katib.operator.kinds import SUGGESTIONS
from katib.rpc import v1beta1 as wire


class SuggestionDouble:
    """A suggestion service that does with each request, by its number, what it was told (``with``)."""

    def __init__(self, does):
        self._does = does
        self._lock = threading.Lock()
        self._random = random.Random(7)
        self.released = threading.Event()
        self.requests = 0
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers([self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def service(self, details):
        if details.method.endswith("/GetSuggestions"):
            return grpc.unary_unary_rpc_method_handler(self._answer)
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")

    def _answer(self, request, context):
        with self._lock:
            self.requests += 1
            number = self.requests
        asked = wire.GetSuggestionsRequest.FromString(request)
        return self._does(self, number, asked.current_request_number, context)

    def points(self, count):
        message = wire.GetSuggestionsReply()
        for _ in range(count):
            message.parameter_assignments.add().assignments.add(name="lr", value=repr(self._random.uniform(0.01, 0.1)))
        return message.SerializeToString()

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._server.stop(None).wait()


def hangs_once(double, number, count, _context):
    if number == 1:
        double.released.wait(30)
    return double.points(count)


def refuses_once(double, number, count, context):
    if number == 1:
        context.abort(grpc.StatusCode.UNAVAILABLE, "come back later")
    return double.points(count)


def one_at_a_time(double, _number, _count, _context):
    return double.points(1)


def none_while_one_runs(double, number, count, _context):
    return double.points(min(count, 1)) if number % 2 else double.points(0)


@pytest.mark.parametrize(
    "does", [hangs_once, refuses_once, one_at_a_time], ids=lambda does: does.__name__.replace("_", "-")
)
def test_a_search_gets_over_a_service_that_misbehaves(world, start, does):
    with SuggestionDouble(does) as double:
        start(world, suggestion_address=double.address, suggestion_deadline=2.0)
        world.create(experiment(rule="seconds=0.2", trials=4, parallel=2))
        ended = world.ended(seconds=60)
        assert state(ended) == "Succeeded", condition(ended)
        assert world.states() == ["Succeeded"] * 4
        assert double.requests <= 20


def test_a_service_that_answers_garbage_fails_the_experiment_and_is_named(world, start):
    """What speaks another language today does so tomorrow: asking again would hide it."""
    with SuggestionDouble(lambda *_: b"\xff\xff\xff no message") as double:
        start(world, suggestion_address=double.address)
        world.create(experiment(trials=4))
        ended = world.ended()
        assert state(ended) == "Failed"
        assert double.address in condition(ended)["message"]
        assert not world.trials()


def test_a_service_with_no_more_points_ends_the_search(world, start):
    def few(double, _number, count, _context):
        given = getattr(double, "given", 0)
        now = min(count, 3 - given)
        double.given = given + now
        return double.points(now)

    with SuggestionDouble(few) as double:
        start(world, suggestion_address=double.address)
        world.create(experiment(rule="seconds=0.2", trials=9, parallel=2))
        ended = world.ended()
        assert condition(ended)["reason"] == "ExperimentSuggestionEndReached"
        assert world.states() == ["Succeeded"] * 3


def test_points_outside_the_space_fail_the_experiment_with_their_names(world, start):
    def outside(_double, _number, count, _context):
        message = wire.GetSuggestionsReply()
        for _ in range(count):
            message.parameter_assignments.add().assignments.add(name="lr", value="7")
        return message.SerializeToString()

    with SuggestionDouble(outside) as double:
        start(world, suggestion_address=double.address)
        world.create(experiment(trials=4))
        suggestion = world.until(
            lambda: (found := world.find(resource=SUGGESTIONS)) and "lr" in str(found.get("status")) and found,
            what="it is said",
        )
        tell(condition(suggestion)["message"])
        assert not world.jobs()
        assert double.requests <= 10


def test_a_service_that_refuses_the_settings_fails_the_experiment_in_its_words(world, start):
    def refuses(_double, _number, _count, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the moon is in the wrong phase")

    with SuggestionDouble(refuses) as double:
        start(world, suggestion_address=double.address)
        world.create(experiment(trials=4))
        ended = world.ended()
        assert state(ended) == "Failed"
        assert "the moon is in the wrong phase" in condition(ended)["message"]


def test_medianstop_stops_what_does_badly(world, start):
    """The first three trials are good; what comes then reports what is worse than their beginnings, and would never end."""
    start(world)
    body = experiment(
        rule="seconds=0.6 reports=6 value=${trialParameters.lr} end=${trialParameters.end}", trials=5, parallel=1
    )
    spec = body["spec"]
    choices = [{"name": "end", "parameterType": "categorical", "feasibleSpace": {"list": ["complete", "never"]}}]
    spec["parameters"] = [
        {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "100"}},
        *choices,
    ]
    spec["trialTemplate"]["trialParameters"] = [{"name": each, "reference": each} for each in ("lr", "end")]
    spec["earlyStopping"] = {
        "algorithmName": "medianstop",
        "algorithmSettings": [
            {"name": "min_trials_required", "value": "3"},
            {"name": "start_step", "value": "2"},
        ],
    }
    stated = [("1", "complete"), ("2", "complete"), ("3", "complete"), ("90", "never"), ("91", "never")]
    spec["initialTrials"] = [
        {"parameterAssignments": [{"name": "lr", "value": lr}, {"name": "end", "value": end}]} for lr, end in stated
    ]
    world.create(body)
    ended = world.ended(seconds=90)
    assert state(ended) == "Succeeded"
    assert world.states() == ["Succeeded"] * 3 + ["EarlyStopped"] * 2
    stopped = world.trials()[-1]
    assert condition(stopped)["reason"] == "TrialEarlyStopped"
    tell(condition(stopped)["message"])
