"""TLS with certificates of cert-manager: overlay ``api`` and the webhook's parts; certificates are renewed under everything that runs."""

import base64
import contextlib
import socket
import ssl

import pytest
from cert_manager import CertManager
from cryptography import x509
from definitions import CERT_MANAGER
from installation import installing, patch, takes_minutes

pytestmark = [takes_minutes, pytest.mark.timeout(900)]

NAMES = {
    "katib-store": ("", ".svc", ".svc.cluster.local"),
    "katib-suggestion": ("", ".svc", ".svc.cluster.local"),
    "katib-api": ("", ".svc", ".svc.cluster.local"),
    "katib-webhook": (".svc", ".svc.cluster.local"),
}
PORTS = [
    *(("katib-store", 6789), ("katib-store", 8080), ("katib-suggestion", 6789), ("katib-api", 6789)),
    ("katib-webhook", 443),
]
LABEL = "katib.kubeflow.org/metrics-collector-injection=enabled"


def patches(namespace):
    """Return what the guide says to patch in another namespace than its own."""
    found = [
        patch(
            {"kind": "Certificate", "name": service},
            [{"op": "replace", "path": "/spec/dnsNames", "value": [f"{service}.{namespace}{end}" for end in ends]}],
        )
        for service, ends in NAMES.items()
    ]
    inject = {"op": "replace", "path": "/metadata/annotations/cert-manager.io~1inject-ca-from"}
    inject["value"] = f"{namespace}/katib-webhook"
    return [*found, patch({"kind": "MutatingWebhookConfiguration", "name": "katib-pods"}, [inject])]


@pytest.fixture(scope="module")
def certified(kubernetes, tmp_path_factory):
    """An installation, and who signs its certificates."""
    folder = tmp_path_factory.mktemp("tls").resolve()
    if CERT_MANAGER.defined(kubernetes):
        pytest.skip("cert-manager is installed in this cluster, and would be disturbed")
    with contextlib.ExitStack() as stack:
        stack.callback(CERT_MANAGER.forget, kubernetes)
        CERT_MANAGER.define(kubernetes)
        managers = []

        def prepare(installation):
            managers.append(stack.enter_context(CertManager(kubernetes.kubeconfig, installation.namespace)))
            kubernetes.kubectl("label", "namespace", installation.trials, LABEL)

        installed = installing(
            kubernetes,
            folder,
            overlay="api",
            components=["webhook", "webhook-cert-manager"],
            claims=["katib-store"],
            prepare=prepare,
            patches=patches,
        )
        yield stack.enter_context(installed), managers[0]


def authority(installation, name="katib-store-tls"):
    """Return whose certificates a Secret says are good."""
    data = installation.kubernetes.get(f"secret/{name}", "--namespace", installation.namespace)["data"]
    return base64.b64decode(data["ca.crt"]).decode()


def shown(installation, service, port, root):
    """Return the number of the certificate that a Service shows to a caller who knows its authority and its name."""
    found = installation.kubernetes.get(f"service/{service}", "--namespace", installation.namespace)
    context = ssl.create_default_context(cadata=root)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((found["spec"]["clusterIP"], port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=f"{service}.{installation.namespace}.svc") as secured,
    ):
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True)).serial_number


def all_shown(installation):
    of_webhook, of_others = (authority(installation, name) for name in ("katib-webhook-tls", "katib-store-tls"))
    return {
        (service, port): shown(installation, service, port, of_webhook if service == "katib-webhook" else of_others)
        for service, port in PORTS
    }


def pods(installation):
    """Return the pods that there are, and how often their containers were started again."""
    found = installation.kubernetes.get("pods", "--namespace", installation.namespace)["items"]
    return {
        each["metadata"]["uid"]: [status["restartCount"] for status in each["status"]["containerStatuses"]]
        for each in found
        if each["metadata"]["labels"]["katib.kubeflow.org/component"] != "keys"
    }


def test_trials_report_over_tls(certified):
    installation, _ = certified
    installation.start("first")
    installation.check_success("first")
    assert len(all_shown(installation)) == len(PORTS)
    assert [each for each in installation.requests() if each[-1] in {"401", "403"}] == []


def test_renewed_certificates_are_shown_without_a_restart(certified):
    installation, manager = certified
    before, running = all_shown(installation), pods(installation)
    manager.renew(*NAMES)

    def renewed():
        now = all_shown(installation)
        return not [each for each in PORTS if now[each] == before[each]]

    installation.kubernetes.wait_for(renewed, seconds=150, what="all are new", namespace=installation.namespace)
    installation.start("second")
    installation.check_success("second")
    assert pods(installation) == running


def test_a_renewed_authority_keeps_what_it_signed(certified):
    installation, manager = certified
    running, of_store = pods(installation), shown(installation, "katib-store", 6789, authority(installation))
    manager.renew("katib-ca")
    renewed = authority(installation, "katib-ca")
    assert renewed != authority(installation)
    assert shown(installation, "katib-store", 6789, renewed) == of_store
    manager.renew("katib-suggestion")  # one of two: servers know the authority at different times

    def known():
        return shown(installation, "katib-suggestion", 6789, authority(installation, "katib-suggestion-tls"))

    assert known()
    installation.start("third")
    installation.check_success("third")
    assert pods(installation) == running


def test_the_api_server_calls_the_webhook(certified):
    installation, _ = certified
    kubernetes, trials = installation.kubernetes, installation.trials
    trial = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Trial",
        "metadata": {"name": "of-a-chain", "namespace": trials, "labels": {"katib.kubeflow.org/experiment": "chain"}},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "parameterAssignments": [],
            "primaryContainerName": "main",
            "metricsCollector": {"collector": {"kind": "StdOut"}},
            "runSpec": {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"model": "large"}},
        },
    }
    kubernetes.apply(trial, trials)
    uid = kubernetes.get("trial/of-a-chain", "--namespace", trials)["metadata"]["uid"]
    owner = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Trial",
        "name": "of-a-chain",
        "uid": uid,
        "controller": True,
    }
    container = {"name": "main", "image": "katib.test/of-nobody:1", "command": ["true"]}
    container["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "at-the-end", "namespace": trials, "ownerReferences": [owner]},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }
    said = kubernetes.kubectl(
        "create", "--dry-run=server", "--output=jsonpath={.spec.initContainers[*].name}", "--filename=-", stdin=pod
    )
    assert said == "katib-collector"
