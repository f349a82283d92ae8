"""Many experiments in one process: what driving them costs while their trials run, and how fast small ones come to their end."""

import argparse
import json
import os
import sys
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
    """CPU of this process while ``count`` experiments have one running trial each, which prints each second."""
    script = 'while true; do echo "loss=$1"; sleep 1; done'
    begun = time.perf_counter()
    for index in range(count):
        experiments.create("default", document(f"long-{index}", script=script, trials=2, parallel=1))
    created = time.perf_counter() - begun

    def running():
        found = experiments.find("default", ExperimentQuery(limit=1000)).experiments
        return sum(each.status.trials_running for each in found) == count

    started = wait(running)
    before, begun = cpu(), time.perf_counter()
    time.sleep(seconds)
    share = (cpu() - before) / (time.perf_counter() - begun)
    print(f"{count} experiments created in {created:.2f} s, all with a running trial {started:.2f} s later")
    print(f"driving them: {100 * share:.1f} % of one CPU ({1000 * share / count:.2f} ms per experiment and second)")
    polls, begun = 200, time.perf_counter()
    _, cursor = experiments.changes("default", None, ""), ""
    for _ in range(polls):
        cursor = experiments.changes("default", None, cursor).cursor
    print(f"changes of the namespace: {1000 * (time.perf_counter() - begun) / polls:.2f} ms")
    begun = time.perf_counter()
    for _ in range(polls):
        cursor = experiments.changes("default", "long-0", cursor if cursor.startswith('["one"') else "").cursor
    print(f"changes of one experiment: {1000 * (time.perf_counter() - begun) / polls:.2f} ms")
    begun = time.perf_counter()
    for index in range(count):
        experiments.stop("default", f"long-{index}", at_once=True)
    stopped = wait(lambda: not experiments.find("default", ExperimentQuery(states=["Running"])).experiments)
    print(f"all stopped {time.perf_counter() - begun:.2f} s after the first was asked to ({stopped:.2f} s waited)")


def trials(experiments, count, parallel):
    """How long trials take that do nothing."""
    text = document("quick", script='echo "loss=$1"', trials=count, parallel=parallel)
    begun = time.perf_counter()
    experiments.create("default", text)
    while not over(experiments.get("default", "quick").status):
        time.sleep(0.02)
    seconds = time.perf_counter() - begun
    print(f"{count} trials, {parallel} at a time: {seconds:.2f} s, {1000 * seconds / count:.1f} ms per trial")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--trials", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with open_store(home.store_path) as store, LocalExperiments(home, store) as experiments:
            try:
                trials(experiments, options.trials, 4)
                driving(experiments, options.experiments, options.seconds)
            finally:
                for each in experiments.find(None, ExperimentQuery(limit=1000)).experiments:
                    experiments.delete("default", each.metadata.name)


if __name__ == "__main__":
    sys.exit(main())
