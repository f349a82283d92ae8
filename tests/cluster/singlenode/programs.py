"""Kubernetes' binaries, built once from its Go module and kept outside the tree."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from singlenode.layout import MODULE, VERSION, Layout
from singlenode.trouble import Trouble

LINKS = (
    "coredns",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)


@contextmanager
def alone(path: Path, what: str) -> Iterator[int]:
    """Let one process at a time do something; the others wait and say for what. A killed one lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"waiting for another {what}\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def built(layout: Layout) -> bool:
    """Tell whether the binaries of this module are there."""
    return (layout.binaries / "complete").exists()


def _build(layout: Layout, folder: Path, lock: int) -> None:
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    package = "k8s.io/component-base/version"
    values = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = " ".join(["-s", "-w", *(f"-X {package}.{name}={value}" for name, value in values.items())])
    log = layout.cache / "build.log"
    with log.open("w") as output:
        done = subprocess.run(
            ["go", "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", f"{folder}/", "./cmd/..."],
            cwd=MODULE,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"},
            stdout=output,
            stderr=output,
            check=False,
            pass_fds=[lock],  # it may outlive this process
        )
    if done.returncode:
        end = "".join(f"  {line}\n" for line in log.read_text(errors="replace").splitlines()[-15:])
        raise Trouble(f"Kubernetes could not be built (all of it in {log}):\n{end}")


def build(layout: Layout) -> None:
    """Build what is not built yet; what others run is never overwritten."""
    with alone(layout.cache / "build.lock", "build of Kubernetes") as lock:
        if built(layout):
            return
        sys.stderr.write(
            f"building Kubernetes {VERSION} from its Go module: 7 minutes on 2 cores and 3 GB of Go's caches, once\n"
        )
        started = time.monotonic()
        unfinished = layout.binaries.with_name(layout.binaries.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)  # of a build that was killed
        unfinished.mkdir(parents=True)
        _build(layout, unfinished, lock)
        for name in LINKS:
            (unfinished / name).symlink_to("kube")
        (unfinished / "complete").touch()
        shutil.rmtree(layout.binaries, ignore_errors=True)
        unfinished.rename(layout.binaries)
        sys.stderr.write(f"built in {time.monotonic() - started:.0f} s: {layout.binaries}\n")


def link(layout: Layout) -> None:
    """Give the binaries names that do not change with the version."""
    layout.bin.mkdir(parents=True, exist_ok=True)
    for name in (*LINKS, "kube", "pause"):
        new = layout.bin / f".{name}"
        new.unlink(missing_ok=True)
        new.symlink_to(layout.binaries / name)
        new.replace(layout.bin / name)


def prune(layout: Layout, *, keep: int = 3) -> None:
    """Remove builds of older modules that nobody runs."""
    folders = [each for each in layout.binaries.parent.glob("v*") if each != layout.binaries and each.is_dir()]
    folders.sort(key=lambda each: each.stat().st_mtime, reverse=True)
    running = set()
    for entry in Path("/proc").glob("[0-9]*/exe"):
        try:
            running.add(entry.readlink().parent)
        except OSError:
            continue
    for folder in folders[keep - 1 :]:
        if folder not in running:
            shutil.rmtree(folder, ignore_errors=True)
