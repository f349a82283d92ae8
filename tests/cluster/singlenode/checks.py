"""What a machine needs before a cluster can be built or started: everything that is missing is said at once."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from singlenode.layout import Layout
from singlenode.trouble import NoMeans

GO_WANTED = (1, 26)
_BUILD_BYTES = 6 * 2**30
_RUN_BYTES = 2 * 2**30
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")

_PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "nsenter": "util-linux",
    "mount": "mount",
}
"""What a node runs, and the Debian package that has it."""


def program(name: str) -> str | None:
    """Return the path of a program, also where a user's ``PATH`` does not go."""
    if name.startswith("/"):
        return name if Path(name).exists() else None
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SBIN]))


def go_version() -> tuple[int, int] | None:
    """Return the version of Go, None without one."""
    if program("go") is None:
        return None
    answer = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/")
    numbers = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(numbers[1]), int(numbers[2])) if numbers else None


def _missing_node() -> list[str]:
    wanted = {package for name, package in _PACKAGES.items() if program(name) is None}
    return sorted(wanted)


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def problems(layout: Layout, *, built: bool, node: bool, installing: bool = False) -> list[str]:
    """Return what is in the way, a sentence each.

    Args:
        built: Whether the binaries are there.
        node: Whether pods are to run, too.
        installing: Whether Debian's packages can be installed by us; those are not in the way then.
    """
    found = []
    if sys.platform != "linux":
        found.append("Kubernetes' node runs on Linux only: use a cluster of your own (KUBECONFIG=…).")
        return found
    if node and os.geteuid() != 0:
        found.append("A node needs root (network namespace, containers); without: cluster up --control-plane.")
    if not built:
        version = go_version()
        if version is None or version < GO_WANTED:
            have = "there is none" if version is None else f"this one is {version[0]}.{version[1]}"
            found.append(f"Building Kubernetes needs Go {GO_WANTED[0]}.{GO_WANTED[1]} or newer; {have}.")
        if _free(layout.cache) < _BUILD_BYTES:
            found.append(f"Building Kubernetes needs {_BUILD_BYTES >> 30} GiB of disk at {layout.cache}.")
    if program("openssl") is None:
        found.append("The program openssl, which makes the certificates, is missing.")
    if node and (missing := _missing_node()) and not installing:
        found.append(f"Packages of Debian are missing: apt-get install {' '.join(missing)}")
    if _free(layout.folder) < _RUN_BYTES:
        found.append(f"A cluster needs {_RUN_BYTES >> 30} GiB of disk at {layout.folder}.")
    return found


def can_install() -> bool:
    """Tell whether missing packages can be installed."""
    return os.geteuid() == 0 and program("apt-get") is not None


def install(packages: list[str]) -> None:
    """Install packages of Debian."""
    sys.stderr.write(f"installing {' '.join(packages)}\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *words], env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode:
            raise NoMeans(f"apt-get {words[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def prepare(layout: Layout, *, built: bool, node: bool) -> None:
    """Raise NoMeans with everything that is missing, after installing what can be."""
    found = problems(layout, built=built, node=node, installing=can_install())
    if found:
        raise NoMeans("\n".join(found))
    if node and (missing := _missing_node()):
        install(missing)
        if missing := _missing_node():
            raise NoMeans(f"Still missing after their installation: {' '.join(missing)}")
