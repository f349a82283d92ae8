"""``kubectl apply -k`` gives a Katib that runs the experiment of the guide, with no right that it does not use."""

import base64
import re

import pytest
from installation import installing


@pytest.fixture(scope="module")
def installation(kubernetes, tmp_path_factory):
    with installing(kubernetes, tmp_path_factory.mktemp("install").resolve()) as made:
        yield made


@pytest.fixture(scope="module")
def experiment(installation):
    """The experiment of the guide, over."""
    installation.start()
    return installation.over()


@pytest.mark.usefixtures("experiment")
def test_experiment_of_the_guide_succeeds(installation):
    installation.check_success()


def test_nothing_that_the_operator_asks_for_is_refused(installation, experiment):
    assert experiment
    requests = installation.requests()
    assert {("create", "jobs", "201"), ("create", "trials", "201")} <= {tuple(each) for each in requests}
    assert [each for each in requests if each[-1] in {"401", "403"}] == []


@pytest.mark.usefixtures("experiment")
def test_an_experiment_goes_with_all_that_is_its_own(kubernetes, installation):
    namespace = installation.trials
    kubernetes.kubectl("delete", "experiment/first", "--namespace", namespace)

    def left():
        kinds = "experiments,trials,suggestions,jobs,pods"
        return kubernetes.get(kinds, "--namespace", namespace)["items"]

    kubernetes.wait_for(lambda: not left(), seconds=120, what="nothing is left", namespace=namespace)
    assert [each for each in installation.requests() if each[-1] in {"401", "403"}] == []


@pytest.mark.parametrize("account", ["katib-operator", "katib-store", "katib-suggestion"])
def test_servers_cannot_read_secrets(installation, account):
    for verb in ("get", "list", "create"):
        assert not installation.may(account, verb, "secrets", installation.namespace)
        assert not installation.may(account, verb, "secrets", "default")


def test_keys_are_open_to_their_job_alone_and_by_name(installation):
    assert installation.may("katib-keys", "get", "secrets", installation.namespace, name="katib-keys")
    assert not installation.may("katib-keys", "get", "secrets", installation.namespace, name="another")
    assert not installation.may("katib-keys", "list", "secrets", installation.namespace)


def test_a_kind_of_job_is_added_by_a_label(kubernetes, installation):
    def may():
        return installation.may("katib-operator", "create", "widgets", "default", group="katib-test.example")

    assert not may()
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "katib-test-widgets",
            "labels": {"katib.kubeflow.org/aggregate-to-operator": "true", "app.kubernetes.io/part-of": "katib"},
        },
        "rules": [
            {
                "apiGroups": ["katib-test.example"],
                "resources": ["widgets"],
                "verbs": ["get", "list", "watch", "create", "delete"],
            }
        ],
    }
    kubernetes.kubectl("apply", "--filename=-", stdin=role)
    kubernetes.wait_for(may, seconds=30, what="the operator may make widgets")


def test_installing_again_changes_nothing(kubernetes, installation):
    def state():
        namespace = ("--namespace", installation.namespace)
        keys = kubernetes.get("secret/katib-keys", *namespace)["data"]
        generations = {
            each["metadata"]["name"]: each["metadata"]["generation"]
            for each in kubernetes.get("deployments", *namespace)["items"]
        }
        return keys, generations

    before = state()
    assert {"api.token", "operator.token", "report.keys", "store-tokens.yaml"} == set(before[0])
    installation.apply()
    assert state() == before


def test_store_lets_nobody_in_without_a_token(kubernetes, installation):
    path = f"/api/v1/namespaces/{installation.namespace}/services/katib-store:http/proxy/"
    assert "ok" in kubernetes.kubectl("get", "--raw", f"{path}healthz").lower()
    refused = kubernetes.kubectl("get", "--raw", f"{path}api/2.0/mlflow/experiments/get?experiment_id=0", check=False)
    assert "asked for the client to provide credentials" in refused  # kubectl's words for 401


def test_keys_are_of_this_installation(kubernetes, installation):
    data = kubernetes.get("secret/katib-keys", "--namespace", installation.namespace)["data"]
    key = base64.b64decode(data["report.keys"]).decode().strip()
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert key not in kubernetes.kubectl(
        "get", "deployments,jobs,configmaps", "--namespace", installation.namespace, "--output=yaml"
    )
