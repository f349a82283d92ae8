"""How each component of a cluster is called. The order is that of their starts."""

from singlenode.layout import (
    LOOPBACK,
    NODE,
    NODE_IP,
    POD_CIDR,
    SERVICE_CIDR,
    Layout,
)
from singlenode.settings import Settings

CONTROL_PLANE = ("etcd", "apiserver", "controller-manager")
ALL = ("containerd", *CONTROL_PLANE, "scheduler", "kubelet", "proxy", "dns")

PROGRAMS = {
    "containerd": "containerd",
    "etcd": "etcd",
    "apiserver": "kube-apiserver",
    "controller-manager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
    "kubelet": "kubelet",
    "proxy": "kube-proxy",
    "dns": "coredns",
}

_DOCUMENTATION_ADDRESS = "192.0.2.1"
"""An address that nobody has (RFC 5737)."""


def names(settings: Settings) -> tuple[str, ...]:
    """Return the parts of a cluster of this shape."""
    return ALL if settings.pods else CONTROL_PLANE


def argv(part: str, layout: Layout, settings: Settings) -> list[str]:
    """Return the command line of a component."""
    words = {
        "containerd": lambda: ["--config", str(layout.folder / "containerd.toml")],
        "etcd": lambda: _etcd(layout, settings),
        "apiserver": lambda: _apiserver(layout, settings),
        "controller-manager": lambda: _controller_manager(layout, settings),
        "scheduler": lambda: [*_authorised(layout, "scheduler"), "--kube-api-qps=200", "--kube-api-burst=400"],
        "kubelet": lambda: _kubelet(layout),
        "proxy": lambda: _proxy(layout),
        "dns": lambda: ["-conf", str(layout.folder / "Corefile"), "-quiet"],
    }[part]()
    program = PROGRAMS[part]
    return [program if part == "containerd" else str(layout.binaries / program), *words]


def _etcd(layout: Layout, settings: Settings) -> list[str]:
    clients, peers = (f"http://{LOOPBACK}:{port}" for port in (settings.etcd_port, settings.peer_port))
    return [
        f"--data-dir={layout.run / 'etcd'}",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--log-level=warn",
        *([] if settings.fsync else ["--unsafe-no-fsync"]),
    ]


def _apiserver(layout: Layout, settings: Settings) -> list[str]:
    keys = layout.keys
    flags = [
        f"--etcd-servers=http://{LOOPBACK}:{settings.etcd_port}",
        f"--secure-port={settings.api_port}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--client-ca-file={keys / 'ca.crt'}",
        f"--requestheader-client-ca-file={keys / 'ca.crt'}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--service-account-key-file={keys / 'service-account.key'}",
        f"--service-account-signing-key-file={keys / 'service-account.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
    ]
    if settings.pods:
        flags += [
            "--bind-address=0.0.0.0",
            f"--advertise-address={NODE_IP}",
            f"--kubelet-client-certificate={keys / 'admin.crt'}",
            f"--kubelet-client-key={keys / 'admin.key'}",
            f"--kubelet-certificate-authority={keys / 'ca.crt'}",
            "--kubelet-preferred-address-types=InternalIP",
        ]
    else:
        # Nobody reaches a control plane alone through a Service; an address has to be given all the same.
        flags += [
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={_DOCUMENTATION_ADDRESS}",
            "--endpoint-reconciler-type=none",
        ]
    return [*flags, *settings.apiserver_flags]


def _authorised(layout: Layout, user: str) -> list[str]:
    path = layout.folder / f"{user}.kubeconfig"
    return [
        f"--kubeconfig={path}",
        f"--authentication-kubeconfig={path}",
        f"--authorization-kubeconfig={path}",
        "--leader-elect=false",
    ]


def _controller_manager(layout: Layout, settings: Settings) -> list[str]:
    return [
        *_authorised(layout, "controller-manager"),
        f"--bind-address={LOOPBACK}",
        f"--secure-port={settings.controllers_port}",
        f"--root-ca-file={layout.keys / 'ca.crt'}",
        f"--service-account-private-key-file={layout.keys / 'service-account.key'}",
        "--use-service-account-credentials",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--concurrent-job-syncs=20",
    ]


def _kubelet(layout: Layout) -> list[str]:
    return [
        f"--config={layout.folder / 'kubelet.yaml'}",
        f"--kubeconfig={layout.folder / 'kubelet.kubeconfig'}",
        f"--root-dir={layout.run / 'kubelet'}",
        f"--cert-dir={layout.keys}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_IP}",
    ]


def _proxy(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.folder / 'proxy.kubeconfig'}",
        f"--cluster-cidr={POD_CIDR}",
        f"--hostname-override={NODE}",
        "--proxy-mode=iptables",
        # These are settings of the whole machine and cannot be written from its namespace.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]
