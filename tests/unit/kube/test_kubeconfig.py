"""A kubeconfig that cannot be used is named; where none was, what to do is said."""

import pytest

from katib.errors import Unsupported
from katib.kube.connection import Connection
from katib.operator.cluster_callers import ClusterAddress


def opened(kubeconfig):
    Connection.open(kubeconfig=kubeconfig, context=None, user_agent="katib")


def found(kubeconfig):
    ClusterAddress.find(kubeconfig=kubeconfig)


@pytest.fixture(autouse=True)
def _outside(monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("way", [opened, found])
def test_the_file_that_was_named_is_told(way, tmp_path, monkeypatch):
    missing, broken = tmp_path / "missing", tmp_path / "broken"
    broken.write_text("clusters: 3")
    with pytest.raises(Unsupported, match=f"there is no kubeconfig {missing}$"):
        way(str(missing))
    with pytest.raises(Unsupported, match=f"the kubeconfig {broken} cannot be used"):
        way(str(broken))
    monkeypatch.setenv("KUBECONFIG", str(missing))
    with pytest.raises(Unsupported, match=f"there is no kubeconfig {missing}$"):
        way(None)
