"""Trials of a cluster in callers' hands: whoever waits no more takes none, and keeps no other from the threads."""

import json
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.errors import Conflict
from katib.experiments.protocol import Measurement, Outcome
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


class OneLease:
    """A cluster with one trial in the hands of client ``a``, and a store."""

    def __init__(self):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.spec = {"holderIdentity": "a", "leaseDurationSeconds": 60, "renewTime": now, "leaseTransitions": 1}
        self.annotations, self.version, self.stored = {}, 1, []

    def get(self, *_):
        metadata = {
            "name": "t",
            "uid": "u",
            "resourceVersion": str(self.version),
            "annotations": dict(self.annotations),
        }
        return {"metadata": metadata, "spec": dict(self.spec)}

    def merge_patch(self, _, __, patch, *___):
        if patch["metadata"].get("resourceVersion") != str(self.version):
            raise Conflict("somebody has written")
        self.version += 1
        self.annotations |= patch["metadata"]["annotations"]
        self.spec |= patch["spec"]
        return self.get()

    def append(self, _, measurements, first):
        self.stored[first:] = [each.text for each in measurements]
        return len(self.stored)


@pytest.fixture
def held(monkeypatch):
    monkeypatch.setattr(cluster_workers, "is_run_by_callers", lambda _: True)
    cluster = OneLease()
    record = TrialRecord(0, "t", TrialState.RUNNING, assignments=(), created=datetime.now(UTC))
    experiments = SimpleNamespace(get=lambda *_: EXPERIMENT, trials=lambda *_, **__: [], trial=lambda *_: record)
    workers = ClusterWorkers(experiments, cluster, cluster)
    yield cluster, workers
    workers.close()


def test_a_request_id_is_of_one_report(held):
    cluster, workers = held

    def report(text, request_id, client="a"):
        return workers.report("team", "search", "t", client, [Measurement("loss", text)], request_id=request_id).result(
            30
        )

    for text, request_id in (("3", "r-1"), ("3", "r-1"), ("2", "r-2"), ("3", "r-1"), ("1", ""), ("1", "")):
        report(text, request_id)
    with pytest.raises(Conflict, match="'r-1' was used for another request"):
        report("4", "r-1")
    with pytest.raises(Conflict, match="'r-1' was used for another request"):
        workers.complete(
            "team", "search", "t", "a", Outcome.COMPLETED, measurements=[Measurement("loss", "3")], request_id="r-1"
        ).result(30)
    assert cluster.stored == ["3", "2", "1", "1"]
    with pytest.raises(Conflict, match=r"is run by another client: this one, 'b', had it never$"):
        report("5", "r-3", "b")


def test_what_a_server_before_this_one_noted_is_known(held):
    cluster, workers = held
    workers.report("team", "search", "t", "a", [Measurement("loss", "3")], request_id="r-1").result(30)
    [name] = [name for name, text in cluster.annotations.items() if "ids" in text]
    cluster.annotations[name] = json.dumps({"next": 1, "ids": ["r-1"]})
    workers.report("team", "search", "t", "a", [Measurement("loss", "3")], request_id="r-1").result(30)
    assert cluster.stored == ["3"]
