"""Certificates and kubeconfigs. They are kept when the cluster goes down, so that an exported KUBECONFIG stays true."""

import base64
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from singlenode.layout import API_SERVICE_IP, LOOPBACK, NODE_IP, Layout
from singlenode.trouble import Trouble

_DAYS = "365"
_WEEK = str(7 * 24 * 3600)

SUBJECTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "kubelet": "/O=system:nodes/CN=system:node:node",
}
"""Who speaks to the API server, as whom."""

_SERVER_NAMES = {
    "apiserver": [
        f"IP:{LOOPBACK}",
        f"IP:{NODE_IP}",
        f"IP:{API_SERVICE_IP}",
        "DNS:localhost",
        *(f"DNS:kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")),
    ],
    "kubelet-server": [f"IP:{NODE_IP}", "DNS:node"],
}


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"openssl {words[0]} failed: {done.stderr.strip()[-400:]}")


def _lasts(certificate: Path) -> bool:
    checked = subprocess.run(
        ["openssl", "x509", "-noout", "-checkend", _WEEK, "-in", str(certificate)], capture_output=True, check=False
    )
    return checked.returncode == 0


def _signed(keys: Path, name: str, subject: str, names: Sequence[str] = ()) -> None:
    certificate, request, extensions = (keys / f"{name}.{ending}" for ending in ("crt", "csr", "ext"))
    wanted = "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth,serverAuth\n"
    wanted += f"subjectAltName={','.join(names)}\n" if names else ""
    if certificate.exists() and extensions.exists() and extensions.read_text() == wanted and _lasts(certificate):
        return
    key = keys / f"{name}.key"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl("req", "-new", *curve, "-keyout", key, "-subj", subject, "-out", request)
    extensions.write_text(wanted)
    authority = ["-CA", keys / "ca.crt", "-CAkey", keys / "ca.key", "-CAcreateserial"]
    fresh = keys / f"{name}.new"
    _openssl("x509", "-req", "-in", request, *authority, "-days", _DAYS, "-extfile", extensions, "-out", fresh)
    fresh.replace(certificate)


def _write_kubeconfig(path: Path, keys: Path, user: str, server: str) -> None:
    def data(name: str) -> str:
        return base64.b64encode((keys / name).read_bytes()).decode()

    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "katib", "cluster": {"server": server, "certificate-authority-data": data("ca.crt")}},
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": data(f"{user}.crt"),
                    "client-key-data": data(f"{user}.key"),
                },
            }
        ],
        "contexts": [{"name": "katib", "context": {"cluster": "katib", "user": user}}],
        "current-context": "katib",
    }
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(json.dumps(content, indent=1) + "\n")
    new.replace(path)


def make_server(layout: Layout, name: str, names: Sequence[str]) -> None:
    """Make a certificate for a server beside the cluster, which the API server calls by one of these names."""
    umask = os.umask(0o077)
    try:
        _signed(layout.keys, name, f"/CN={name}", names)
    finally:
        os.umask(umask)


def make(layout: Layout, server: str) -> None:
    """Make what is missing or about to expire, and the kubeconfigs for the server."""
    keys = layout.keys
    keys.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    umask = os.umask(0o077)
    try:
        authority = keys / "ca.crt"
        if not authority.exists() or not _lasts(authority):
            for stale in keys.glob("*.crt"):
                stale.unlink()
            _openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", _DAYS, "-subj", "/CN=katib-cluster", "-keyout", keys / "ca.key", "-out", authority),
            )
        accounts = keys / "service-account.key"
        if not accounts.exists() or not accounts.stat().st_size:
            _openssl("genrsa", "-out", accounts, "2048")
        _signed(keys, "apiserver", "/CN=kube-apiserver", _SERVER_NAMES["apiserver"])
        _signed(keys, "kubelet-server", "/CN=node", _SERVER_NAMES["kubelet-server"])
        for user, subject in SUBJECTS.items():
            _signed(keys, user, subject)
            path = layout.kubeconfig if user == "admin" else layout.folder / f"{user}.kubeconfig"
            _write_kubeconfig(path, keys, user, server)
    finally:
        os.umask(umask)
