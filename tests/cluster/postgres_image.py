"""A PostgreSQL image of Debian's packages, for the overlay that names one of a registry; built once and kept with the project's own."""

import hashlib
from pathlib import Path

import pytest
from singlenode import images
from singlenode.layout import Layout
from singlenode.trouble import NoMeans

_RECIPE = Path(__file__).parent / "images" / "postgres"
_PACKAGES = ("postgresql", "dash", "coreutils", "base-files", "tzdata")
# Compiled queries, which nothing here is large enough for, and what no server reads.
_WITHOUT = (
    "usr/lib/x86_64-linux-gnu/libLLVM",
    "usr/share/doc/",
    "usr/share/perl",
    "usr/share/locale/",
    "usr/share/man/",
)


def image_of_postgres(kubernetes):
    """Return the name of the image, which the cluster's node has; the test is skipped where there can be none."""
    layout = Layout.of_environment()
    if kubernetes.kubeconfig.absolute() != layout.kubeconfig.absolute():
        pytest.skip("the image of PostgreSQL is given to the node of this machine's own cluster only")
    parts = [*_PACKAGES, *_WITHOUT, *(path.read_text() for path in sorted(_RECIPE.iterdir()))]
    name = f"katib.test/postgres:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:10]}"
    try:
        archive = images.build_of_packages(layout, _RECIPE, name, packages=_PACKAGES, without=_WITHOUT)
    except NoMeans as trouble:
        pytest.skip(str(trouble))
    images.give(layout, {name: archive})
    return name
