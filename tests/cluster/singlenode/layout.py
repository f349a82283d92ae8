"""Where a cluster keeps what, which addresses it has and what the environment asks of it.

Every folder but the cache may be removed while the cluster is down.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "v1.34.4"
"""Of Kubernetes; ``go/go.mod`` names the same."""

MODULE = Path(__file__).resolve().parent.parent / "go"

NETWORK_NAMESPACE = "katib"
HOST_IP, NODE_IP = "10.250.0.1", "10.250.0.2"
"""The two ends of the cable between the machine and the cluster's network namespace."""
POD_CIDR, BRIDGE_IP = "10.244.0.0/24", "10.244.0.1"
SERVICE_CIDR, API_SERVICE_IP = "10.96.0.0/16", "10.96.0.1"
NODE = "node"
LOOPBACK = "127.0.0.1"


def cache_folder() -> Path:
    """Return where binaries are kept, which all clusters of this machine share."""
    return Path(os.environ.get("KATIB_CLUSTER_CACHE") or Path.home() / ".cache" / "katib-cluster")


def module_digest() -> str:
    """Return what tells one build of the module from another: its files and the version."""
    digest = hashlib.sha256(VERSION.encode())
    for path in sorted(MODULE.rglob("*")):
        if path.is_file():
            digest.update(f"\0{path.relative_to(MODULE)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Layout:
    """The folders of one cluster.

    Attributes:
        folder: All of its state; ``KATIB_CLUSTER_DIR``.
        cache: Binaries, by version and module; shared.
    """

    folder: Path
    cache: Path = field(default_factory=cache_folder)

    @classmethod
    def of_environment(cls) -> "Layout":
        """Return the layout that ``KATIB_CLUSTER_DIR`` and ``KATIB_CLUSTER_CACHE`` ask for."""
        return cls(Path(os.environ.get("KATIB_CLUSTER_DIR") or cache_folder()).absolute())

    @property
    def binaries(self) -> Path:
        return self.cache / "binaries" / f"{VERSION}-{module_digest()}"

    @property
    def bin(self) -> Path:
        """Links to the binaries, for people's ``PATH``."""
        return self.folder / "bin"

    @property
    def keys(self) -> Path:
        return self.folder / "pki"

    @property
    def run(self) -> Path:
        """What goes with ``down``: the data of etcd, the pods' folders, sockets."""
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"
