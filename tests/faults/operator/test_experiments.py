"""What becomes of experiments on a control plane where nothing goes wrong; every other test here is measured by it."""

import json

from world import JOBS, condition, experiment, state, status


def test_an_experiment_runs_to_its_end(world, start):
    start(world)
    world.create(experiment(trials=6, parallel=3))
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert condition(ended)["reason"] == "ExperimentMaxTrialsReached"
    assert world.states() == ["Succeeded"] * 6
    assert status(ended)["trialsSucceeded"] == 6
    assert world.most["search"] <= 3


def test_a_trial_is_told_what_it_is(world, start):
    start(world)
    body = experiment(trials=2)
    body["spec"]["trialTemplate"]["retain"] = True
    world.create(body)
    assert state(world.ended()) == "Succeeded"
    told = {}
    for job in world.client.list(JOBS, world.namespace)[0]:
        variables = job["spec"]["template"]["spec"]["containers"][0]["env"]
        told[job["metadata"]["name"]] = {variable["name"]: variable["value"] for variable in variables}
    assert sorted(variables["KATIB_TRIAL_INDEX"] for variables in told.values()) == ["0", "1"]
    for name, variables in told.items():
        assert (variables["KATIB_TRIAL_NAME"], variables["KATIB_EXPERIMENT_NAME"]) == (name, "search")
        assert variables["KATIB_NAMESPACE"] == world.namespace
        assert 0.01 <= json.loads(variables["KATIB_TRIAL_PARAMETERS"])["lr"] <= 0.1
