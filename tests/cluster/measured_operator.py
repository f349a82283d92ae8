"""An operator as a process of its own, with a store and a suggestion server, and what experiments cost it and the API server.

The process that measures carries out the Jobs itself, by the double, so that nothing of that is counted as the operator's.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from cluster_access import ControlPlane, Kubernetes

from katib.kube.client import Client
from katib.kube.reflector import Reflector
from katib.kube.resource import JOBS, Resource
from katib.operator.kinds import EXPERIMENT_LABEL, EXPERIMENTS, TRIALS
from katib.testing.job_double import JobDouble, Run
from katib.testing.served import ServedStore, ServedSuggestion

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "faults" / "operator"))

from world import Reports, condition  # noqa: E402 - found by the line above

Row = tuple[str, float, str, str, str]
"""What, figure, unit, what is promised, and what Katib's own operator did on such a machine."""

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class Costs:
    """What was spent up to a moment; the difference of two is what lay between them.

    Attributes:
        cpu: Seconds of the operator.
        requests: Of the operator, by what its own metrics call them.
        everything: Requests that the API server answered to anybody but those who only measure.
    """

    cpu: float
    requests: Counter[str]
    everything: float

    def since(self, before: Self) -> "Costs":
        """Return what was spent since then."""
        return Costs(self.cpu - before.cpu, self.requests - before.requests, self.everything - before.everything)

    @property
    def conflicts(self) -> int:
        """Writes that the API server refused for what another one had written, or had made."""
        return sum(count for name, count in self.requests.items() if name.endswith(" 409"))


