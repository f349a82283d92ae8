"""Bring a cluster up, mend it, take it down.

``up`` compares what should run with what runs and changes what differs, so that it may be said at any time: to a cluster that is down, half
dead after a ``kill -9`` of anything (of itself, too), or well.
"""

import contextlib
import http.client
import json
import shutil
import signal
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from singlenode import checks, credentials, network, node, parts, processes, programs, settings
from singlenode.layout import NODE, Layout
from singlenode.processes import Process
from singlenode.settings import Settings
from singlenode.trouble import NoMeans, Trouble

__all__ = ["Cluster", "PartState"]


@dataclass(frozen=True)
class PartState:
    """What a component does.

    Attributes:
        process: None when it does not run.
    """

    name: str
    process: Process | None

    @property
    def word(self) -> str:
        if self.process is None:
            return "dead"
        return "stopped" if self.process.state in "Tt" else "running"


class Cluster:
    """One cluster of this machine.

    Args:
        layout: Its folders; those of the environment when None.
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or Layout.of_environment()

    # What there is

    def settings(self) -> Settings | None:
        """Return the settings of the cluster that is up, None when none is."""
        return settings.remembered(self.layout)

    def states(self) -> list[PartState]:
        """Return what each component does, nothing when the cluster is down."""
        current = self.settings()
        if current is None:
            return []
        found = processes.marked(self.layout.folder)
        return [
            PartState(name, processes.main_process(found, name, parts.PROGRAMS[name])) for name in parts.names(current)
        ]

    def is_up(self) -> bool:
        """Tell whether every component runs and the API server answers."""
        states = self.states()
        return bool(states) and all(each.word == "running" for each in states) and self.ready()

    def ready(self) -> bool:
        """Tell whether the API server answers that it is ready."""
        try:
            return self.api("GET", "/readyz")[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def api(self, method: str, path: str) -> tuple[int, bytes]:
        """Ask the API server as the administrator."""
        current = self.settings()
        if current is None:
            raise Trouble("the cluster is down")
        keys = self.layout.keys
        context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
        connection = http.client.HTTPSConnection(current.api_address, current.api_port, timeout=5, context=context)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    # Up

    def build(self, *, pods: bool = True) -> None:
        """Have the packages and the binaries."""
        checks.prepare(self.layout, built=programs.built(self.layout), node=pods)
        programs.build(self.layout)
        programs.prune(self.layout)

    def up(self, *, pods: bool = True) -> bool:
        """Bring the cluster up or mend it; tell whether anything had to be done."""
        self.build(pods=pods)
        with programs.alone(self.layout.lock, "command for this cluster"):
            wanted = self._wanted(pods=pods)
            if wanted == self.settings() and self.is_up() and not self._differing(wanted):
                programs.link(self.layout)
                return False
            self._bring_up(wanted)
            return True

    def _wanted(self, *, pods: bool) -> Settings:
        current = self.settings()
        if current is not None and current.boot != settings.boot():
            sys.stderr.write("what an earlier boot of the machine left is removed first\n")
            self._take_down()
            current = None
        if current is None and processes.marked(self.layout.folder):
            sys.stderr.write("components without a record are ended first\n")
            self._take_down()
        if current is not None and current.pods != pods:
            raise Trouble(
                f"{self.layout.folder} holds a cluster {'with a node' if current.pods else 'without a node'}: "
                "`cluster down` first, or another KATIB_CLUSTER_DIR"
            )
        if current is not None and pods and not network.exists():
            sys.stderr.write("its network is gone: the rest is taken down first\n")
            self._take_down()
            current = None
        if pods:
            self._refuse_strangers()
        return settings.asked(current or settings.fresh(pods=pods))

    def _refuse_strangers(self) -> None:
        ours = {each.pid for each in processes.marked(self.layout.folder)}
        ours |= set(processes.descendants(ours))
        strangers = network.inhabitants() - ours
        if not strangers:
            return
        folders = sorted({processes.owner_of(pid) for pid in strangers} - {""})
        if folders:
            raise Trouble(
                f"a machine has one node, and {folders[0]} has it: KATIB_CLUSTER_DIR={folders[0]} cluster down; "
                "any number of control planes can be beside it (--control-plane)"
            )
        raise Trouble(
            f"processes that are no cluster's are in the network namespace {network.NETWORK_NAMESPACE}: "
            f"{' '.join(map(str, sorted(strangers)[:10]))}"
        )

    def _differing(self, wanted: Settings) -> list[str]:
        found = processes.marked(self.layout.folder)
        return [
            name
            for name in parts.names(wanted)
            if (each := processes.main_process(found, name, parts.PROGRAMS[name])) is None
            or list(each.argv) != parts.argv(name, self.layout, wanted)
        ]

    def _bring_up(self, wanted: Settings) -> None:
        layout = self.layout
        first = not processes.marked(layout.folder)
        if first and wanted.pods:
            node.end_pods(layout)
            node.unmount(layout)
            node.forget_records(layout)
        if first:
            shutil.rmtree(layout.logs, ignore_errors=True)
        layout.logs.mkdir(parents=True, exist_ok=True)
        settings.remember(layout, wanted)
        programs.link(layout)
        credentials.make(layout, wanted.server)
        if wanted.pods:
            network.ensure()
            node.configure(layout)
            node.ensure_control_group(layout)
            self._ensure("containerd", wanted)
        self._ensure("etcd", wanted)
        self._ensure("apiserver", wanted)
        self._await("apiserver", 90, self.ready)
        self._ensure("controller-manager", wanted)
        if wanted.pods:
            self._bring_up_node(wanted, first=first)
        self._await(
            "controller-manager", 60, lambda: self._exists("/api/v1/namespaces/default/serviceaccounts/default")
        )

    def _bring_up_node(self, wanted: Settings, *, first: bool) -> None:
        self._ensure("scheduler", wanted)
        self._await("containerd", 30, lambda: node.answers(self.layout))
        if first:
            node.forget_containers(self.layout)
        node.ensure_pause_image(self.layout)
        for part in ("kubelet", "proxy", "dns"):
            self._ensure(part, wanted)
        self._await("kubelet", 90, self._node_ready)

    def _ensure(self, part: str, wanted: Settings) -> None:
        argv = parts.argv(part, self.layout, wanted)
        running = processes.main_process(processes.marked(self.layout.folder), part, parts.PROGRAMS[part])
        if running is not None:
            if list(running.argv) == argv:
                processes.send([running.pid], signal.SIGCONT)  # a test may have stopped it
                return
            sys.stderr.write(f"{part} is started again: it is called in another way now\n")
            processes.end([running.pid], grace=5)
        self._start(part, argv, wanted)

    def _start(self, part: str, argv: list[str], wanted: Settings) -> None:
        log = self.layout.logs / f"{part}.log"
        namespace = network.NETWORK_NAMESPACE if wanted.pods else None
        processes.start(self.layout.folder, part, argv, log=log, namespace=namespace)

    def _await(self, part: str, seconds: float, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        missed = 0
        while not holds():
            found = processes.marked(self.layout.folder)
            missed = 0 if processes.main_process(found, part, parts.PROGRAMS[part]) else missed + 1
            if missed > 3:  # it may be between two programs for a moment
                raise Trouble(f"{part} ended at once; {self._last_words(part)}")
            if time.monotonic() > until:
                raise Trouble(f"{part} is not ready after {seconds:.0f} s; {self._last_words(part)}")
            time.sleep(0.1)

    def _last_words(self, part: str) -> str:
        log = self.layout.logs / f"{part}.log"
        try:
            lines = log.read_text(errors="replace").splitlines()[-12:]
        except OSError:
            lines = []
        return f"the end of {log}:\n" + "".join(f"  {line[:400]}\n" for line in lines)

    def _exists(self, path: str) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.api("GET", path)[0] == http.HTTPStatus.OK
        return False

    def _node_ready(self) -> bool:
        try:
            status, body = self.api("GET", f"/api/v1/nodes/{NODE}")
        except (OSError, http.client.HTTPException):
            return False
        if status != http.HTTPStatus.OK:
            return False
        conditions = json.loads(body).get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    # Faults

    def signal(self, part: str, number: signal.Signals) -> None:
        """Send a signal to a component; wait for its end when the signal is one that ends."""
        state = next((each for each in self.states() if each.name == part), None)
        if state is None:
            raise Trouble(f"there is no component {part!r} in this cluster")
        if state.process is None:
            raise Trouble(f"{part} does not run")
        pid = state.process.pid
        if number == signal.SIGKILL:
            processes.end([pid], grace=0)
        elif number == signal.SIGTERM:
            processes.end([pid], grace=15)
        else:
            processes.send([pid], number)

    def start(self, part: str) -> None:
        """Start a component that was ended, as it was called before, and wait until the API server is ready if it is that."""
        current = self.settings()
        if current is None:
            raise Trouble("the cluster is down")
        if part not in parts.names(current):
            raise Trouble(f"there is no component {part!r} in this cluster")
        self._ensure(part, current)
        if part in {"etcd", "apiserver"} and all(
            each.process for each in self.states() if each.name in parts.CONTROL_PLANE[:2]
        ):
            self._await(part, 90, self.ready)

    # Down

    def down(self) -> bool:
        """End everything at once and remove its data; images and certificates stay. Tell whether there was anything."""
        if not self.layout.folder.exists():
            return False
        with programs.alone(self.layout.lock, "command for this cluster"):
            something = self.settings() is not None or bool(processes.marked(self.layout.folder))
            self._take_down()
            return something

    def _take_down(self) -> None:
        layout = self.layout
        current = self.settings()
        of_cluster = processes.marked(layout.folder)
        with_node = current.pods if current else any(each.part == "kubelet" for each in of_cluster)
        if with_node:
            node.end_pods(layout)
        # Nothing is worth a grace: what they would save is removed.
        for _ in range(10):
            left = [each.pid for each in processes.marked(layout.folder)]
            if not left:
                break
            processes.end(left, grace=0)
        if left := processes.marked(layout.folder):
            raise Trouble(f"{left[0].part} (process {left[0].pid}) does not end; nothing was removed")
        node.unmount(layout)
        if with_node:
            node.remove_control_group(layout)
        if with_node and not network.inhabitants():
            network.remove()
        shutil.rmtree(layout.run, ignore_errors=True)
        if layout.run.exists():
            raise NoMeans(f"{layout.run} cannot be removed completely: look at what is in it")
