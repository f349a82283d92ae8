"""Where a client goes: what is said, else what the surroundings say."""

import contextlib

import pytest

from katib.client import back_end
from katib.client.back_end import Place
from katib.client.katib_client import KatibClient
from katib.errors import InvalidInput, KatibError


@pytest.fixture(autouse=True)
def pod(monkeypatch, tmp_path):
    """The folder that a pod would have; nothing around says where experiments are."""
    monkeypatch.setattr(back_end, "_POD", tmp_path / "serviceaccount")
    for name in ("KATIB_SERVER", "KUBECONFIG", "KATIB_TOKEN", "KATIB_TOKEN_FILE", "KATIB_ROOT_CA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "serviceaccount"


@pytest.mark.parametrize("kind", ["local", "grpc", "kubernetes"])
def test_what_is_said_wins(kind, monkeypatch):
    monkeypatch.setenv("KATIB_SERVER", "server:1")
    assert Place(backend=kind).chosen() == kind


@pytest.mark.parametrize(
    ("argument", "kind"),
    [
        ("address", "grpc"),
        ("home", "local"),
        ("config_file", "kubernetes"),
        ("context", "kubernetes"),
        ("client_configuration", "kubernetes"),
    ],
)
def test_an_argument_says_what_it_is_for(argument, kind):
    assert Place(**{argument: "given"}).chosen() == kind


def test_a_pod_is_on_its_cluster_and_in_its_namespace(pod):
    assert back_end.default_namespace(Place(), "local") == "default"
    pod.mkdir()
    assert Place().chosen() == "kubernetes"
    (pod / "namespace").write_text("team-a\n")
    assert back_end.default_namespace(Place(), "local") == "team-a"


def test_the_surroundings_are_asked_in_order(monkeypatch):
    assert Place().chosen() == "local"
    monkeypatch.setenv("KUBECONFIG", "config")
    assert Place().chosen() == "kubernetes"
    monkeypatch.setenv("KATIB_SERVER", "server:1")
    assert Place().chosen() == "grpc"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"backend": "kubernets"}, "did you mean 'kubernetes'"),
        ({"backend": "local", "address": "a:1"}, "is for backend 'grpc'"),
        ({"home": "h", "address": "a:1"}, "backend 'grpc' and backend 'local'"),
    ],
)
def test_contradictions_are_refused(fields, said):
    with pytest.raises(InvalidInput, match=said):
        Place(**fields).chosen()


def test_a_server_needs_an_address():
    with contextlib.ExitStack() as stack, pytest.raises(InvalidInput, match="KATIB_SERVER"):
        Place(backend="grpc").opened("grpc", stack)


def test_errors_are_also_what_katibs_client_raises():
    with pytest.raises(ValueError, match="backend") as caught:
        KatibClient(backend="nowhere")
    assert isinstance(caught.value, KatibError)
    assert isinstance(caught.value, InvalidInput)
