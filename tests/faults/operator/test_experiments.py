"""What becomes of experiments on a control plane where nothing goes wrong; every other test here is measured by it."""

from world import condition, experiment, state, status


def test_an_experiment_runs_to_its_end(world, start):
    start(world)
    world.create(experiment(trials=6, parallel=3))
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert condition(ended)["reason"] == "ExperimentMaxTrialsReached"
    assert world.states() == ["Succeeded"] * 6
    assert status(ended)["trialsSucceeded"] == 6
    assert world.most["search"] <= 3
