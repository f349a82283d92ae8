"""The overlay ``namespaced``: a search in one namespace, by an operator that has no right anywhere else."""

import pytest
from installation import ROOT, installing, takes_minutes

pytestmark = [takes_minutes, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def installation(kubernetes, tmp_path_factory):
    kubernetes.kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", str(ROOT / "deploy" / "crds"))
    folder = tmp_path_factory.mktemp("namespaced").resolve()
    with installing(kubernetes, folder, overlay="namespaced", own_trials=True) as made:
        yield made


def test_an_experiment_succeeds_beside_its_operator(installation):
    installation.start()
    installation.check_success()
    assert [each for each in installation.requests() if each[-1] in {"401", "403"}] == []


def test_the_cluster_has_nothing_of_it(installation, kubernetes):
    kinds = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations"
    assert kubernetes.get(kinds, "--selector=app.kubernetes.io/part-of=katib")["items"] == []
    for verb, resource, group in (
        ("get", "experiments", "kubeflow.org"),
        ("create", "jobs", "batch"),
        ("list", "pods", ""),
    ):
        assert installation.may("katib-operator", verb, resource, installation.namespace, group=group)
        assert not installation.may("katib-operator", verb, resource, "default", group=group)
        assert not installation.may("katib-operator", verb, resource, "", group=group)
