"""A sidecar of a mesh in a pod, as Istio puts it there, and a webhook that does it to the pods of one namespace."""

import base64
import contextlib
import copy
import json
import ssl
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "integration"))

from authority import Authority

PROXY = "istio-proxy"
_LESS = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}


@dataclass(frozen=True)
class Sidecar:
    """How the proxy gets into pods.

    Attributes:
        image: Of ``programs.image_of_mesh``.
        native: Whether it is an init container that is restarted, as Istio has it since 1.27; otherwise a container beside the others.
        late: Seconds after which it comes up.
        awaited: Whether a native one keeps the containers after it waiting until it is up.
    """

    image: str
    native: bool = True
    late: float = 0
    awaited: bool = True

    def put_into(self, spec):
        """Add it to a pod's ``spec``, in place."""
        init = {
            "name": "istio-init",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["redirect"],
            "securityContext": {
                **_LESS,
                "runAsUser": 0,
                "runAsNonRoot": False,
                "readOnlyRootFilesystem": False,
                "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
            },
        }
        proxy = {
            "name": PROXY,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["proxy"],
            "env": [{"name": "LATE", "value": f"{self.late:g}"}],
            "securityContext": {**_LESS, "runAsUser": 1337, "capabilities": {"drop": ["ALL"]}},
        }
        probe = {"httpGet": {"path": "/healthz/ready", "port": 15021}, "periodSeconds": 1}
        if not self.native:
            proxy["readinessProbe"] = probe
            spec["containers"] = [*spec["containers"], proxy]
            spec["initContainers"] = [init, *(spec.get("initContainers") or [])]
            return
        proxy["restartPolicy"] = "Always"
        if self.awaited:
            proxy["startupProbe"] = {**probe, "failureThreshold": 600}
        spec["initContainers"] = [init, proxy, *(spec.get("initContainers") or [])]


@contextlib.contextmanager
def injecting(kubernetes, host, namespace, sidecar, folder):
    """Have the sidecar put into every pod of a namespace that does not say that it wants none."""
    authority = Authority("katib-test-mesh", host)
    for name, content in zip(("crt", "key"), authority.issue("injector"), strict=True):
        (folder / f"tls.{name}").write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with ThreadingHTTPServer((host, 0), _handler(sidecar)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        name = f"katib-test-mesh-{namespace}"
        body = _configuration(name, namespace, f"https://{host}:{server.server_address[1]}/inject", authority)
        kubernetes.kubectl("apply", "--server-side", "--filename=-", stdin=body)
        try:
            yield
        finally:
            kubernetes.kubectl("delete", "mutatingwebhookconfigurations", name, "--ignore-not-found", check=False)
            server.shutdown()
            thread.join()


def _configuration(name, namespace, url, authority):
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "sidecar.mesh.katib.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",  # in the test's own namespace only
                "timeoutSeconds": 10,
                "clientConfig": {"url": url, "caBundle": base64.b64encode(authority.pem).decode()},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "objectSelector": {
                    "matchExpressions": [
                        {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]},
                    ]
                },
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }
        ],
    }


def _handler(sidecar):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            spec = copy.deepcopy(request["object"]["spec"])
            sidecar.put_into(spec)
            operations = [
                {"op": "add", "path": f"/spec/{name}", "value": spec[name]} for name in ("initContainers", "containers")
            ]
            response = {
                "uid": request["uid"],
                "allowed": True,
                "patchType": "JSONPatch",
                "patch": base64.b64encode(json.dumps(operations).encode()).decode(),
            }
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
            body = json.dumps(review).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
