"""With which token the experiments' API asks the store: its own, or the operator's where an installation is older than its own."""

import logging

import pytest

from katib.errors import StoreUnavailable
from katib.operator.cluster_store import ClusterStore


@pytest.fixture
def files(tmp_path):
    (tmp_path / "operator.token").write_text("of-the-operator\n")
    return tmp_path / "api.token", tmp_path / "operator.token"


def bearer(store):
    return dict(store._metadata())["authorization"]


def test_its_own_token_is_used_as_soon_as_it_is_there(files, caplog):
    own, former = files
    with ClusterStore("localhost:1", token_file=own, former_token_file=former) as store:
        for _ in range(3):
            assert bearer(store) == "Bearer of-the-operator"
        own.write_text("of-the-api\n")
        assert bearer(store) == "Bearer of-the-api"
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert str(own) in said
    assert "apply the manifests again" in said


def test_without_another_one_its_own_has_to_be_there(files):
    own, former = files
    with ClusterStore("localhost:1", token_file=own) as store, pytest.raises(StoreUnavailable, match="cannot be read"):
        store._metadata()
    with ClusterStore("localhost:1", token="given", former_token_file=former) as store:  # noqa: S106
        assert bearer(store) == "Bearer given"
