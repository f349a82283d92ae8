"""Checkpoints are handed on from trial to trial, also where the driver is killed in between."""

import random
import re
import signal
import time
from pathlib import Path

import pytest
import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "algorithms" / "pbt.yaml"
LABEL = "pbt.suggestion.katib.kubeflow.org/"
STEPS = 10


def assert_every_trial_went_on_from_its_parent(katib, count):
    trials = {trial["metadata"]["name"]: trial for trial in katib.get("trials", "pbt")["items"]}
    assert len(trials) == count
    for name, trial in trials.items():
        labels = trial["metadata"]["labels"]
        (output,) = katib.home.glob(f"experiments/*/trials/{name}/output.log")
        generation = int(labels[LABEL + "generation"])
        steps = [int(step) for step in re.findall(r"step=(\d+)", output.read_text())]
        # Nothing but the checkpoint knows how many steps came before.
        assert steps == list(range(generation * STEPS + 1, (generation + 1) * STEPS + 1))
        if generation:
            assert int(trials[labels[LABEL + "parent"]]["metadata"]["labels"][LABEL + "generation"]) == generation - 1
        else:
            assert LABEL + "parent" not in labels


def test_population_goes_on_from_checkpoints_and_beats_its_beginning(katib):
    katib("run", EXAMPLE)
    assert_every_trial_went_on_from_its_parent(katib, 40)
    best = katib.get("get", "experiment", "pbt")["status"]["currentOptimalTrial"]
    # No member gains more than 0.1 in a trial, so this much needs a line of at least four with good rates. How much more
    # there is depends on which trials end first.
    assert float(best["observation"]["metrics"][0]["latest"]) > 0.3


@pytest.mark.parametrize("seed", range(2))
def test_killed_driver_goes_on_from_the_same_checkpoints(katib, seed):
    moment = random.Random(seed)
    driver = katib.start("run", EXAMPLE)
    while not any(katib.home.glob("experiments/*/checkpoints/*/checkpoint.json")):
        assert driver.poll() is None
        time.sleep(0.02)
    for _ in range(3):
        time.sleep(moment.uniform(0, 1))
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        driver = katib.start("resume", "pbt")
    driver.wait(timeout=120)
    assert katib.condition(katib.get("get", "experiment", "pbt"))["type"] == "Succeeded"
    assert_every_trial_went_on_from_its_parent(katib, 40)


def test_checkpoints_go_with_their_experiment(katib):
    experiment = yaml.safe_load(EXAMPLE.read_text())
    experiment["spec"]["maxTrialCount"] = 5
    template = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    template["containers"][0]["command"][1] = str(EXAMPLE.parent / "population.py")
    path = katib.folder / "few.yaml"
    path.write_text(yaml.safe_dump(experiment))
    katib("run", path)
    assert len(list(katib.home.glob("experiments/*/checkpoints/*/checkpoint.json"))) == 5
    katib("delete", "pbt", "--purge", "--yes")
    assert list(katib.home.glob("experiments/*")) == []
