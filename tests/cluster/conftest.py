"""A real cluster for every test below: KUBECONFIG's, or this machine's own (``make cluster-up``), or none, which one line says."""

import functools
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster_access import ControlPlane, Kubernetes, NoCluster, find_cluster, missing_controllers


@functools.cache
def found_cluster():
    """The path of a kubeconfig, or why there is none."""
    try:
        return find_cluster()
    except NoCluster as none:
        return none


def pytest_runtest_setup(item):
    # Here and not in a fixture, so that all skipped tests are told in one line.
    why = ""
    if "kubeconfig" in item.fixturenames and isinstance(found_cluster(), NoCluster):
        why = str(found_cluster())
    elif "lasting_control_plane" in item.fixturenames:
        why = ControlPlane.missing()
    elif "minutes" in item.fixturenames and os.environ.get("KATIB_E2E_INSTALL") != "1":
        why = "they take minutes: `make e2e-install` installs every overlay"
    elif marker := item.get_closest_marker("controllers"):
        why = missing_controllers(marker.args)
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def minutes():
    """Nothing: what asks for it is what the gate has no time for."""


@pytest.fixture(scope="session")
def kubeconfig():
    """The path of the kubeconfig of a cluster with a node."""
    return found_cluster()


@pytest.fixture(scope="session")
def kubernetes(kubeconfig):
    """``kubectl`` as the administrator of the cluster."""
    cluster = Kubernetes(kubeconfig)
    cluster.sweep()
    return cluster


@pytest.fixture
def namespace(kubernetes, request):
    """A namespace of the test's own; it goes with the test, and after Ctrl-C, too."""
    with kubernetes.namespace(request.node.name) as name:
        yield name


@pytest.fixture
def restricted_namespace(kubernetes, request):
    """As ``namespace``, with Pod Security's level "restricted"."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    with kubernetes.namespace(request.node.name, labels=labels) as name:
        yield name


@pytest.fixture(scope="session")
def lasting_control_plane(tmp_path_factory):
    """One for all tests of this process; a start takes five seconds."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture
def control_plane(lasting_control_plane):
    """etcd, API server and controller manager to be killed and stopped, whole before each test. No root is needed and no pod runs.

    What a test creates stays there; ``ControlPlane`` itself gives one with other flags.
    """
    lasting_control_plane.mend()
    return lasting_control_plane
