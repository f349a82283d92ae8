"""The network namespace of a node: its rules of iptables and its bridge stay in there, and go with it.

The machine has routes to pods and services, so that a test can call either; a server that a test runs for pods listens on ``HOST_IP``.
"""

import shutil
import subprocess
from pathlib import Path

from singlenode.layout import (
    BRIDGE_IP,
    HOST_IP,
    NETWORK_NAMESPACE,
    NODE_IP,
    POD_CIDR,
    SERVICE_CIDR,
)
from singlenode.trouble import Trouble

_BRIDGE_HARDWARE = "02:6b:61:74:69:62"
_FILE = Path("/run/netns", NETWORK_NAMESPACE)
_HOST_END, _NODE_END, _BRIDGE = "katib-host", "katib-node", "cni0"
INSIDE = ("nsenter", f"--net={_FILE}", "--")


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"{' '.join(words)} failed: {(done.stderr or done.stdout).strip()[-400:]}")


def _works(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def exists() -> bool:
    """Tell whether the namespace can be entered; a file that was left by a crash cannot."""
    return _FILE.exists() and _works(*INSIDE, "true")


def inhabitants() -> set[int]:
    """Return the processes in the namespace."""
    if not exists():
        return set()
    pids = subprocess.run(["ip", "netns", "pids", NETWORK_NAMESPACE], capture_output=True, text=True, check=False)
    return {int(word) for word in pids.stdout.split()}


def ensure() -> None:
    """Make what is missing."""
    if shutil.which("modprobe"):  # a kernel without modules has them built in
        _works("modprobe", "--quiet", "--all", "br_netfilter", "overlay")
    if not exists():
        remove()
        _run("ip", "netns", "add", NETWORK_NAMESPACE)
    if not _works("ip", "link", "show", _HOST_END) or not _works(*INSIDE, "ip", "link", "show", _NODE_END):
        _works("ip", "link", "delete", _HOST_END)
        _run("ip", "link", "add", _HOST_END, "type", "veth", "peer", "name", _NODE_END, "netns", NETWORK_NAMESPACE)
    _run("ip", "address", "replace", f"{HOST_IP}/24", "dev", _HOST_END)
    _run("ip", "link", "set", _HOST_END, "up")
    _run(*INSIDE, "ip", "link", "set", "lo", "up")
    _run(*INSIDE, "ip", "address", "replace", f"{NODE_IP}/24", "dev", _NODE_END)
    _run(*INSIDE, "ip", "link", "set", _NODE_END, "up")
    _run(*INSIDE, "ip", "route", "replace", "default", "via", HOST_IP)
    _run(*INSIDE, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1")
    if not _works(*INSIDE, "ip", "link", "show", _BRIDGE):
        # Before the first pod, as the name server listens on it.
        _run(*INSIDE, "ip", "link", "add", _BRIDGE, "type", "bridge")
    # One that nobody set is the lowest of the pods' own and changes with them; what they send goes nowhere until they have asked again.
    _run(*INSIDE, "ip", "link", "set", _BRIDGE, "address", _BRIDGE_HARDWARE)
    _run(*INSIDE, "ip", "address", "replace", f"{BRIDGE_IP}/{POD_CIDR.rpartition('/')[2]}", "dev", _BRIDGE)
    _run(*INSIDE, "ip", "link", "set", _BRIDGE, "up")
    for target in (SERVICE_CIDR, POD_CIDR):
        _run("ip", "route", "replace", target, "via", NODE_IP)


def remove() -> None:
    """Remove the namespace and the cable; the routes go with that."""
    _works("ip", "link", "delete", _HOST_END)
    _works("ip", "netns", "delete", NETWORK_NAMESPACE)
