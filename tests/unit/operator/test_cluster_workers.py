"""Trials of a cluster in callers' hands: whoever waits no more takes none, and keeps no other from the threads."""

import json
import threading
from types import SimpleNamespace

from katib.api.parse import parse_experiment
from katib.operator import cluster_workers
from katib.operator.cluster_workers import ClusterWorkers

EXPERIMENT = parse_experiment(
    json.loads("""{"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "search", "namespace": "team"},
    "spec": {"objective": {"type": "minimize", "objectiveMetricName": "loss"}, "algorithm": {"algorithmName": "random"},
    "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}]}}""")
)


class Cluster:
    """One that has no Leases, and counts who looks for them."""

    def __init__(self):
        self.looks = threading.Semaphore(0)

    def list(self, *_, **__):
        self.looks.release()
        return [], "1"


def test_whoever_waits_no_more_leaves_the_threads_to_others(monkeypatch):
    monkeypatch.setattr(cluster_workers, "_WAITING", 1)
    monkeypatch.setattr(cluster_workers, "is_run_by_callers", lambda _: True)
    cluster = Cluster()
    workers = ClusterWorkers(
        SimpleNamespace(get=lambda *_: EXPERIMENT, trials=lambda *_, **__: []), cluster, SimpleNamespace()
    )
    try:
        gone = [workers.suggest("team", "search", f"gone-{number}", wait=86_400) for number in range(3)]
        assert cluster.looks.acquire(timeout=30)
        assert all(answer.cancel() for answer in gone)
        assert workers.suggest("team", "search", "here").result(30).trials == ()
    finally:
        workers.close()
