"""Experiments in real pods, from the cluster's images; the operator and the servers run beside the cluster.

A kubelet looks at its containers once a second. It sees their end at one look and tells it at once; it goes on with the pod at the next
look, and only then is the pod's phase Succeeded. So the phase is 1 to 2 s behind whatever a pod does, and the operator does not wait for it.
"""

import os
import statistics
import threading
import time
from typing import Any

from cluster_access import find_cluster
from measured_operator import MeasuredOperator, Row
from singlenode.images import image_name

from katib.kube.reflector import Reflector
from katib.kube.resource import PODS
from katib.operator.kinds import EXPERIMENT_LABEL, TRIAL_LABEL, TRIALS

HOST = os.environ.get("KATIB_TEST_HOST", "10.250.0.1")
"""Where pods reach this machine."""
RUNS = 10
TRIALS_IN_ALL, PARALLEL, SECONDS = 120, 10, 2
_WORK = (
    "import sys, time\n"
    "time.sleep(float(sys.argv[1]))\n"
    "print(f'loss={sys.argv[2]}\\nworked={time.time()!r}', flush=True)\n"
)


def _experiment(name: str, *, trials: int, parallel: int, seconds: float) -> dict[str, Any]:
    """Return an experiment whose trials wait, and report on their standard output when they had finished."""
    container = {
        "name": "main",
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", _WORK, str(seconds), "${trialParameters.lr}"],
    }
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {
                "type": "minimize",
                "objectiveMetricName": "loss",
                "additionalMetricNames": ["worked"],
            },
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": parallel,
            "maxTrialCount": trials,
            "metricsCollectorSpec": {"collector": {"kind": "StdOut"}},
            "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.1"}}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "lr", "reference": "lr"}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"backoffLimit": 0, "template": {"spec": pod}},
                },
            },
        },
    }


_ENDED = "containers have ended"


def _has_ended(pod: dict[str, Any]) -> bool:
    containers = pod["status"].get("containerStatuses") or []
    return bool(containers) and all("terminated" in each["state"] for each in containers)


class _PodMoments:
    """When pods of trials were first seen in a phase or without running containers, by the clock that trials read, too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[tuple[str, str], float] = {}

    def changed(self, _old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        if new is not None:
            labels = new["metadata"].get("labels") or {}
            phase = (new.get("status") or {}).get("phase", "")
            with self._lock:
                for name in (labels.get(TRIAL_LABEL, ""), f"of {labels.get(EXPERIMENT_LABEL, '')}"):
                    self._first.setdefault((name, phase), time.time())
                    if _has_ended(new):
                        self._first.setdefault((name, _ENDED), time.time())

    def first(self, trial: str, phase: str) -> float | None:
        """Return when a trial's pod was seen so."""
        with self._lock:
            return self._first.get((trial, phase))


def measure() -> list[Row]:
    """Measure."""
    store = ("--http-address", f"{HOST}:0", "--insecure-plaintext", "--insecure-anonymous")
    options = ("--collector-image", image_name("collector"))
    with MeasuredOperator(find_cluster(), store=store, options=options) as operated:
        moments = _PodMoments()
        pods = Reflector(
            operated.client,
            PODS,
            namespace=operated.namespace,
            label_selector=TRIAL_LABEL,
            on_change=moments.changed,
        )
        pods.start()
        try:
            return [*_first_pod(operated, moments), *_through(operated, moments)]
        finally:
            pods.stop()


def _first_pod(operated: MeasuredOperator, moments: _PodMoments) -> list[Row]:
    found = []
    for number in range(RUNS):
        name = f"first-{number}"
        created = time.time()
        search = operated.run(_experiment(name, trials=1, parallel=1, seconds=1), seconds=60)
        (trial,) = _trials(operated, search.name)
        running = moments.first(trial["metadata"]["name"], "Running")
        assert running is not None
        found.append(running - created)
    return [(f"apply -> first trial pod running, p50 of {RUNS}", statistics.median(found), "s", "<= 3", "34")]


def _through(operated: MeasuredOperator, moments: _PodMoments) -> list[Row]:
    search = operated.run(_experiment("through", trials=TRIALS_IN_ALL, parallel=PARALLEL, seconds=SECONDS))
    ends: dict[str, list[float]] = {_ENDED: [], "Succeeded": []}
    for trial in _trials(operated, "through"):
        metrics = {each["name"]: each for each in (trial["status"].get("observation") or {}).get("metrics") or ()}
        for state, found in ends.items():
            seen = moments.first(trial["metadata"]["name"], state)
            if seen is not None and "worked" in metrics:
                found.append(seen - float(metrics["worked"]["latest"]))
    costs = search.costs
    assert len(ends[_ENDED]) > TRIALS_IN_ALL // 2, "most trials were not seen to end"
    return [
        (
            f"real pods, {TRIALS_IN_ALL} trials of {SECONDS} s, {PARALLEL} parallel, StdOut",
            TRIALS_IN_ALL / search.seconds * 60,
            "trials/min",
            ">= 100",
            "70",
        ),
        ("  end of work -> end of its containers is known, p50", statistics.median(ends[_ENDED]), "s", "<= 1", ""),
        ("  end of work -> phase of its pod, p50", statistics.median(ends["Succeeded"] or [0.0]), "s", "", "2.5"),
        ("  the operator's CPU for a trial", costs.cpu / TRIALS_IN_ALL * 1000, "ms", "<= 40", "55-98"),
        ("  API requests for a trial: the operator's", costs.requests.total() / TRIALS_IN_ALL, "", "<= 8", "38"),
        ("  API requests for a trial: all", costs.everything / TRIALS_IN_ALL, "", "", "75"),
        ("  write conflicts for a trial", costs.conflicts / TRIALS_IN_ALL, "", "0", "1"),
    ]


def _trials(operated: MeasuredOperator, name: str) -> list[dict[str, Any]]:
    found, _ = operated.client.list(TRIALS, operated.namespace, label_selector=f"{EXPERIMENT_LABEL}={name}")
    return found
