"""Whose tokens reach a cluster's API server, and with what: nobody's but the caller's own."""

import sys
from pathlib import Path

import pytest
from kubernetes.client import Configuration

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "tests" / "unit" / "kube"))

from fake_api_server import FakeApiServer, status  # noqa: E402 - found by the line above
from kube_world import kubeconfig  # noqa: E402

from katib.access import Role  # noqa: E402
from katib.errors import StoreUnavailable, Unauthenticated, Unsupported  # noqa: E402
from katib.kube.connection import Connection  # noqa: E402
from katib.operator import cluster_callers as module  # noqa: E402
from katib.operator.cluster_callers import CallersOfCluster, ClusterAddress, ExperimentsOfCallers  # noqa: E402
from katib.operator.cluster_client import ClusterClient  # noqa: E402

ACCOUNT = "system:serviceaccount:team:tuner"


@pytest.fixture
def api():
    server = FakeApiServer()
    server.token = "good"  # noqa: S105 - made up
    yield server
    server.stop()


@pytest.fixture
def callers(api, tmp_path):
    def client_of(token):
        file = kubeconfig(api.url, tmp_path, token=token)
        connection = Connection.open(kubeconfig=file, context=None, user_agent="test")
        return ClusterClient(connection, request_timeout=2)

    return CallersOfCluster(client_of)


def who(name):
    return 201, {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": name}}}, {}


def test_a_caller_is_who_kubernetes_says_they_are_and_is_asked_for_once(api, callers):
    api.answers = who(ACCOUNT)
    for _ in range(3):
        identity = callers.identity("good")
        assert (identity.name, identity.default_namespace) == (ACCOUNT, "team")
        # What they may do is found out by doing it.
        assert identity.may("elsewhere", Role.ADMIN)
    assert len(api.requests) == 1


def test_people_have_no_namespace_of_their_own(api, callers):
    api.answers = who("jane")
    assert callers.identity("good").default_namespace is None


def test_a_token_of_nobody_is_asked_about_once_and_never_repeated(api, callers):
    for _ in range(3):
        with pytest.raises(Unauthenticated) as caught:
            callers.identity("bad-token")
        assert "bad-token" not in str(caught.value)
    assert len(api.requests) <= 2, "credentials are read anew once"
    with pytest.raises(Unauthenticated, match="Bearer"):
        callers.identity(None)


def test_a_kubernetes_that_tells_no_names_still_knows_its_tokens(api, callers):
    api.answers = [(404, b"404 page not found", {}), (200, {"kind": "APIVersions"}, {})]
    identity = callers.identity("good")
    assert identity.name.startswith("token ")
    assert "good" not in identity.name
    api.answers = [(404, b"404 page not found", {})]
    with pytest.raises(Unauthenticated):
        callers.identity("bad")


def test_a_kubernetes_that_is_away_lets_nobody_in_and_refuses_nobody_for_good(api, callers):
    api.answers = (503, status(503, "ServiceUnavailable", "etcd is away"), {})
    with pytest.raises(StoreUnavailable, match="etcd is away"):
        callers.identity("good")
    api.answers = who(ACCOUNT)
    assert callers.identity("good").name == ACCOUNT


def test_nothing_of_a_kubeconfig_but_the_place_is_used():
    configuration = Configuration()
    configuration.host = "https://cluster.example:6443"
    configuration.ssl_ca_cert = "/etc/hosts"
    configuration.cert_file = configuration.key_file = "/of/an/administrator"
    configuration.api_key = {"authorization": "Bearer administrator"}
    configuration.username, configuration.password = "administrator", "secret"
    address = ClusterAddress(configuration)
    assert address.host == "https://cluster.example:6443"
    known = vars(address)["_known"]
    assert "administrator" not in str(known)
    assert "secret" not in str(known)


def test_tokens_are_not_sent_in_plain_text(api, tmp_path):
    with pytest.raises(Unsupported, match="https"):
        ClusterAddress.find(kubeconfig=kubeconfig(api.url, tmp_path))


def test_a_pod_needs_no_token_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    authority = tmp_path / "ca.crt"
    with pytest.raises(Unsupported, match="--kubernetes-ca"):
        ClusterAddress.find(root_ca=authority)
    authority.write_text("")
    assert ClusterAddress.find(root_ca=authority).host == "https://[fd00::1]:443"


class Experiments:
    def __init__(self, token):
        self.token = token
        self.closed = False

    def close(self):
        self.closed = True


def test_each_caller_has_their_own_and_those_who_left_are_let_go(monkeypatch):
    monkeypatch.setattr(module, "_MOST_KEPT", 2)
    callers = ExperimentsOfCallers(Experiments)
    first, second = callers("a"), callers("b")
    assert callers("a") is first
    assert first is not second
    callers("c")
    assert second.closed
    assert not first.closed
    callers.close()
    assert first.closed
    with pytest.raises(Unauthenticated, match="Bearer"):
        callers(None)
