"""Experiments that are deleted while no operator runs: the next one tells the store of them, and of nothing else."""

import contextlib

import pytest
from world import World, experiment, state

from katib.api.trial import TrialState
from katib.errors import NotFound
from katib.kube.resource import NAMESPACES
from katib.operator.cluster_store import ClusterStore


@pytest.fixture
def told(store):
    with ClusterStore(store.address) as client:
        yield client


def open_in(world, told):
    """The names of the experiments of a world that the store knows as not over."""
    mark = world.client.get(NAMESPACES, world.namespace)["metadata"]["uid"]
    return {each.name for each in told.open_experiments(mark, world.namespace)}


def recorded(world, told, trial):
    place = {"namespace": world.namespace, "name": trial["metadata"]["name"]}
    place["experiment_id"] = trial["metadata"]["ownerReferences"][0]["uid"]
    with contextlib.suppress(NotFound):
        return told.trial(place)
    return None


def test_a_deletion_that_no_operator_saw_is_told_by_the_next_one(client, world, start, told):
    with World(client, "another") as another:
        trials = {}
        for each in (world, another):
            operator = start(each)
            for name in ("first", "second"):
                each.create(experiment(name, rule="end=never", parallel=1, trials=1))
                each.until(lambda each=each, name=name: each.active(name), what="it runs")
                [trials[each.namespace, name]] = each.trials(name)
            each.until(
                lambda each=each: all(
                    (found := recorded(each, told, trials[each.namespace, name])) and found.state is TrialState.RUNNING
                    for name in ("first", "second")
                ),
                what="the store knows",
            )
            assert open_in(each, told) == {"first", "second"}
            operator.kill()
            each.delete("first")
            each.until(lambda each=each: not each.find("first"), what="it is gone")
        dying = start(world, die_before=1)
        world.until(lambda: not dying.alive, what="it died before it told anybody anything")
        assert open_in(world, told) == {"first", "second"}
        start(world)
        world.until(lambda: open_in(world, told) == {"second"}, what="the store was told")
        gone = world.until(
            lambda: (found := recorded(world, told, trials[world.namespace, "first"])) and found,
            what="its trial is kept",
        )
        assert (gone.state, gone.reason) == (TrialState.KILLED, "ExperimentDeleted")
        assert state(world.get("second")) == "Running"
        assert open_in(another, told) == {"first", "second"}, "its operator has not looked yet, and nobody else may"
