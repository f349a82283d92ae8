"""The manifests as ``kubectl kustomize`` makes them, each once."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
_FOR_THIS_MACHINE = (
    Path(os.environ.get("KATIB_CLUSTER_DIR") or "~/.cache/katib-cluster").expanduser() / "bin" / "kubectl"
)


@cache
def _rendered(folder):
    program = shutil.which("kubectl") or (str(_FOR_THIS_MACHINE) if _FOR_THIS_MACHINE.exists() else None)
    if program is None:
        pytest.skip("kubectl, which builds the manifests, is not on the PATH")
    done = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]


@pytest.fixture(scope="session")
def rendered():
    """Return the objects of a folder with a kustomization."""
    return _rendered


@pytest.fixture(scope="session")
def composed(tmp_path_factory):
    """Return the objects of an overlay of a user's own: a shipped one, components beside it, and more lines."""

    def make(overlay, *components, more=""):
        folder = tmp_path_factory.mktemp("overlay").resolve()
        base = os.path.relpath(DEPLOY, folder)
        lines = [f"resources: [{base}/overlays/{overlay}]"]
        if components:
            lines.append(f"components: [{', '.join(f'{base}/components/{name}' for name in components)}]")
        if "namespace:" not in more:
            lines.append("namespace: katib")
        (folder / "kustomization.yaml").write_text("\n".join([*lines, more]))
        return _rendered(folder)

    return make
