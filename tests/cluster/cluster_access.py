"""How tests find a cluster and speak to it, and clean up after themselves and after tests that were killed."""

import hashlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from singlenode import checks, controllers, programs
from singlenode.layout import Layout
from singlenode.lifecycle import Cluster
from singlenode.trouble import Trouble

COMMAND = Path(__file__).parent / "cluster"
_NONE = "no Kubernetes to test on: `make cluster-up` (Linux, root, Go 1.26) makes one, and KUBECONFIG=… uses another"
_RUN_LABEL, _HOST_LABEL = "katib-test-run", "katib-test-host"


class NoCluster(Exception):
    """There is no cluster to test on; the text says how to get one."""


def _wanted() -> bool:
    return os.environ.get("KATIB_E2E", "").strip().lower() in {"1", "yes", "on", "true"}


def find_cluster() -> Path:
    """Return the kubeconfig of the cluster to test on: KUBECONFIG, else this machine's; KATIB_E2E=1 brings that up, 0 wants none.

    Raises:
        NoCluster: There is none.
    """
    if os.environ.get("KATIB_E2E", "").strip().lower() in {"0", "no", "off", "false"}:
        raise NoCluster("left out by KATIB_E2E; `make e2e` runs them")
    if given := os.environ.get("KUBECONFIG"):
        kubectl = _kubectl()
        if kubectl is None:
            raise NoCluster("kubectl, which tests on KUBECONFIG's cluster need, is not on the PATH")
        answer = subprocess.run(
            [kubectl, "--kubeconfig", given, "get", "--raw", "/readyz", "--request-timeout=10s"],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise NoCluster(f"the cluster of KUBECONFIG={given} does not answer: {answer.stderr.strip()[-300:]}")
        return Path(given)
    cluster = Cluster()
    settings = cluster.settings()
    if settings is not None and settings.pods and cluster.ready():
        return cluster.layout.kubeconfig
    if _wanted():
        subprocess.run([sys.executable, COMMAND, "up", "--images"], check=True, stdout=subprocess.DEVNULL)
        return cluster.layout.kubeconfig
    raise NoCluster(_NONE)


def _kubectl() -> str | None:
    own = Layout.of_environment().binaries / "kubectl"
    return checks.program("kubectl") or (str(own) if own.exists() else None)


def missing_controllers(names: Sequence[str]) -> str:
    """Return why there are no controllers of these names beside this machine's cluster, empty when there are; KATIB_E2E=1 builds them."""
    if os.environ.get("KUBECONFIG"):
        return "controllers of others run beside this machine's own cluster only, and KUBECONFIG names another"
    layout = Layout.of_environment()
    wanted = [each for each in controllers.chosen(names) if not controllers.built(layout, each)]
    if not wanted:
        return ""
    if not _wanted():
        said = " ".join(each.name for each in wanted)
        return f"{said}: not built; `tests/cluster/cluster controllers --build {said}` does that, and so do `make e2e-kinds` and `make e2e-install`"
    try:
        controllers.build(layout, wanted)
    except Trouble as trouble:
        return str(trouble).splitlines()[0].rstrip(":")
    return ""


class Kubernetes:
    """One cluster as its administrator sees it.

    Args:
        kubeconfig: Of the cluster.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        program = _kubectl()
        if program is None:
            raise Trouble("kubectl is not on the PATH")
        self._program = program

    def kubectl(
        self, *words: str, stdin: str | dict[str, Any] | None = None, check: bool = True, timeout: float = 120
    ) -> str:
        """Return what kubectl prints; a failure is an AssertionError with its own words."""
        done = subprocess.run(
            [self._program, "--kubeconfig", str(self.kubeconfig), *words],
            input=json.dumps(stdin) if isinstance(stdin, dict) else stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def get(self, *words: str) -> dict[str, Any]:
        """Return an object, or a list of them, as kubectl shows it."""
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def apply(self, content: str | dict[str, Any], namespace: str) -> str:
        return self.kubectl("apply", "--namespace", namespace, "--filename=-", stdin=content)

    def wait_for(
        self, holds: Callable[[], Any], *, seconds: float = 60, what: str = "", namespace: str | None = None
    ) -> Any:
        """Return the first true answer; when none comes, fail with what the namespace shows."""
        until = time.monotonic() + seconds
        while not (answer := holds()):
            if time.monotonic() > until:
                story = self.story(namespace) if namespace else ""
                raise AssertionError(f"not so after {seconds:.0f} s: {what or holds}\n{story}")
            time.sleep(0.1)
        return answer

    def story(self, namespace: str) -> str:
        """Return what a person would look at when something does not come true."""
        parts = [
            self.kubectl("get", "pods,jobs", "--namespace", namespace, "--output=wide", check=False),
            self.kubectl("get", "events", "--namespace", namespace, "--sort-by=.lastTimestamp", check=False),
        ]
        return "\n".join(parts)

    @contextmanager
    def namespace(self, purpose: str, *, labels: Mapping[str, str] | None = None) -> Iterator[str]:
        """A namespace that goes when this is left; what is left by a killed test goes with the next ``sweep``."""
        stem = re.sub(r"[^a-z0-9]+", "-", purpose.lower()).strip("-")[:40].strip("-")
        name = f"{stem}-{secrets.token_hex(3)}"
        metadata = {"name": name, "labels": {**marks(), **(labels or {})}}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        self.kubectl("create", "--filename=-", stdin=body)
        try:
            self.wait_for(
                lambda: "default" in self.kubectl("get", "serviceaccounts", "--namespace", name, "--output=name"),
                what=f"the default service account of {name}",
            )
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)

    def sweep(self) -> None:
        """Remove the namespaces and volumes of this machine's tests that are no more."""
        selector = f"{_HOST_LABEL}={_host()}"
        for each in self.get("namespaces,persistentvolumes", f"--selector={selector}")["items"]:
            run = each["metadata"]["labels"].get(_RUN_LABEL, "")
            if not _alive(run):
                name = f"{each['kind']}/{each['metadata']['name']}"
                self.kubectl("delete", name, "--wait=false", "--ignore-not-found", check=False)


def marks() -> dict[str, str]:
    """Return the labels of what belongs to the tests of this process: a later ``sweep`` removes it when they were killed."""
    return {_HOST_LABEL: _host(), _RUN_LABEL: _run(os.getpid())}


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]


