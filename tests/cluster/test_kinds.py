"""Trials that are run by controllers of their own: Kubeflow's training operator."""

import pytest
from kinds_world import (
    FAIL,
    FOREVER,
    HELP,
    TRAIN,
    KindsWorld,
    collected_pods,
    experiment,
    given,
    loss_of,
    replicas,
    state_of,
    training_job,
)

pytestmark = [pytest.mark.controllers("training"), pytest.mark.xdist_group("kinds")]


def pytorch_job(**programs):
    return training_job("PyTorchJob", "pytorchReplicaSpecs", replicas("pytorch", **programs))


@pytest.fixture(scope="module")
def world(kubeconfig):  # noqa: ARG001 - there is a cluster
    """An operator that was there, with experiments that waited, before anybody knew the kind."""
    with KindsWorld("training") as world:
        for name, trials, programs in (
            ("early", 3, {"Master": TRAIN, "Worker": HELP}),
            ("broken", 1, {"Master": FOREVER, "Worker": FAIL}),
            ("endless", 1, {"Master": FOREVER, "Worker": (2, HELP)}),
        ):
            world.create(experiment(name, pytorch_job(**programs), container="pytorch", trials=trials))

        def told():
            found = world.get("events")["items"]
            return [each["message"] for each in found if each["reason"] == "UnknownKind"]

        world.unknown = world.until(told, "it is told that nobody knows the kind")
        world.start_controllers()
        yield world


def test_a_kind_that_is_defined_later_is_picked_up(world):
    assert "PyTorchJob" in world.unknown[0]
    running = set()

    def over():
        states = [each.get("type") for each in world.messages("early")]
        running.add(states.count("Running"))
        condition = world.get("experiment", "early")["status"]["conditions"][-1]
        return condition if condition["type"] in ("Succeeded", "Failed") else None

    end = world.until(over, "the experiment is over", 180)
    trials = world.of("trials", "early")
    assert end["type"] == "Succeeded", (end, trials)
    assert [state_of(trial) for trial in trials] == ["Succeeded"] * 3
    assert max(running) <= 2


def test_only_the_master_is_collected(world):
    world.over("early")
    trials = world.of("trials", "early")
    assert [loss_of(trial) for trial in trials] == [given(trial) for trial in trials]


def test_a_replica_that_fails_fails_the_trial_with_the_reason(world):
    end, (trial,) = world.over("broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    said = trial["status"]["conditions"][-1]["message"]
    assert "exit code 7" in said, said
    assert "PyTorchJob" in said, said
    world.until(lambda: not world.of("pods", "broken"), "its pods are gone")


def test_a_trial_that_is_deleted_takes_its_job_and_pods_along(world):
    world.until(
        lambda: [each["status"].get("phase") for each in world.of("pods", "endless")] == ["Running"] * 3,
        "master and workers run",
    )
    assert len(collected_pods(world.of("pods", "endless"))) == 1
    world.kubernetes.kubectl("delete", "experiment", "endless", "--namespace", world.namespace)
    world.until(lambda: not world.of("pytorchjobs,pods,trials", "endless"), "neither job nor pods are there")
