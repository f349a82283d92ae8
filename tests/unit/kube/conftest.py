"""An API server that can be told to misbehave, and clients that find it as they find a real one: by a kubeconfig."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_api_server import FakeApiServer
from kube_world import client_of


@pytest.fixture
def api():
    server = FakeApiServer()
    yield server
    server.stop()


@pytest.fixture
def client(api, tmp_path):
    with client_of(api.url, tmp_path) as client:
        yield client
