"""What was asked of a cluster when it was brought up; remembered until it goes down."""

import json
import os
import shlex
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from singlenode.layout import LOOPBACK, NODE_IP, Layout


@dataclass(frozen=True)
class Settings:
    """The shape of a cluster.

    Attributes:
        pods: Whether there is a node; without, it is the control plane alone, on this machine's loopback address.
        apiserver_flags: More flags of kube-apiserver, for faults; ``KATIB_APISERVER_FLAGS``.
        fsync: Whether etcd waits for the disk, so that what was answered survives ``kill -9`` and power cuts; ``KATIB_ETCD_FSYNC=1``.
        boot: Of the machine: what a cluster of an earlier boot left is no cluster.
    """

    pods: bool
    apiserver_flags: tuple[str, ...] = ()
    fsync: bool = False
    api_port: int = 6443
    etcd_port: int = 2379
    peer_port: int = 2380
    controllers_port: int = 10257
    boot: str = ""

    @property
    def api_address(self) -> str:
        return NODE_IP if self.pods else LOOPBACK

    @property
    def server(self) -> str:
        return f"https://{self.api_address}:{self.api_port}"


def boot() -> str:
    """Return the identity of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def fresh(*, pods: bool) -> Settings:
    """Return the settings of a cluster that does not run yet."""
    settings = Settings(pods=pods, boot=boot())
    if not pods:
        # Ports of its own, so that several can be there at once.
        api, etcd, peer, controllers = _free_ports(4)
        settings = replace(settings, api_port=api, etcd_port=etcd, peer_port=peer, controllers_port=controllers)
    return settings


def asked(settings: Settings) -> Settings:
    """Return the settings with what the environment asks for; what it does not name stays as it is."""
    if (flags := os.environ.get("KATIB_APISERVER_FLAGS")) is not None:
        settings = replace(settings, apiserver_flags=tuple(shlex.split(flags)))
    if (fsync := os.environ.get("KATIB_ETCD_FSYNC")) is not None:
        settings = replace(settings, fsync=fsync.strip().lower() in {"1", "yes", "on", "true"})
    return settings


def _file(layout: Layout) -> Path:
    return layout.run / "settings.json"


def remember(layout: Layout, settings: Settings) -> None:
    """Write the settings down."""
    layout.run.mkdir(parents=True, exist_ok=True)
    new = _file(layout).with_suffix(".new")
    new.write_text(json.dumps(asdict(settings)))
    new.replace(_file(layout))


def remembered(layout: Layout) -> Settings | None:
    """Return the settings of the cluster that is up, or was when something killed it."""
    try:
        content = json.loads(_file(layout).read_text())
        return Settings(**{**content, "apiserver_flags": tuple(content["apiserver_flags"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
