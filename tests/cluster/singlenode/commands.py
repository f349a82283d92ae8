"""The command line of the cluster.

  cluster build                      packages and binaries only: run it early, it takes minutes
  cluster up [--control-plane]       bring it up, or mend it; without pods it needs no root
  cluster down                       end everything; binaries, images and certificates stay
  cluster status                     what runs
  cluster logs COMPONENT [-f]        what a component said
  cluster images [NAME…] [--import]  build the project's images (katib, collector, trial)
  cluster import TAR…                give archives of images to the node: use imagePullPolicy IfNotPresent or Never
  cluster controllers [NAME…]        build and run controllers of other kinds of jobs, until Ctrl-C: training (the default), trainer,
                                     mxnet, mpi, ray, kueue; also cert-manager; with --build, do not run them
  cluster signal SIGNAL COMPONENT    for faults: KILL, TERM, STOP, CONT
  cluster start COMPONENT            start one that was ended
  cluster exec COMMAND…              inside the cluster's network namespace
  cluster kubectl …                  as the administrator

Environment: KATIB_CLUSTER_DIR (state; another folder is another cluster, of which one may have a node), KATIB_CLUSTER_CACHE (binaries),
KATIB_APISERVER_FLAGS (more flags of kube-apiserver; remembered until `down`), KATIB_ETCD_FSYNC=1 (durable against power cuts).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from singlenode import network, node
from singlenode.lifecycle import Cluster
from singlenode.trouble import Trouble

_USAGE, _PROBLEM, _INTERRUPTED = 2, 1, 130


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _tell_how_to_use(cluster: Cluster) -> None:
    sys.stdout.write(f"export KUBECONFIG={cluster.layout.kubeconfig}\n")


def _build(cluster: Cluster, words: list[str]) -> int:
    cluster.build(pods="--control-plane" not in words)
    _say(f"built: {cluster.layout.binaries}")
    return 0


def _up(cluster: Cluster, words: list[str]) -> int:
    started = time.monotonic()
    with_images = "--images" in words
    current = cluster.settings()
    pods = "--control-plane" not in words and (current is None or current.pods)  # mends whichever is there
    changed = cluster.up(pods=pods)
    _say(f"up after {time.monotonic() - started:.1f} s" if changed else "already up")
    if with_images:
        _images(cluster, ["--import"])
    _tell_how_to_use(cluster)
    return 0


def _down(cluster: Cluster, _: list[str]) -> int:
    started = time.monotonic()
    there_was = cluster.down()
    _say(f"down after {time.monotonic() - started:.1f} s" if there_was else "already down")
    return 0


def _status(cluster: Cluster, _: list[str]) -> int:
    states = cluster.states()
    if not states:
        _say(f"down ({cluster.layout.folder})")
        return _PROBLEM
    for each in states:
        detail = f"process {each.process.pid}, {each.process.resident >> 20} MiB" if each.process else ""
        sys.stdout.write(f"{each.name:20} {each.word:8} {detail}\n")
    sys.stdout.flush()
    if not cluster.ready():
        _say("the API server is not ready: `cluster up` mends what is dead or stopped")
        return _PROBLEM
    if any(each.name == "kubelet" for each in states):
        _kubectl(cluster, ["get", "nodes", "-o", "wide"])
        _kubectl(cluster, ["get", "pods", "--all-namespaces"])
    _tell_how_to_use(cluster)
    return 0 if cluster.is_up() else _PROBLEM


def _logs(cluster: Cluster, words: list[str]) -> int:
    names = [word for word in words if not word.startswith("-")]
    path = cluster.layout.logs / f"{names[0] if names else ''}.log"
    if not path.is_file():
        have = ", ".join(sorted(each.stem for each in cluster.layout.logs.glob("*.log"))) or "none"
        raise Trouble(f"which component's? There are logs of: {have}")
    return subprocess.run(["tail", "-n", "+1", *(["-F"] if "-f" in words else []), path], check=False).returncode


def _images(cluster: Cluster, words: list[str]) -> int:
    from singlenode import images

    names = [word for word in words if not word.startswith("-")]
    archives = images.build(cluster.layout, names)
    if "--import" in words:
        images.give(cluster.layout, archives)
    return 0


def _import(cluster: Cluster, words: list[str]) -> int:
    for name in node.import_images(cluster.layout, [Path(word) for word in words]):
        _say(f"imported {name}")
    return 0


def _controllers(cluster: Cluster, words: list[str]) -> int:
    from singlenode import controllers

    wanted = controllers.chosen([word for word in words if not word.startswith("-")])
    controllers.build(cluster.layout, wanted)
    if "--build" not in words:
        with controllers.Controllers(cluster, wanted) as running:
            _say(f"running: {', '.join(each.name for each in wanted)}; Ctrl-C ends them, their kinds stay defined")
            running.wait()
    return 0


def _signal(cluster: Cluster, words: list[str]) -> int:
    if len(words) != 2:
        raise Trouble("cluster signal KILL|TERM|STOP|CONT COMPONENT")
    name = words[0].upper()
    try:
        number = signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise Trouble(f"{words[0]} is no signal: KILL, TERM, STOP or CONT") from None
    cluster.signal(words[1], number)
    return 0


def _start(cluster: Cluster, words: list[str]) -> int:
    for word in words:
        cluster.start(word)
    return 0


def _exec(_: Cluster, words: list[str]) -> int:
    if not network.exists():
        raise Trouble("there is no network namespace: the cluster is down, or it is a control plane alone")
    return subprocess.run([*network.INSIDE, *words], check=False).returncode


def _kubectl(cluster: Cluster, words: list[str]) -> int:
    command = [str(cluster.layout.binaries / "kubectl"), "--kubeconfig", str(cluster.layout.kubeconfig), *words]
    return subprocess.run(command, check=False).returncode


_COMMANDS: dict[str, Callable[[Cluster, list[str]], int]] = {
    "build": _build,
    "up": _up,
    "down": _down,
    "status": _status,
    "logs": _logs,
    "images": _images,
    "import": _import,
    "controllers": _controllers,
    "signal": _signal,
    "start": _start,
    "exec": _exec,
    "kubectl": _kubectl,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"] or {"-h", "--help"} & set(words):
        sys.stdout.write(f"{__doc__}")
        return 0
    command = _COMMANDS.get(words[0]) if words else None
    if command is None:
        _say(f"{__doc__}")
        return _USAGE
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `cluster status | head` is no fault
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    try:
        return command(Cluster(), words[1:])
    except Trouble as trouble:
        _say(f"{trouble}")
        return _PROBLEM
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        return _INTERRUPTED
