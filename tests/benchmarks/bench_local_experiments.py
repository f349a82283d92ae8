"""Many experiments in one process: what driving them costs while their trials run, and how fast small ones come to their end."""

import json
import os
import tempfile
import time
from pathlib import Path

from katib.engine.status import over
from katib.experiments.protocol import ExperimentQuery
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store


def document(name, *, script, trials, parallel):
    return json.dumps(
        {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": name},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "algorithm": {"algorithmName": "random"},
                "parallelTrialCount": parallel,
                "maxTrialCount": trials,
                "seed": 1,
                "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
                "trialTemplate": {
                    "primaryContainerName": "main",
                    "trialParameters": [{"name": "x", "reference": "x"}],
                    "trialSpec": {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "spec": {
                            "template": {
                                "spec": {
                                    "containers": [
                                        {
                                            "name": "main",
                                            "image": "none",
                                            "command": ["sh", "-c", script, "sh", "${trialParameters.x}"],
                                        }
                                    ],
                                    "restartPolicy": "Never",
                                }
                            }
                        },
                    },
                },
            },
        }
    )


def cpu():
    times = os.times()
    return times.user + times.system


def wait(condition):
    begun = time.perf_counter()
    while not condition():
        time.sleep(0.1)
    return time.perf_counter() - begun


def driving(experiments, count, seconds):
    """Rows: what it costs this process that many experiments have one running trial each, which prints each second."""
    script = 'while true; do echo "loss=$1"; sleep 1; done'
    begun = time.perf_counter()
    for index in range(count):
        experiments.create("default", document(f"long-{index}", script=script, trials=2, parallel=1))
    created = time.perf_counter() - begun

    def running():
        found = experiments.find("default", ExperimentQuery(limit=1000)).experiments
        return sum(each.status.trials_running for each in found) == count

    wait(running)
    before, begun = cpu(), time.perf_counter()
    time.sleep(seconds)
    share = (cpu() - before) / (time.perf_counter() - begun)
    polls, begun = 200, time.perf_counter()
    cursor = ""
    for _ in range(polls):
        cursor = experiments.changes("default", None, cursor).cursor
    of_namespace = 1000 * (time.perf_counter() - begun) / polls
    begun = time.perf_counter()
    for index in range(count):
        experiments.stop("default", f"long-{index}", at_once=True)
    wait(lambda: not experiments.find("default", ExperimentQuery(states=["Running"])).experiments)
    stopped = time.perf_counter() - begun
    return [
        (f"{count} experiments of this process: created", created, "s", ""),
        ("  driving them, one running trial each", 100 * share, "% of a CPU", ""),
        ("  changes of their namespace", of_namespace, "ms", ""),
        ("  all stopped", stopped, "s", ""),
    ]


def trials(experiments, count, parallel):
    """Rows: how long trials take that do nothing."""
    text = document("quick", script='echo "loss=$1"', trials=count, parallel=parallel)
    begun = time.perf_counter()
    experiments.create("default", text)
    while not over(experiments.get("default", "quick").status):
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    return [(f"{count} empty trials of this process, {parallel} at a time", 1000 * seconds / count, "ms/trial", "")]


def measure():
    """Return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with open_store(home.store_path) as store, LocalExperiments(home, store) as experiments:
            try:
                return [*trials(experiments, 100, 4), *driving(experiments, 50, 10.0)]
            finally:
                for each in experiments.find(None, ExperimentQuery(limit=1000)).experiments:
                    experiments.delete("default", each.metadata.name)