def _run(pid: int) -> str:
    """Return a name for a process that no other gets; empty when there is none."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return f"{pid}-0" if pid == os.getpid() else ""
    return f"{pid}-{started}"


def _alive(run: str) -> bool:
    pid = run.partition("-")[0]
    return pid.isdecimal() and _run(int(pid)) == run


class ControlPlane:
    """etcd, API server and controller manager on free ports, without pods, for load and for faults.

    Args:
        folder: For its state.
        flags: More flags of kube-apiserver.
        fsync: Whether etcd waits for the disk.

    Attributes:
        kubeconfig: Of its administrator; it stays true when parts are ended and started again.
    """

    def __init__(self, folder: Path, *, flags: str = "", fsync: bool = True) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "KATIB_CLUSTER_DIR": str(folder),
            "KATIB_APISERVER_FLAGS": flags,
            "KATIB_ETCD_FSYNC": "1" if fsync else "0",
        }
        self.cluster = Cluster(Layout(folder.absolute()))
        self.kubeconfig = folder / "kubeconfig"

    @staticmethod
    def missing() -> str:
        """Return why there can be none here, empty when there can."""
        layout = Layout.of_environment()
        if programs.built(layout):
            return ""
        if not _wanted():
            return _NONE
        return "; ".join(checks.problems(layout, built=False, node=False))

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self._command("down")

    def _command(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, COMMAND, *words], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"cluster {' '.join(words)}: {done.stderr.strip()}")

    def mend(self) -> None:
        """Start what is dead and let go on what hangs."""
        self._command("up", "--control-plane")

    @property
    def kubernetes(self) -> Kubernetes:
        return Kubernetes(self.kubeconfig)

    def ready(self) -> bool:
        """Tell whether the API server answers that it is ready."""
        return self.cluster.ready()

    def kill(self, part: str) -> None:
        """End a part (etcd, apiserver, controller-manager) with SIGKILL, unless it has ended.

        A controller manager that finds no API server when it starts ends by itself after some seconds; ``mend`` starts it again.
        """
        if any(each.name == part and each.process for each in self.cluster.states()):
            self.cluster.signal(part, signal.SIGKILL)

    def start(self, part: str) -> None:
        """Start a part that was ended, and wait until the API server is ready."""
        self.cluster.start(part)

    def hang(self, part: str) -> None:
        """Stop a part: it keeps its connections and answers nobody."""
        self.cluster.signal(part, signal.SIGSTOP)

    def resume(self, part: str) -> None:
        """Let a part that hangs go on."""
        self.cluster.signal(part, signal.SIGCONT)
