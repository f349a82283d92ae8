"""An operator that dies between any two of its actions: the next one brings every experiment to the same end."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from memory_cluster import Killed, MemoryClient, MemoryCluster, MemoryOperator, MemoryStore
from world import World, condition, experiment, state, status, tell

from katib.operator import experiment_controller, recorder
from katib.operator.kinds import EXPERIMENTS, SUGGESTIONS
from katib.testing.job_double import JobDouble

PARALLEL = 2
POINTS = int(os.environ.get("KATIB_CRASH_POINTS", "3"))
"""Crash points of each search on a real API server; 0 is all of them, which takes minutes."""
AT_A_TIME = 3
GRID = (
    {"name": "size", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "3"}},
    {"name": "lr", "parameterType": "discrete", "feasibleSpace": {"list": ["0.1", "0.2"]}},
)
GIVEN = [
    {"parameterAssignments": [{"name": "lr", "value": value}], "metrics": [{"name": "loss", "value": loss}]}
    for value, loss in (("0.02", "0.5"), ("0.03", "0.25"))
]
SEARCHES = {
    "random": experiment(parallel=PARALLEL, trials=5),
    "tpe": experiment(algorithm="tpe", parallel=PARALLEL, trials=5, settings=[("n_startup_trials", "2")]),
    "grid": experiment(algorithm="grid", parameters=GRID, parallel=PARALLEL, trials=12),
    "given": experiment(parallel=PARALLEL, trials=2, initialTrials=GIVEN),
}


def loss(measured):
    return float(measured["observation"]["metrics"][0]["latest"])


def end_of(world):
    """What has to be the same however often an operator died."""
    ended = world.ended(seconds=90)
    world.until(
        lambda: status(world.get()).get("trialsSucceeded") == world.states().count("Succeeded") - world.imported(),
        what="the counters are written",
    )
    ended = world.get()
    suggestion = world.until(
        lambda: (found := world.find(resource=SUGGESTIONS)) and state(found) == "Succeeded" and found,
        what="the Suggestion is over",
    )
    trials = world.trials()
    points = [
        tuple((each["name"], each["value"]) for each in trial["spec"]["parameterAssignments"]) for trial in trials
    ]
    return {
        "state": state(ended),
        "reason": condition(ended)["reason"],
        "states": [state(each) for each in trials],
        "indices": [each["metadata"]["annotations"]["katib.kubeflow.org/trial-index"] for each in trials],
        "succeeded": status(ended)["trialsSucceeded"],
        "different points": len(set(points)),
        "suggested": status(suggestion)["suggestionCount"],
        "optimum": loss(status(ended)["currentOptimalTrial"]) == min(loss(status(each)) for each in trials),
    }


def check_history(world):
    """What must never have been, as the watches saw it."""
    for kind, seen in world.uids.items():
        again = {name: uids for name, uids in seen.items() if len(uids) > 1}
        assert not again, f"a {kind} was made twice: {again}"
    ran = [each["metadata"]["name"] for each in world.trials() if "runSpec" in each["spec"]]
    assert sorted(world.uids["Job"]) == sorted(ran)
    assert world.most["search"] <= PARALLEL


@pytest.fixture
def quick(monkeypatch):
    """What an operator in this process writes or tells only once in a while it does soon; its death is no accident."""
    monkeypatch.setattr(experiment_controller, "_COUNTERS_EVERY", 0.02)
    monkeypatch.setattr(recorder, "_EVERY", 0.02)
    told = threading.excepthook
    monkeypatch.setattr(threading, "excepthook", lambda ended: ended.exc_type is Killed or told(ended))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("search", SEARCHES)
def test_at_every_crash_point_of_a_search(search):
    """All of them, in a cluster of this process; the test below tries some on a real API server."""
    cluster, store, body = MemoryCluster(), MemoryStore(), SEARCHES[search]
    client = MemoryClient(cluster)

    def run(point):
        with World(client, f"dies-{search}-{point}") as world:
            with MemoryOperator(cluster, store, world.namespace, die_before=point) as first:
                world.create(body)
                world.until(lambda: not first.alive or state(world.get()) == "Succeeded", what="it died", seconds=60)
                if point:
                    first.kill()
                else:
                    whole = end_of(world)
            if not point:
                check_history(world)
                return whole, first.actions
            with MemoryOperator(cluster, store, world.namespace):
                end = end_of(world)
                check_history(world)
            states = [state(each) for each in cluster.history(EXPERIMENTS, world.namespace)]
            assert set(states[states.index("Succeeded") :]) == {"Succeeded"}, "what is over begins again"
            return end, first.actions

    with JobDouble(client, store.report), ThreadPoolExecutor(AT_A_TIME) as threads:
        whole, actions = run(0)
        assert whole["state"] == "Succeeded"
        points = range(1, actions + 1)
        different = {
            point: end for point, (end, _) in zip(points, threads.map(run, points), strict=True) if end != whole
        }
    tell(f"{search}: all of {actions} crash points")
    assert not different, f"instead of {whole}"


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("search", SEARCHES)
def test_wherever_an_operator_dies_the_next_one_comes_to_the_same_end(client, start, search):
    body = SEARCHES[search]
    with World(client, f"whole-{search}") as world:
        operator = start(world)
        world.create(body)
        whole = end_of(world)
        check_history(world)
        actions = operator.actions
        operator.stop()
    assert whole["state"] == "Succeeded"
    assert whole["different points"] == len(whole["states"])
    points = list(range(1, actions + 1))
    if POINTS:
        first = points[:4] if search == "given" else []  # given results are written first
        points = sorted(first or random.Random(f"{search} 1").sample(points, min(POINTS, actions)))

    def die_at(point):
        with World(client, f"dies-{search}-{point}") as world:
            first = start(world, die_before=point)
            world.create(body)
            world.until(lambda: not first.alive or state(world.get()) == "Succeeded", what="it died", seconds=60)
            first.kill()
            start(world)
            end = end_of(world)
            check_history(world)
            return end

    with ThreadPoolExecutor(AT_A_TIME) as threads:
        ends = dict(zip(points, threads.map(die_at, points), strict=True))
    different = {point: end for point, end in ends.items() if end != whole}
    tell(f"{search}: {len(points)} of {actions} crash points")
    assert not different, f"instead of {whole}"


def test_an_operator_that_dies_again_and_again_comes_to_the_end_all_the_same(world, start):
    world.create(experiment(parallel=PARALLEL, trials=6))
    lives = 0
    while state(world.get()) != "Succeeded":
        lives += 1
        assert lives < 60, world.story()
        life = start(world, die_before=12)
        world.until(lambda life=life: not life.alive or state(world.get()) == "Succeeded", what="it died")
        life.kill()
    start(world)
    end = end_of(world)
    tell(f"{lives} lives")
    assert (end["state"], end["states"]) == ("Succeeded", ["Succeeded"] * 6)
    check_history(world)


def test_when_an_experiment_is_gone_nothing_is_left_of_it_though_operators_died(world, start):
    start(world, die_before=15)
    world.create(experiment(rule="end=never", parallel=3, trials=6))
    world.until(world.trials, what="it has begun")
    world.delete()
    start(world)
    world.until(world.is_empty, what="all is gone")
