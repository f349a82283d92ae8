"""A real API server on a real etcd, for one test process alone: it may be killed, stopped and made to forget.

Nothing else of a cluster is needed here. The binaries are those that ``make cluster-up`` leaves behind.
"""

import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "unit" / "kube"))

from katib.errors import KatibError
from katib.kube.client import Client
from katib.kube.resource import NAMESPACES

_NEEDED = ("etcd", "kube-apiserver")
_FLAGS = ("--default-watch-cache-size=5", "--min-request-timeout=5", "--shutdown-delay-duration=0s")


def _binaries():
    """Return the folder of the newest binaries, or None."""
    cache = Path(os.environ.get("KATIB_CLUSTER_CACHE") or Path.home() / ".cache" / "katib-cluster")
    folders = sorted((cache / "binaries").glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    return next((each for each in folders if all((each / name).exists() for name in _NEEDED)), None)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _key(path):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, traditional, serialization.NoEncryption()))


class ControlPlane:
    """etcd and kube-apiserver."""

    def __init__(self, binaries, folder):
        self.binaries = binaries
        self.folder = folder
        self.etcd_port, self.peer_port, self.port = _free_port(), _free_port(), _free_port()
        self.token = secrets.token_hex(16)
        self.processes = {}
        _key(folder / "service-accounts.key")
        (folder / "tokens.csv").write_text(f'{self.token},admin,1,"system:masters"\n')
        self.kubeconfig = folder / "kubeconfig"

    def _start(self, name, *arguments):
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen([self.binaries / name, *arguments], stdout=log, stderr=log)

    def start(self):
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        self._start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        self.start_server()

    def start_server(self):
        key = self.folder / "service-accounts.key"
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            *_FLAGS,
        )
        certificate = self.folder / "certificates" / "apiserver.crt"
        self._until(certificate.exists)
        authority = base64.b64encode(certificate.read_bytes()).decode()
        server = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": authority}
        named = {
            "clusters": [{"name": "one", "cluster": server}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "admin"}}],
        }
        self.kubeconfig.write_text(
            json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "one", **named})
        )
        with self.client() as client:
            self._until(lambda: self._ready(client))

    def _ready(self, client):
        with contextlib.suppress(KatibError):
            client.get(NAMESPACES, "default", timeout=1)
            return True
        return False

    def _until(self, true):
        end = time.monotonic() + 90
        while not true():
            over = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not over, f"{over} ended; see {self.folder}"
            assert time.monotonic() < end, f"it does not come up; see {self.folder}"
            time.sleep(0.05)

    def client(self, **options):
        return Client.connect(kubeconfig=str(self.kubeconfig), **options)

    def signal_server(self, number):
        process = self.processes["kube-apiserver"]
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()
            del self.processes["kube-apiserver"]

    def compact(self):
        """Make etcd forget everything but the present, through its own JSON gateway."""

        def ask(path, **document):
            url = f"http://127.0.0.1:{self.etcd_port}/v3/kv/{path}"
            request = urllib.request.Request(url, json.dumps(document).encode())
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (it is ours)
                return json.load(answer)

        now = ask("range", key=base64.b64encode(b"/").decode(), limit="1")["header"]["revision"]
        ask("compaction", revision=now, physical=True)

    def stop(self):
        for process in reversed(list(self.processes.values())):
            process.kill()
            process.wait()


def pytest_collection_modifyitems(items):
    if _binaries() is not None:
        return
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.skip("no kube-apiserver and etcd on this machine: make cluster-up builds them"))


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory):
    plane = ControlPlane(_binaries(), tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def client(control_plane):
    with control_plane.client() as client:
        yield client


@pytest.fixture
def namespace(client):
    name = f"test-{secrets.token_hex(4)}"
    client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
