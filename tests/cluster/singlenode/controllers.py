"""Controllers of others beside the cluster, for kinds of jobs and for certificates, built from their Go modules.

What they define (their CRDs) is copied out of the modules when they are built and kept with the binaries, so that nothing of theirs is in
this repository. They run as processes of the machine in the cluster's network, with the administrator's rights, for as long as whoever
started them; the webhooks that some of them need are reached by an address, not by a Service.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from singlenode import checks, credentials, network, processes, programs
from singlenode.images import image_name
from singlenode.layout import LOOPBACK, Layout
from singlenode.lifecycle import Cluster
from singlenode.trouble import NoMeans, Trouble

MODULES = Path(__file__).resolve().parent.parent / "controllers"
QUEUED = {"katib-test/kueue": "yes"}
"""The label of namespaces whose jobs Kueue looks at."""

_READY_SECONDS = 60


@dataclass(frozen=True)
class _Webhook:
    """What the API server asks a controller before it stores an object.

    Attributes:
        selector: Labels of the namespaces that it is asked about.
        own: Whether the kind is the controller's own: what it cannot be asked about is refused then.
        checks: Whether it only says yes or no, also to a new status.
    """

    path: str
    group: str
    version: str
    plural: str
    selector: Mapping[str, str] = field(default_factory=dict)
    own: bool = False
    checks: bool = False

    @property
    def configuration(self) -> str:
        """The kind that holds it."""
        return f"{'Validating' if self.checks else 'Mutating'}WebhookConfiguration"

    def entry(self, address: str, authority: bytes) -> dict[str, Any]:
        """Return it as an entry of a configuration."""
        return {
            "name": f"{self.plural}.katib.test",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            # What a killed run leaves must not be in anybody's way.
            "failurePolicy": "Fail" if self.own else "Ignore",
            "timeoutSeconds": 5,
            "clientConfig": {"url": f"https://{address}{self.path}", "caBundle": base64.b64encode(authority).decode()},
            "namespaceSelector": {"matchLabels": dict(self.selector)},
            "rules": [
                {
                    "apiGroups": [self.group],
                    "apiVersions": [self.version],
                    "operations": ["CREATE", "UPDATE"] if self.checks else ["CREATE"],
                    "resources": [self.plural, f"{self.plural}/status"] if self.checks else [self.plural],
                }
            ],
        }


@dataclass(frozen=True)
class Controller:
    """One program.

    Attributes:
        name: Of it, here.
        kinds: What it is for, for people.
        folder: Its Go module below ``controllers/``.
        definitions: Where its CRDs are: globs by module.
        go_mod: The file of the module that says the versions.
        package: Of the program.
        ready: Matches its log once it works.
        port: Of its webhooks.
        webhooks: What it is asked.
    """

    name: str
    kinds: str
    folder: str
    definitions: Mapping[str, str]
    go_mod: str = "go.mod"
    package: str = "."
    ready: str = r"(?m)^ready$"
    port: int = 0
    webhooks: tuple[_Webhook, ...] = ()


_TRAINING = "github.com/kubeflow/training-operator"
CATALOGUE = {
    each.name: each
    for each in (
        Controller(
            "training",
            "PyTorchJob, TFJob, MPIJob, XGBoostJob, PaddleJob, JAXJob (training operator 1.9)",
            "training",
            {_TRAINING: "manifests/base/crds/kubeflow.org_*.yaml"},
        ),
        Controller(
            "mxnet",
            "MXJob (training operator 1.8)",
            "training",
            {_TRAINING: "manifests/base/crds/kubeflow.org_mxjobs.yaml"},
            go_mod="mxnet.mod",
        ),
        Controller(
            "mpi",
            "MPIJob (MPI operator 0.8)",
            "mpi",
            {"github.com/kubeflow/mpi-operator": "manifests/base/kubeflow.org_mpijobs.yaml"},
            package="github.com/kubeflow/mpi-operator/cmd/mpi-operator",
            ready="Started workers",
        ),
        Controller(
            "trainer",
            "TrainJob (Kubeflow Trainer 2.0), JobSet (0.8)",
            "trainer",
            {
                "github.com/kubeflow/trainer/v2": "manifests/base/crds/trainer.kubeflow.org_*.yaml",
                "sigs.k8s.io/jobset": "config/components/crd/bases/*.yaml",
            },
            port=9444,
            webhooks=(_Webhook("/mutate-jobset-x-k8s-io-v1alpha2-jobset", "jobset.x-k8s.io", "v1alpha2", "jobsets"),),
        ),
        Controller(
            "ray",
            "RayJob (KubeRay 1.5)",
            "ray",
            {"github.com/ray-project/kuberay/ray-operator": "config/crd/bases/*.yaml"},
            package="github.com/ray-project/kuberay/ray-operator",
            ready=r"(?s)(Starting workers.*){3}",
        ),
        Controller(
            "kueue",
            f"queues for Jobs and PyTorchJobs (Kueue 0.17) of namespaces labelled {next(iter(QUEUED))}=yes",
            "kueue",
            {"sigs.k8s.io/kueue": "config/components/crd/bases/*.yaml"},
            port=9443,
            webhooks=(
                _Webhook("/mutate-batch-v1-job", "batch", "v1", "jobs", QUEUED),
                _Webhook("/mutate-kubeflow-org-v1-pytorchjob", "kubeflow.org", "v1", "pytorchjobs", QUEUED),
            ),
        ),
        Controller(
            "cert-manager",
            "Issuer, ClusterIssuer, Certificate, without ACME, Vault and Venafi (cert-manager 1.21)",
            "cert-manager",
            {"github.com/cert-manager/cert-manager": "deploy/crds/cert-manager.io_*.yaml"},
            port=9445,
            webhooks=(
                _Webhook("/mutate", "cert-manager.io", "v1", "certificaterequests", own=True),
                *(
                    _Webhook("/validate", "cert-manager.io", "v1", plural, own=True, checks=True)
                    for plural in ("certificaterequests", "certificates", "issuers", "clusterissuers")
                ),
            ),
        ),
    )
}


# Building


def chosen(names: Iterable[str]) -> list[Controller]:
    """Return controllers by their names; the training operator where none is named."""
    found = []
    for name in names or ["training"]:
        if name not in CATALOGUE:
            known = "".join(f"  {each.name:10} {each.kinds}\n" for each in CATALOGUE.values())
            raise Trouble(f"there is no controller {name!r}; there are\n{known}")
        found.append(CATALOGUE[name])
    return found


def _folder(layout: Layout, controller: Controller) -> Path:
    digest = hashlib.sha256(f"{controller}".encode())
    for path in sorted((MODULES / controller.folder).iterdir()):
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes())
    return layout.cache / "controllers" / f"{controller.name}-{digest.hexdigest()[:12]}"


def built(layout: Layout, controller: Controller) -> bool:
    """Tell whether a controller of this module is there."""
    return (_folder(layout, controller) / "complete").exists()


def _go(controller: Controller, *words: str | Path, lock: int = -1) -> str:
    command, *rest = words
    version = ["-mod=readonly", f"-modfile={controller.go_mod}"]
    done = subprocess.run(
        ["go", command, *version, *rest],
        cwd=MODULES / controller.folder,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[lock] if lock >= 0 else [],
    )
    if done.returncode:
        end = "".join(f"  {line}\n" for line in done.stderr.splitlines()[-15:])
        raise NoMeans(f"the controller {controller.name} could not be built:\n{end}")
    return done.stdout.strip()


def build(layout: Layout, controllers: Iterable[Controller]) -> None:
    """Build those that are not built yet."""
    for controller in controllers:
        with programs.alone(layout.cache / "controllers" / "lock", "build of controllers") as lock:
            if built(layout, controller):
                continue
            version = checks.go_version()
            if version is None or version < checks.GO_WANTED:
                raise NoMeans(f"building controllers needs Go {checks.GO_WANTED[0]}.{checks.GO_WANTED[1]} or newer")
            sys.stderr.write(f"building {controller.name}: {controller.kinds}\n")
            started = time.monotonic()
            folder = _folder(layout, controller)
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)  # of a build that was killed
            (unfinished / "definitions").mkdir(parents=True)
            flags = ["-trimpath", "-ldflags", "-s -w"]
            _go(controller, "build", *flags, "-o", unfinished / controller.name, controller.package, lock=lock)
            for module, pattern in controller.definitions.items():
                place = Path(_go(controller, "list", "-m", "-f", "{{.Dir}}", module))
                for path in place.glob(pattern):
                    shutil.copyfile(path, unfinished / "definitions" / path.name)
            (unfinished / "complete").touch()
            for old in folder.parent.glob(f"{controller.name}-*"):
                if old != unfinished:
                    shutil.rmtree(old, ignore_errors=True)
            unfinished.rename(folder)
            sys.stderr.write(f"built in {time.monotonic() - started:.0f} s: {folder}\n")


# Running


class Controllers:
    """Controllers that are built, beside a cluster that is up, for as long as this is open (``with``). One run of them at a time.

    Args:
        cluster: With a node.
        controllers: Which.
    """

    def __init__(self, cluster: Cluster, controllers: Iterable[Controller]) -> None:
        self._cluster, self._layout = cluster, cluster.layout
        self._controllers = list(controllers)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._own = self._layout.run / "controllers"

    def __enter__(self) -> Self:
        if not network.exists():
            raise Trouble("there is no node: `cluster up` first")
        with contextlib.ExitStack() as stack:
            stack.enter_context(programs.alone(self._layout.run / "controllers.lock", "run of controllers"))
            self._own.mkdir(exist_ok=True)
            credentials.make_server(self._layout, "controllers", [f"IP:{LOOPBACK}"])
            for kind in ("crt", "key"):
                shutil.copyfile(self._layout.keys / f"controllers.{kind}", self._own / f"tls.{kind}")
            stack.callback(self._end)
            self._define()
            for controller in self._controllers:
                self._start(controller)
            for controller in self._controllers:
                self._await(controller)
                if controller.webhooks:
                    self._register(controller)
                    stack.callback(self._kubectl, "delete", _WEBHOOKS, _webhooks_of(controller), "--ignore-not-found")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _define(self) -> None:
        """Have the custom resources served."""
        files = self._files()
        self._kubectl("apply", "--server-side", "--force-conflicts", *files)
        for pause in (0.2, 0.5, 1, 2, 0):
            try:
                self._kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)
            except Trouble as trouble:  # kubectl cannot wait for a condition of what has none at all yet
                if "accessor error" not in str(trouble) or not pause:
                    raise
                time.sleep(pause)
            else:
                return

    def _files(self) -> list[str]:
        folders = [str(_folder(self._layout, each) / "definitions") for each in self._controllers]
        return [word for folder in folders for word in ("--filename", folder)]

    def undefine(self) -> None:
        """Remove the custom resources and all objects of these kinds, while there is somebody who takes their finalizers away."""
        files = self._files()
        self._kubectl("delete", "--ignore-not-found", "--wait=false", *files)
        self._kubectl("wait", "--for=delete", "--timeout=100s", *files)

    def kill(self, name: str) -> None:
        """End one at once, as a fault would."""
        self._running[name].kill()
        self._running[name].wait()

    def again(self, name: str) -> None:
        """Start one that was ended."""
        controller = CATALOGUE[name]
        self._start(controller)
        self._await(controller)

    def log(self, name: str) -> str:
        """Return what one has written."""
        return self._log(CATALOGUE[name]).read_text(errors="replace")

    def wait(self) -> None:
        """Wait until one ends, which none does by itself unless something is wrong."""
        while all(each.poll() is None for each in self._running.values()):
            time.sleep(1)
        ended = next(name for name, each in self._running.items() if each.poll() is not None)
        raise Trouble(f"{ended} has ended; {self._last_words(CATALOGUE[ended])}")

    def _kubectl(self, *words: str, stdin: str | None = None) -> None:
        command = [str(self._layout.binaries / "kubectl"), "--kubeconfig", str(self._layout.kubeconfig), *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise Trouble(f"kubectl {' '.join(words)}: {done.stderr.strip()[-500:]}")

    def _log(self, controller: Controller) -> Path:
        return self._layout.logs / f"{controller.name}.log"

    def _start(self, controller: Controller) -> None:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"
        own = {}
        if controller.name == "ray":  # what it adds to pods runs programs of Ray's image
            own = {"ENABLE_PROBES_INJECTION": "false", "ENABLE_INIT_CONTAINER_INJECTION": "false"}
        marks = {processes.CLUSTER_MARK: str(self._layout.folder), processes.PART_MARK: controller.name}
        program = str(_folder(self._layout, controller) / controller.name)
        # Whoever started it may be killed; it is not left behind then.
        command = [*network.INSIDE, "setpriv", "--pdeathsig", "TERM", program, *self._options(controller)]
        with self._log(controller).open("w") as log:
            self._running[controller.name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": path, "HOME": os.environ.get("HOME", "/"), **own, **marks},
                start_new_session=True,  # Ctrl-C is for whoever started it
            )

    def _options(self, controller: Controller) -> list[str]:
        spelling = "--kubeConfig" if controller.name == "mpi" else "--kubeconfig"
        options = [spelling, str(self._layout.kubeconfig)]
        if controller.name == "mpi":  # it has no place of its own to hold its lease in
            options += ["--lock-namespace", "kube-system", "--kube-api-qps", "100", "--kube-api-burst", "200"]
        if controller.folder == "training":
            template = self._own / "wait-for-master.yaml"
            template.write_text(_WAIT_FOR_MASTER)
            options += ["--image", image_name("trial"), "--wait-for-master", str(template)]
        if controller.name == "mxnet":
            options += ["--kind", "mxjob"]
        if controller.name in {"trainer", "cert-manager"}:
            options += ["--certificates", str(self._own), "--port", str(controller.port)]
        if controller.name == "ray":
            options += ["--metrics-addr", "0", "--health-probe-bind-address", "0", "--enable-leader-election=false"]
            options += ["--use-kubernetes-proxy"]  # it is not in the cluster, and knows no name of a Service
        if controller.name == "kueue":
            configuration = self._own / "kueue.yaml"
            configuration.write_text(json.dumps(_kueue(self._own, controller.port)))
            options += ["--config", str(configuration)]
        return options

    def _await(self, controller: Controller) -> None:
        until = time.monotonic() + _READY_SECONDS
        while not re.search(controller.ready, self.log(controller.name)):
            if self._running[controller.name].poll() is not None or time.monotonic() > until:
                raise Trouble(f"{controller.name} does not begin; {self._last_words(controller)}")
            time.sleep(0.1)

    def _register(self, controller: Controller) -> None:
        authority = (self._layout.keys / "ca.crt").read_bytes()
        address = f"{LOOPBACK}:{controller.port}"
        bodies = [
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": _webhooks_of(controller)},
                "webhooks": [
                    each.entry(address, authority) for each in controller.webhooks if each.configuration == kind
                ],
            }
            for kind in sorted({each.configuration for each in controller.webhooks})
        ]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        self._kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=listed)

    def _last_words(self, controller: Controller) -> str:
        lines = self.log(controller.name).splitlines()[-12:]
        return f"the end of {self._log(controller)}:\n" + "".join(f"  {line[:400]}\n" for line in lines)

    def _end(self) -> None:
        for each in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                each.send_signal(signal.SIGTERM)
        for each in self._running.values():
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


_WEBHOOKS = "mutatingwebhookconfigurations,validatingwebhookconfigurations"

_WAIT_FOR_MASTER = """\
- name: init-pytorch
  image: {{.InitContainerImage}}
  imagePullPolicy: IfNotPresent
  securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  command:
    - python
    - -c
    - |
      import socket, time
      for _ in range({{.MaxTries}}):
          try:
              raise SystemExit(0 if socket.gethostbyname("{{.MasterAddr}}") else 1)
          except OSError:
              time.sleep(0.3)
      raise SystemExit(1)
"""
"""As the training operator's own template (a shell's loop around nslookup), for the image of trials, which has neither."""


def _webhooks_of(controller: Controller) -> str:
    return f"katib-cluster-{controller.name}"


def _kueue(certificates: Path, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": "0"},
        "webhook": {"host": LOOPBACK, "port": port, "certDir": str(certificates)},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "managedJobsNamespaceSelector": {"matchLabels": QUEUED},
        "integrations": {"frameworks": ["batch/job", "kubeflow.org/pytorchjob"]},
    }


@contextlib.contextmanager
def running(cluster: Cluster, names: Iterable[str]) -> Iterator[Controllers]:
    """Build and run controllers by their names."""
    wanted = chosen(names)
    build(cluster.layout, wanted)
    with Controllers(cluster, wanted) as found:
        yield found
