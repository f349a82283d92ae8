"""Why nothing happens to an experiment on a cluster, by what can be seen of its operators."""

from datetime import UTC, datetime, timedelta

import pytest

from katib.api.base import Condition, ObjectMeta
from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from katib.errors import Denied, NotFound, StoreUnavailable
from katib.kube.resource import DEPLOYMENTS
from katib.operator.cluster_experiments import ClusterExperiments
from katib.operator.unattended import why_unattended

COMPONENT = {"katib.kubeflow.org/component": "operator"}


class Cluster:
    """What an API server has of operators, and what may be seen of it.

    Attributes:
        visible: The only namespaces that may be looked into; None for all.
    """

    def __init__(self, *deployments, leases=(), visible=None):
        self.deployments = deployments
        self.leases = leases
        self.visible = visible

    def list(self, resource, namespace=None, *, label_selector=""):
        assert (resource, label_selector) == (DEPLOYMENTS, "katib.kubeflow.org/component=operator")
        if self.visible is not None and namespace not in self.visible:
            raise Denied("deployments.apps is forbidden")
        found = [each for each in self.deployments if namespace in (None, each["metadata"]["namespace"])]
        return found, "1"

    def get(self, _resource, name, namespace):
        for lease in self.leases:
            if (lease["metadata"]["name"], lease["metadata"]["namespace"]) == (name, namespace):
                return lease
        raise NotFound(name)

    def request(self, _method, path, query):
        assert path == "/apis/coordination.k8s.io/v1/leases"
        return {
            "items": [each for each in self.leases if f"metadata.name={each['metadata']['name']}" in query.values()]
        }

    def close(self):
        pass


def deployment(namespace="katib", *args, name="katib-operator", ready=1):
    container = {"name": "operator", "args": ["serve", "operator", *args]}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": COMPONENT},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": ready} if ready else {},
    }


def lease(namespace="katib", *, age=1.0, holder="operator-1"):
    renewed = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    spec = {"holderIdentity": holder, "renewTime": renewed}
    return {"metadata": {"name": "katib-operator", "namespace": namespace}, "spec": spec}


def test_without_an_operator_it_says_how_to_get_one():
    assert "the cluster has no operator: `kubectl apply -k" in why_unattended(Cluster(), "team")
    # A lease of one that is no more changes nothing.
    assert "the cluster has no operator" in why_unattended(Cluster(leases=[lease(age=3600)]), "team")


def test_one_that_is_no_deployment_is_known_by_its_lease():
    said = why_unattended(Cluster(leases=[lease("tools", holder="laptop_1")]), "team")
    assert "lease tools/katib-operator is held by laptop_1" in said
    assert "namespaces than 'team' only" in said


@pytest.mark.parametrize(
    "words",
    [["--watch-namespace=katib"], ["--watch-namespace", "katib"], ["--watch-namespace=$(POD_NAMESPACE)"]],
    ids=["one-word", "two-words", "own-namespace"],
)
def test_operators_of_other_namespaces_are_named(words):
    said = why_unattended(Cluster(deployment("katib", *words)), "team")
    assert "no operator watches namespace 'team' (katib/katib-operator watches katib)" in said
    assert "watches this namespace" in why_unattended(Cluster(deployment("katib", *words)), "katib")


def test_one_that_watches_all_and_is_not_ready_is_looked_into():
    said = why_unattended(Cluster(deployment(ready=0)), "team")
    assert "operator katib/katib-operator is not ready (0 of 1 pods)" in said
    assert "`kubectl --namespace=katib logs deployment/katib-operator`" in said


def test_one_whose_lease_is_old_does_not_act():
    said = why_unattended(Cluster(deployment(), leases=[lease(age=300)]), "team")
    assert "is ready but does not act: its lease katib/katib-operator was renewed last 300 s ago" in said


def test_one_that_should_have_is_asked_for_its_log():
    for leases in ([lease()], [], [lease(age=-5)], [{"metadata": lease()["metadata"], "spec": {}}]):
        assert "should have: `kubectl --namespace=katib logs" in why_unattended(
            Cluster(deployment(), leases=leases), "team"
        )


def test_who_may_see_little_is_told_what_to_ask():
    said = why_unattended(Cluster(deployment(), visible=["team"]), "team")
    assert "cannot be seen with your rights" in said
    assert "kubectl get deployments --all-namespaces --selector=katib.kubeflow.org/component=operator" in said
    # What may be seen is told.
    narrow = Cluster(deployment("kubeflow", "--watch-namespace=kubeflow"), visible=["team", "kubeflow"])
    assert "of those that can be seen with your rights (kubeflow/katib-operator watches" in why_unattended(
        narrow, "team"
    )


def test_a_server_that_does_not_answer_is_no_reason_to_fail():
    class Away(Cluster):
        def list(self, *_args, **_more):
            raise StoreUnavailable("the API server is away")

    assert "cannot be looked up (the API server is away)" in why_unattended(Away(), "team")


def test_an_experiment_that_was_taken_up_needs_no_reason():
    taken = Experiment(
        metadata=ObjectMeta(name="search", namespace="team"),
        spec=ExperimentSpec(),
        status=ExperimentStatus(conditions=[Condition(type="Created", status="True")]),
    )
    with ClusterExperiments(Cluster()) as experiments:
        assert experiments.idle_reason(taken) == ""
        fresh = taken.model_copy(update={"status": None})
        assert "the cluster has no operator" in experiments.idle_reason(fresh)
