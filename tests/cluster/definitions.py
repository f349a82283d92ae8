"""Custom resource definitions of other projects, from their Go modules: read where Go keeps them, and never part of this repository."""

import functools
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml


@dataclass(frozen=True)
class Definitions:
    """Where some kinds are defined.

    Attributes:
        module: Of Go.
        version: Of it.
        pattern: Of the files in it.
        api_version: Of the kinds.
        kinds: Those that are wanted.
    """

    module: str
    version: str
    pattern: str
    api_version: str
    kinds: tuple[str, ...]

    def define(self, kubernetes):
        """Give a cluster the kinds, and wait until it serves them."""
        words = ("apply", "--server-side", "--force-conflicts", "--filename=-")
        kubernetes.kubectl(*words, stdin=self._text)
        kubernetes.wait_for(lambda: self._established(kubernetes), what=f"{self.api_version} is served")

    def forget(self, kubernetes):
        """Take the kinds, and with them their objects, away again."""
        kubernetes.kubectl("delete", "--ignore-not-found", "--filename=-", stdin=self._text, check=False)

    def defined(self, kubernetes):
        """Whether somebody has given the cluster one of them."""
        return bool(kubernetes.kubectl("get", "--ignore-not-found", "--output=name", "--filename=-", stdin=self._text))

    def _established(self, kubernetes):
        found = json.loads(kubernetes.kubectl("get", "--filename=-", "--output=json", stdin=self._text))
        conditions = [each.get("status", {}).get("conditions") or () for each in found.get("items", [found])]
        return all(
            any(held["type"] == "Established" and held["status"] == "True" for held in each) for each in conditions
        )

    @functools.cached_property
    def _text(self):
        """A list of the definitions; the test is skipped where Go does not have them and may not fetch them."""
        folder = _cache() / f"{_escaped(self.module)}@{self.version}"
        if not folder.exists() and os.environ.get("KATIB_E2E_INSTALL") == "1":
            subprocess.run(["go", "mod", "download", f"{self.module}@{self.version}"], cwd="/", check=True, timeout=300)
        if not folder.exists():
            pytest.skip(f"Go has no {self.module}@{self.version}: `make e2e-install` fetches it")
        documents = [
            each
            for path in sorted(folder.glob(self.pattern))
            for each in yaml.load_all(path.read_text(), yaml.CSafeLoader)
            if each and each["spec"]["names"]["kind"] in self.kinds
        ]
        assert len(documents) == len(self.kinds)
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})


def _required(controller, module):
    """Return the version of a module that one of ``controllers/`` is built from."""
    text = (Path(__file__).parent / "controllers" / controller / "go.mod").read_text()
    return re.search(rf"^\t{re.escape(module)} (v\S+)$", text, re.MULTILINE).group(1)


CERT_MANAGER = Definitions(
    "github.com/cert-manager/cert-manager",
    _required("cert-manager", "github.com/cert-manager/cert-manager"),
    "deploy/crds/cert-manager.io_*.yaml",
    "cert-manager.io/v1",
    ("Certificate", "Issuer"),
)
GATEWAY_API = Definitions(
    "sigs.k8s.io/gateway-api",
    "v1.6.3",
    "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    "gateway.networking.k8s.io/v1",
    ("HTTPRoute",),
)
ISTIO = Definitions(
    "istio.io/api",
    "v1.32.0",
    "kubernetes/customresourcedefinitions.gen.yaml",
    "networking.istio.io/v1",
    ("VirtualService",),
)


@functools.cache
def _cache():
    if shutil.which("go") is None:
        return Path("/nowhere")
    done = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True, cwd="/")
    return Path(done.stdout.strip())


def _escaped(module):
    # Go writes capital letters so, as not all file systems tell them apart.
    return re.sub("[A-Z]", lambda found: f"!{found.group().lower()}", module)
