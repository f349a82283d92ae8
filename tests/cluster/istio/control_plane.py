"""Istio's control plane and a gateway of it in a cluster, as ``istioctl`` installs them, for the namespaces that a test labels.

Envoy is the one that everybody has, without the extensions that only Istio's own build of it has: what would use them (telemetry, the
exchange of metadata, its choice of ALPN) is switched off. What decides about trials is not among them: redirection, injection, mTLS,
routes.
"""

import contextlib
import subprocess

import pytest
import yaml

from istio.programs import istioctl

SYSTEM = "istio-system"
INJECTED = {"istio-injection": "enabled", "katib-test-mesh": "yes", "pod-security.kubernetes.io/enforce": "privileged"}
"""Labels of a namespace in the mesh; the level is that of what sets up the redirection of a pod."""
_WITHOUT_EXTENSIONS = {
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "ENABLE_NATIVE_SIDECARS": "true",
}
_SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}}


@contextlib.contextmanager
def istio_installed(kubernetes, image, folder):
    """Have Istio in the cluster for as long as this is open."""
    if "networking.istio.io" in kubernetes.kubectl("get", "crds", "--output=name"):
        pytest.skip("Istio is installed in this cluster, and would be disturbed")
    options = folder / "istio.yaml"
    options.write_text(yaml.safe_dump(_options(image)))
    words = [istioctl(), "manifest", "generate", "--filename", str(options)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    labels = {"katib-test-mesh": "yes"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": labels}}
    try:
        kubernetes.kubectl("create", "--filename=-", stdin=namespace)
        _apply(kubernetes, done.stdout)
        rollouts = ("deployment/istiod", "deployment/istio-ingressgateway")
        for each in rollouts:
            kubernetes.kubectl("rollout", "status", each, "--namespace", SYSTEM, "--timeout=180s", timeout=200)
        yield
    finally:
        words = ("--ignore-not-found", "--wait=false", "--filename=-")
        kubernetes.kubectl("delete", *words, stdin=done.stdout, check=False)
        # It looks after these itself, and labels them.
        kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
        kubernetes.kubectl("delete", kinds, "--selector=istio.io/rev=default", "--ignore-not-found", check=False)
        kubernetes.kubectl("delete", "namespace", SYSTEM, "--ignore-not-found", check=False)


def _apply(kubernetes, text):
    """Apply a manifest whose custom resources are of kinds that it defines itself."""
    documents = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
    kinds = [each for each in documents if each["kind"] == "CustomResourceDefinition"]
    for some in (kinds, [each for each in documents if each not in kinds]):
        body = {"apiVersion": "v1", "kind": "List", "items": some}
        kubernetes.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=body)
    names = [f"crd/{each['metadata']['name']}" for each in kinds]
    kubernetes.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)


def _options(image):
    return {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "spec": {
            "profile": "default",
            "meshConfig": {
                "accessLogFile": "/dev/stdout",
                "accessLogFormat": "%PROTOCOL% %REQ(:PATH)% %RESPONSE_CODE% %UPSTREAM_CLUSTER% %DOWNSTREAM_PEER_URI_SAN%\n",
                # It writes into every namespace that it knows.
                "discoverySelectors": [{"matchLabels": {"katib-test-mesh": "yes"}}],
            },
            "values": {
                "telemetry": {"enabled": False},
                "pilot": {
                    "image": image,
                    "env": _WITHOUT_EXTENSIONS,
                    "resources": _SMALL,
                    "autoscaleEnabled": False,
                },
                "global": {
                    "imagePullPolicy": "IfNotPresent",
                    "proxy": {"image": image, "resources": {**_SMALL, "limits": {"cpu": "2", "memory": "512Mi"}}},
                    "proxy_init": {"image": image},
                },
                "gateways": {
                    "istio-ingressgateway": {"type": "ClusterIP", "autoscaleEnabled": False, "resources": _SMALL}
                },
            },
        },
    }
