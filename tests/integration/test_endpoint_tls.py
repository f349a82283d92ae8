"""Suggestion servers that are asked over TLS: who is believed, and what is said of whom is not."""

import socket

import pytest
from authority import Authority

from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.errors import Overloaded
from katib.rpc.suggestion_client import EncodedHistory, ServerAuthority, SuggestionClient
from katib.rpc.tls_trouble import tls_trouble
from katib.testing.served import ServedSuggestion

NAME = "oracle.research.example"
DOCUMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "search", "namespace": "here", "uid": "u-1"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 3,
        "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
    },
}


@pytest.fixture(scope="module")
def authority():
    return Authority("one")


@pytest.fixture(scope="module")
def served(tmp_path_factory, authority):
    """A server whose files a test may change."""
    folder = tmp_path_factory.mktemp("served")
    show(folder, authority)
    files = ("--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem")
    with ServedSuggestion("--workers", "1", *files) as server:
        yield server, folder


def show(folder, authority, **how):
    certificate, key = authority.issue("server", **how)
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)


def ask(address, roots, name="", *, seconds=30):
    client = SuggestionClient(address, authority=ServerAuthority(roots.decode(), name))
    try:
        experiment = with_defaults(parse_experiment(DOCUMENT))
        return client.suggest(experiment, EncodedHistory(), count=2, issued=0, deadline=seconds)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (({}, "", False), "its certificate is not signed by the given authorities"),
        (({}, NAME, True), f"its certificate is not for the name {NAME}"),
        (({"host": NAME}, "", True), "its certificate is not for the name 127.0.0.1"),
        (({"expired": True}, "", True), "its certificate has expired"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said_and_can_be_mended(served, authority, case, said):
    (server, folder), (how, name, known) = served, case
    show(folder, authority, **how)
    roots = authority.pem if known else Authority("another").pem
    with pytest.raises(Overloaded) as caught:
        ask(server.address, roots, name)
    assert str(caught.value) == f"the suggestion server at {server.address} cannot be reached over TLS: {said}"
    show(folder, authority)
    assert len(ask(server.address, authority.pem).points) == 2


def test_a_server_is_known_by_another_name_than_its_address(served, authority):
    server, folder = served
    show(folder, authority, host=NAME)
    assert len(ask(server.address, authority.pem, NAME).points) == 2


def test_a_server_in_plain_text_is_not_asked_over_tls(authority):
    with (
        ServedSuggestion("--workers", "1") as server,
        pytest.raises(Overloaded, match="cannot be reached over TLS: it does not speak TLS"),
    ):
        ask(server.address, authority.pem)


def test_nobody_there_is_no_matter_of_certificates(authority):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Overloaded) as caught:
        ask(address, authority.pem)
    assert "over TLS" not in str(caught.value)
    assert tls_trouble(address, authority.pem.decode(), "127.0.0.1", seconds=1) == ""


def test_one_that_never_answers_does_not_hold_anybody_up(authority):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert tls_trouble(address, authority.pem.decode(), "127.0.0.1", seconds=0.2) == ""