class OperatorProcess:
    """``katib serve operator`` for as long as it is open (``with``)."""

    def __init__(self, kubeconfig: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        self._command = [
            *(sys.executable, "-m", "katib.cli.main", "serve", "operator", "--no-leader-election"),
            *("--kubeconfig", str(kubeconfig), "--health-address", self._address, *options),
        ]

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(self._command, stderr=self._log, stdout=self._log)
        until = time.monotonic() + 60
        while not self._samples().get(("katib_operator_leading", "")):
            if self.process.poll() is not None or time.monotonic() > until:
                said = self.log
                self.__exit__()
                raise AssertionError(f"the operator does not begin:\n{said}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()

    @property
    def log(self) -> str:
        """What it has written."""
        return Path(f"/proc/self/fd/{self._log.fileno()}").read_text()

    @property
    def cpu(self) -> float:
        """Seconds of computing, of the whole process."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICKS

    @property
    def peak(self) -> float:
        """The most memory it ever had, in MiB."""
        match = _PEAK.search(Path(f"/proc/{self.process.pid}/status").read_text())
        return int(match[1]) / 1024 if match else 0.0

    @property
    def requests(self) -> Counter[str]:
        """Its requests of the API server, as ``verb resource code``."""
        return Counter(
            {label: round(value) for (name, label), value in self._samples().items() if name.endswith("_api_requests")}
        )

    def _samples(self) -> dict[tuple[str, str], float]:
        try:
            with urllib.request.urlopen(f"http://{self._address}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        found = {}
        for name, labels, value in _SAMPLE.findall(text):
            label = re.search(r'of="([^"]*)"', labels)
            found[name, label[1] if label else ""] = float(value)
        return found


@dataclass
class Search:
    """One experiment that was run to its end.

    Attributes:
        name: Of the experiment.
        created: When it was created (``time.monotonic``, as the other moments).
        ended: When its end was seen.
        runs: Its Jobs as the double saw them, as they began.
        costs: What was spent meanwhile.
    """

    name: str
    created: float
    ended: float
    runs: list[Run] = field(default_factory=list)
    costs: Costs = field(default_factory=lambda: Costs(0, Counter(), 0))

    @property
    def seconds(self) -> float:
        """From its creation to its end."""
        return self.ended - self.created

    def gaps(self, parallel: int) -> list[float]:
        """Return, for each Job that had to wait for another one's end, how long after it the Job was there."""
        ends = sorted(run.ended for run in self.runs if run.ended is not None)
        begins = sorted(run.began for run in self.runs)
        return [begin - end for end, begin in zip(ends, begins[parallel:], strict=False)]


class MeasuredOperator:
    """An operator on a cluster, with everything it needs (``with``).

    Args:
        kubeconfig: Of the cluster, whose administrator this process is.
        store: Options of the store server.
        options: Of the operator.
    """

    def __init__(self, kubeconfig: Path, *, store: tuple[str | Path, ...] = (), options: tuple[str, ...] = ()) -> None:
        self.kubernetes = Kubernetes(kubeconfig)
        self._kubeconfig = kubeconfig
        self._store_options, self._options = store, options
        self.namespace = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            install(self.kubernetes)
            self.client = stack.enter_context(Client.connect(kubeconfig=str(self._kubeconfig)))
            self._worker = stack.enter_context(Client.connect(kubeconfig=str(self._kubeconfig)))
            self.namespace = stack.enter_context(self.kubernetes.namespace("bench"))
            store = stack.enter_context(ServedStore("--url", f"sqlite:///{folder}/katib.db", *self._store_options))
            if not store.first_line:
                raise AssertionError(f"the store does not begin:\n{store.log}")
            if "--http-address" in self._store_options:
                assert store.process.stdout is not None
                self._options += ("--trial-store-address", f"http://{store.process.stdout.readline().split()[-1]}")
            suggestion = stack.enter_context(ServedSuggestion("--workers", "1"))
            reports = Reports(store.address)
            stack.callback(reports.close)
            self.double = stack.enter_context(JobDouble(self._worker, reports, namespace=self.namespace, workers=6))
            self._moments: dict[str, float] = {}
            self._over = threading.Condition()
            watch = Reflector(self.client, EXPERIMENTS, namespace=self.namespace, on_change=self._experiment_changed)
            watch.start()
            stack.callback(watch.stop)
            servers = ("--store-address", store.address, "--suggestion-address", suggestion.address)
            watched = ("--watch-namespace", self.namespace)
            self.operator = stack.enter_context(OperatorProcess(self._kubeconfig, *servers, *watched, *self._options))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def costs(self) -> Costs:
        """Return what was spent up to now."""
        everything = 0.0
        for name, _, value in _SAMPLE.findall(self.kubernetes.kubectl("get", "--raw", "/metrics")):
            if name == "apiserver_request_total":
                everything += float(value)
        everything -= self.client.requests.total()
        return Costs(self.operator.cpu, self.operator.requests, everything)

    def run(self, body: dict[str, Any], *, seconds: float = 900) -> Search:
        """Run an experiment to its end."""
        before = self.costs()
        (search,) = self.run_all([body], seconds=seconds)
        search.costs = self.costs().since(before)
        return search

    def run_all(self, bodies: list[dict[str, Any]], *, seconds: float = 900) -> list[Search]:
        """Run experiments to their ends, all at once."""
        created = {}
        for body in bodies:
            created[body["metadata"]["name"]] = time.monotonic()
            self.client.create(EXPERIMENTS, body, self.namespace)
        until = time.monotonic() + seconds
        with self._over:
            while not created.keys() <= self._moments.keys():
                if not self._over.wait(max(until - time.monotonic(), 0)):
                    raise AssertionError(f"no end after {seconds:.0f} s:\n{self.operator.log[-3000:]}")
        of_name: dict[str, list[Run]] = {}
        for run in self.double.runs_of(self.namespace):
            of_name.setdefault(run.name.rpartition("-")[0], []).append(run)
        return [Search(name, at, self._moments[name], of_name.get(name, [])) for name, at in created.items()]

    def delete(self, name: str) -> float:
        """Delete an experiment; return the seconds until no Trial and no Job of it is there."""
        began = time.monotonic()
        self.client.delete(EXPERIMENTS, name, self.namespace)
        while self.is_left(TRIALS, name) or self.is_left(JOBS, name):
            time.sleep(0.1)
        return time.monotonic() - began

    def is_left(self, resource: Resource, name: str) -> bool:
        """Tell whether anything of an experiment is there, without a list of it all."""
        query = {"labelSelector": f"{EXPERIMENT_LABEL}={name}", "limit": 1}
        return bool(self.client.request("GET", resource.path(self.namespace), query=query)["items"])

    def largest(self) -> int:
        """Return how many bytes the largest experiment or Suggestion has."""
        return max(
            len(self.kubernetes.kubectl("get", kind, "--namespace", self.namespace, "--output=json", name))
            for kind in ("experiments.kubeflow.org", "suggestions.kubeflow.org")
            for name in self._moments
        )

    def _experiment_changed(self, _old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        if new is not None and condition(new).get("type") in ("Succeeded", "Failed"):
            with self._over:
                self._moments.setdefault(new["metadata"]["name"], time.monotonic())
                self._over.notify_all()


def install(kubernetes: Kubernetes) -> None:
    """Have the custom resources served."""
    kubernetes.kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", str(ROOT / "deploy" / "crds"))
    ours = [f"crd/{name}.kubeflow.org" for name in ("experiments", "trials", "suggestions")]
    kubernetes.kubectl("wait", "--for=condition=Established", "--timeout=60s", *ours)


@contextlib.contextmanager
def control_plane() -> Iterator[MeasuredOperator]:
    """An operator on a control plane of its own, whose etcd does not wait for the disk: that is what Katib was measured on."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ControlPlane(Path(folder), fsync=False) as plane,
        MeasuredOperator(plane.kubeconfig) as measured,
    ):
        yield measured
