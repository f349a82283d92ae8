"""Trials of ``katib run`` that log with MLflow's own client, to their own runs."""

import json
import os
import subprocess
import sys

import yaml

from katib.store import open_store
from katib.store.tracking.records import RunScope
from katib.testing.served import ServedStore

PROGRAM = """
import sys
import mlflow

x = float(sys.argv[1])
with mlflow.start_run():
    mlflow.log_param("squared", x * x)
    for step in range(3):
        mlflow.log_metric("loss", (x - 1) ** 2 + 1 / (step + 1), step=step)
    mlflow.set_tag("said", "by MLflow")
"""


def experiment(folder):
    program = folder / "train.py"
    program.write_text(PROGRAM)
    container = {"name": "training", "image": "none", "command": [sys.executable, str(program), "${trialParameters.x}"]}
    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "parabola"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "maxTrialCount": 2,
            "parallelTrialCount": 2,
            "seed": 3,
            "parameters": [
                {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "-2", "max": "2"}},
            ],
            "trialTemplate": {
                "primaryContainerName": "training",
                "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
                },
            },
        },
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def katib(home, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "katib.cli.main", *map(str, arguments)],
        env={**os.environ, "KATIB_HOME": str(home), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_a_trial_logs_with_mlflow_is_its_own(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    path = experiment(tmp_path)
    with ServedStore("--url", f"sqlite:///{home}/katib.db", "--http-address", "127.0.0.1:0") as server:
        assert server.address, server.log
        uri = f"http://{server.process.stdout.readline().removeprefix('http on ').strip()}"
        done = katib(home, "run", path, "--tracking-uri", uri)
    assert done.returncode == 0, done.stderr + done.stdout
    best = json.loads(katib(home, "best", "parabola", "-o", "json").stdout)
    with open_store(home / "katib.db") as store:
        tracking = store.tracking("default")
        (search,) = tracking.find_searches().items
        runs = tracking.find_runs(scope=RunScope(experiment_ids=[search.id])).items
    assert len(runs) == 2
    for run in runs:
        parameters = {item.name: item for item in run.parameters}
        assert parameters["squared"].number == parameters["x"].number ** 2
        (loss,) = [item for item in run.metrics if item.name == "loss"]
        assert loss.count == 3
        assert loss.latest_step == 2
        assert loss.value == (parameters["x"].number - 1) ** 2 + 1 / 3
        assert run.facts.tags["said"] == "by MLflow"
        assert run.state.value == "Succeeded"
    least = min(run.metrics[0].value for run in runs)
    assert str(least) in json.dumps(best)
    assert search.best == least
