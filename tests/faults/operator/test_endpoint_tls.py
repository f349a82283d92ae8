"""An algorithm's server that is asked over TLS: an experiment says why it is not believed, and goes on when that is mended."""

import sys
from pathlib import Path

import pytest
import yaml
from world import condition, experiment, state

from katib.operator import conversation, experiment_controller
from katib.operator.katib_config_source import ConfigFile, KatibConfigSource
from katib.testing.served import ServedSuggestion

sys.path.append(str(Path(__file__).parents[2] / "integration"))

from authority import Authority


@pytest.fixture
def oracle(tmp_path):
    """A suggestion server with a certificate, its authority, and how to give it another one."""
    authority = Authority("one")

    def show(**how):
        certificate, key = authority.issue("server", **how)
        (tmp_path / "cert.pem").write_bytes(certificate)
        (tmp_path / "key.pem").write_bytes(key)

    show()
    files = ("--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
    with ServedSuggestion("--workers", "1", *files) as server:
        yield server, authority, show


@pytest.fixture
def configure(tmp_path, oracle):
    server, _, _ = oracle

    def configure(**tls):
        entry = {"algorithmName": "random", "endpoint": f"grpcs://{server.address}", "extended": True, "tls": tls}
        document = {
            "apiVersion": "config.kubeflow.org/v1beta1",
            "kind": "KatibConfig",
            "runtime": {"suggestions": [entry]},
        }
        new = tmp_path / "new.yaml"
        new.write_text(yaml.safe_dump(document))
        new.replace(tmp_path / "katib-config.yaml")

    return configure


@pytest.fixture
def soon(monkeypatch):
    """What is waited for is said soon, and asked for again soon."""
    monkeypatch.setattr(experiment_controller, "_PATIENCE", 0.2)
    monkeypatch.setattr(conversation, "_LONGEST_PAUSE", 0.5)


@pytest.fixture
def operator(world, start_here, tmp_path, configure):
    configure(caBundle=Authority("another").pem.decode())
    source = KatibConfigSource(ConfigFile(tmp_path / "katib-config.yaml"), every=0.1)
    return start_here(world, config=source, suggestion_address="127.0.0.1:1")


@pytest.mark.usefixtures("soon", "operator")
def test_an_experiment_says_what_is_wrong_and_goes_on_when_it_is_mended(world, oracle, configure):
    _, authority, show = oracle
    world.create(experiment(trials=2))

    def says(text):
        world.until(lambda: text in condition(world.get()).get("message", ""), what=f"it says {text}")
        assert state(world.get()) in ("Created", "Running")

    says("cannot be reached over TLS: its certificate is not signed by the given authorities")
    configure(caBundle=authority.pem.decode(), serverName="oracle.example")
    says("its certificate is not for the name oracle.example")
    show(expired=True)
    configure(caBundle=authority.pem.decode())
    says("its certificate has expired")
    show()
    assert state(world.ended()) == "Succeeded"
    assert world.states() == ["Succeeded"] * 2
