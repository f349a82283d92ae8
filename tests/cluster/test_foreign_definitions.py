"""Overlays with objects of other projects, held against those projects' own definitions by a real API server, which takes no unknown field."""

from pathlib import Path

import pytest
from definitions import CERT_MANAGER, GATEWAY_API, ISTIO

OVERLAYS = Path(__file__).resolve().parents[2] / "deploy" / "overlays"
STRICTLY = ("apply", "--server-side", "--validate=strict", "--dry-run=server", "--output=name")


# `api` has all that `cert-manager` has.
@pytest.mark.parametrize(
    ("overlay", "source"),
    [("api", CERT_MANAGER), ("webhook", CERT_MANAGER), ("gateway-api", GATEWAY_API), ("istio", ISTIO)],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_overlay_is_as_the_definitions_want_it(control_plane, overlay, source):
    kubernetes = control_plane.kubernetes
    source.define(kubernetes)
    if "namespace/katib" not in kubernetes.kubectl("get", "namespaces", "--output=name"):
        kubernetes.kubectl("create", "namespace", "katib")
    said = kubernetes.kubectl(*STRICTLY, "--kustomize", str(OVERLAYS / overlay))
    group = source.api_version.partition("/")[0]
    assert {f"{kind.lower()}.{group}" for kind in source.kinds} <= {
        line.partition("/")[0] for line in said.splitlines()
    }
    wrong = {
        "apiVersion": source.api_version,
        "kind": source.kinds[0],
        "metadata": {"name": "wrong", "namespace": "katib"},
        "spec": {"host": ["of-nobody"]},
    }
    refused = kubernetes.kubectl(*STRICTLY, "--filename=-", stdin=wrong, check=False)
    assert ".spec.host: field not declared in schema" in refused
