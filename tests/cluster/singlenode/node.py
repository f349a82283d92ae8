"""The node's side: configuration of containerd and the kubelet, images, and the end of everything that runs in pods."""

import contextlib
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from singlenode import archive, processes
from singlenode.layout import BRIDGE_IP, POD_CIDR, Layout, module_digest
from singlenode.trouble import Trouble

_PAUSE = f"katib.test/pause:{module_digest()}"
_NAMESPACE = "k8s.io"

_CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "{run}/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true # a virtual machine without CAP_SYS_RESOURCE may not lower it, and no sandbox would start
  netns_mounts_under_state_dir = true # so that they are found when the cluster goes down
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

_KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {keys}/ca.crt}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {keys}/kubelet-server.crt
tlsPrivateKeyFile: {keys}/kubelet-server.key
containerRuntimeEndpoint: unix://{socket}
cgroupDriver: cgroupfs
cgroupRoot: {groups}
cgroupsPerQOS: true
failCgroupV1: false
failSwapOn: false
clusterDNS: [{dns}]
clusterDomain: cluster.local
resolvConf: ""
maxPods: 200
serializeImagePulls: false
evictionHard: {{nodefs.available: 1%, imagefs.available: 1%, memory.available: 100Mi}}
imageGCHighThresholdPercent: 100 # images come from an archive once; nothing could pull them again
imageGCLowThresholdPercent: 99
syncFrequency: 10s
kubeAPIQPS: 200
kubeAPIBurst: 400
registryPullQPS: 0
eventRecordQPS: 0
"""

_NAMES = """\
.:53 {{
  bind {dns}
  errors
  health {dns}:18080
  cache 5
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {folder}/kubeconfig
    pods insecure
  }}
}}
"""


def control_group(layout: Layout) -> str:
    """Return the control group of all pods: a kubelet ends what it does not know in its own, and a machine may have another one."""
    return f"/katib-cluster-{hashlib.sha256(str(layout.folder).encode()).hexdigest()[:8]}"


def _hierarchies() -> list[Path]:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [
        each for each in root.iterdir() if each.is_dir() and not each.is_symlink() and (each / "cgroup.procs").exists()
    ]


def ensure_control_group(layout: Layout) -> None:
    """Make the control group; version 1 has a tree for each controller, version 2 one for all."""
    for hierarchy in _hierarchies():
        group = hierarchy / control_group(layout).lstrip("/")
        group.mkdir(exist_ok=True)
        controllers = hierarchy / "cgroup.controllers"
        if controllers.exists():
            for name in controllers.read_text().split():
                with contextlib.suppress(OSError):  # one that cannot be handed down is not handed down
                    (hierarchy / "cgroup.subtree_control").write_text(f"+{name}")
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (group / "tasks").exists() and (group / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((hierarchy / name).read_text())


def remove_control_group(layout: Layout) -> None:
    """Remove the control groups of pods that are no more."""
    for hierarchy in _hierarchies():
        top = hierarchy / control_group(layout).lstrip("/")
        if not top.is_dir():
            continue
        groups = [each for each in top.rglob("*") if each.is_dir()]
        for group in [*sorted(groups, key=lambda each: len(each.parts), reverse=True), top]:
            for _ in range(20):
                try:
                    group.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:  # busy for a moment after its last process
                    time.sleep(0.01)


def configure(layout: Layout) -> None:
    """Write the configuration of the node's components."""
    values = {
        "folder": layout.folder,
        "run": layout.run,
        "socket": layout.containerd_socket,
        "keys": layout.keys,
        "dns": BRIDGE_IP,
        "pause": _PAUSE,
        "groups": control_group(layout),
    }
    (layout.folder / "containerd.toml").write_text(_CONTAINERD.format(**values))
    (layout.folder / "kubelet.yaml").write_text(_KUBELET.format(**values))
    (layout.folder / "Corefile").write_text(_NAMES.format(**values))
    ranges = [[{"subnet": POD_CIDR}]]
    addresses = {
        "type": "host-local",
        "dataDir": str(layout.run / "ipam"),
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    plugins = [{**bridge, "ipam": addresses}, {"type": "portmap", "capabilities": {"portMappings": True}}]
    (layout.folder / "cni").mkdir(exist_ok=True)
    content = {"cniVersion": "1.0.0", "name": "katib", "plugins": plugins}
    (layout.folder / "cni" / "10-bridge.conflist").write_text(json.dumps(content, indent=1))


def ctr(layout: Layout, *words: str) -> str:
    """Ask containerd through its own client."""
    done = subprocess.run(
        ["ctr", "--address", str(layout.containerd_socket), "--namespace", _NAMESPACE, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Trouble(f"ctr {' '.join(words[:2])} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def answers(layout: Layout) -> bool:
    """Tell whether containerd is there."""
    try:
        ctr(layout, "--timeout", "2s", "version")
    except Trouble:
        return False
    return True


def forget_records(layout: Layout) -> None:
    """Remove what the pods of an earlier cluster left in containerd's folder, while that does not run."""
    for kind in ("containers", "sandboxes"):
        shutil.rmtree(layout.folder / "containerd" / "io.containerd.grpc.v1.cri" / kind, ignore_errors=True)


def forget_containers(layout: Layout) -> None:
    """Remove the containers of an earlier cluster from containerd's books."""
    left = ctr(layout, "containers", "list", "--quiet").split()
    for start in range(0, len(left), 100):
        ctr(layout, "containers", "delete", *left[start : start + 100])


def images(layout: Layout) -> dict[str, str]:
    """Return the images that containerd has, with their digests."""
    rows = [line.split() for line in ctr(layout, "images", "list").splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def contents(layout: Layout) -> set[str]:
    """Return the digests of everything that containerd keeps."""
    return set(ctr(layout, "content", "list", "--quiet").split())


def import_images(layout: Layout, archives: Iterable[Path]) -> list[str]:
    """Give containerd the images of archives; return their names."""
    names = []
    for path in archives:
        if not path.is_file():
            raise Trouble(f"{path} is no image archive: write one with `buildah push NAME docker-archive:FILE:NAME`")
        answer = ctr(layout, "images", "import", str(path))
        names += [line.split()[1] for line in answer.splitlines() if line.startswith("unpacking ")]
    return names


def ensure_pause_image(layout: Layout) -> None:
    """Give containerd the image that every pod starts with."""
    if _PAUSE in images(layout):
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        shutil.copy(layout.binaries / "pause", root / "pause")
        archive.write(root, Path(folder, "pause.tar"), name=_PAUSE, entrypoint=["/pause"])
        import_images(layout, [Path(folder, "pause.tar")])


def end_pods(layout: Layout) -> None:
    """End the kubelet, containerd and every container at once, whatever still answers."""
    of_cluster = processes.marked(layout.folder)
    starters = [each.pid for each in of_cluster if each.part in {"kubelet", "containerd", "proxy"}]
    shims = [each.pid for each in of_cluster if each.program.startswith("containerd-shim")]
    # Those that could start more first; a container's processes are children of its shim, which outlives containerd.
    processes.end([pid for pid in starters if pid not in shims], grace=0)
    for _ in range(10):
        inside = processes.descendants(shims)
        if not inside:
            break
        processes.end(inside, grace=0)
    processes.end(shims, grace=0)


def mounts(layout: Layout) -> list[Path]:
    """Return what is mounted below the cluster's folders, innermost first."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        path = line.split()[1].encode().decode("unicode_escape")
        if path.startswith((f"{layout.run}/", f"{layout.folder / 'containerd'}/")):
            found.append(Path(path))
    return sorted(found, key=lambda each: len(each.parts), reverse=True)


def unmount(layout: Layout) -> None:
    """Unmount volumes, root file systems and network namespaces of pods."""
    for _ in range(5):
        left = mounts(layout)
        if not left:
            return
        for start in range(0, len(left), 200):
            words = [str(each) for each in left[start : start + 200]]
            subprocess.run(["umount", "--lazy", *words], capture_output=True, check=False)
    if left := mounts(layout):
        raise Trouble(f"{left[0]} and {len(left) - 1} more cannot be unmounted; nothing was removed")
