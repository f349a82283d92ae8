"""What the cluster itself takes, without anything of ours: the floor under every other figure."""

import statistics
import tempfile
import time
from pathlib import Path

from cluster_access import ControlPlane, Kubernetes, find_cluster
from measured_operator import Row
from singlenode.images import image_name

RUNS = 5


def _job(name: str) -> dict[str, object]:
    image = {"image": image_name("trial"), "imagePullPolicy": "IfNotPresent"}
    waits = ["python", "-c", "import signal\nsignal.signal(15, lambda *_: exit(0))\nsignal.pause()"]
    pod = {
        "restartPolicy": "Never",
        "initContainers": [{**image, "name": "sidecar", "restartPolicy": "Always", "command": waits}],
        "containers": [{**image, "name": "main", "command": ["python", "-c", ""]}],
    }
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def _until_complete(kubernetes: Kubernetes, namespace: str, name: str) -> float:
    started = time.perf_counter()
    kubernetes.apply(_job(name), namespace)
    wait = ["wait", "--for=condition=Complete", f"job/{name}", "--timeout=120s", "--namespace", namespace]
    kubernetes.kubectl(*wait, timeout=150)
    return time.perf_counter() - started


def measure() -> list[Row]:
    """Measure."""
    kubernetes = Kubernetes(find_cluster())
    with kubernetes.namespace("bench-machine") as namespace:
        jobs = [_until_complete(kubernetes, namespace, f"job-{number}") for number in range(RUNS)]
    rows: list[Row] = [
        (
            f"apply -> Job with a native sidecar that does nothing is complete, p50 of {RUNS}",
            statistics.median(jobs),
            "s",
            "",
            "",
        ),
    ]
    if not ControlPlane.missing():
        with tempfile.TemporaryDirectory() as folder:
            plane = ControlPlane(Path(folder), fsync=False)
            started = time.perf_counter()
            plane.mend()
            up = time.perf_counter() - started
            started = time.perf_counter()
            plane.cluster.down()
            rows += [
                ("control plane alone: up", up, "s", "", ""),
                ("control plane alone: down", time.perf_counter() - started, "s", "", ""),
            ]
    return rows
