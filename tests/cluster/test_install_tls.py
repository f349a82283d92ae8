"""TLS with certificates of cert-manager: overlay ``api`` and the webhook's parts; certificates are renewed under everything that runs."""

import base64
import contextlib
import json
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from installation import installing, patch, takes_minutes
from singlenode.controllers import CATALOGUE, Controllers
from singlenode.lifecycle import Cluster

# cert-manager is built in the time of the first.
pytestmark = [takes_minutes, pytest.mark.controllers("cert-manager"), pytest.mark.timeout(1800)]

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
AUTHORITIES = {"katib-ca", "katib-webhook-ca"}
WRONG = {
    "Certificate": ("katib-store", {"duration": "30m"}, "certificate duration must be greater than 1h0m0s"),
    "Issuer": ("katib", {"selfSigned": {}}, "may not specify more than one issuer type"),
}
ISSUERS = {"katib-self-signed", "katib", "katib-webhook-self-signed", "katib-webhook"}
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
def installation(kubernetes, tmp_path_factory):
    """An installation whose certificates cert-manager signs."""
    folder = tmp_path_factory.mktemp("tls").resolve()
    # Not by its definitions: a run of these tests that was killed left those.
    if kubernetes.get("deployments", "--all-namespaces", "--selector=app.kubernetes.io/name=cert-manager")["items"]:
        pytest.skip("cert-manager is installed in this cluster, and would be disturbed")
    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(Controllers(Cluster(), [CATALOGUE["cert-manager"]]))
        stack.callback(manager.undefine)
        installed = installing(
            kubernetes,
            folder,
            overlay="api",
            components=["webhook", "webhook-cert-manager"],
            claims=["katib-store"],
            prepare=lambda made: kubernetes.kubectl("label", "namespace", made.trials, LABEL),
            patches=patches,
        )
        yield stack.enter_context(installed)


def certificate(installation, name):
    return installation.kubernetes.get(f"certificate/{name}", "--namespace", installation.namespace)


def change(installation, kind, name, content, *words, check=True):
    """Merge something into an object of the installation."""
    place = ("--namespace", installation.namespace, "--type=merge", f"--patch={json.dumps(content)}")
    return installation.kubernetes.kubectl("patch", kind, name, *place, *words, check=check)


def true_conditions(found):
    return {each["type"] for each in found.get("status", {}).get("conditions") or () if each["status"] == "True"}


def renew(installation, *names):
    """Ask for certificates to be signed again, as ``cmctl renew`` does, and wait until they are."""
    before = {}
    for name in names:
        found = certificate(installation, name)
        before[name] = found["status"]["revision"]
        asked = {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "a test asks for it",
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "observedGeneration": found["metadata"]["generation"],
        }
        others = [each for each in found["status"]["conditions"] if each["type"] != "Issuing"]
        status = {"conditions": [*others, asked]}
        change(installation, "certificate", name, {"status": status}, "--subresource=status")

    def renewed():
        now = {name: certificate(installation, name) for name in names}
        return all(
            true_conditions(now[name]) == {"Ready"} and now[name]["status"]["revision"] > before[name] for name in names
        )

    installation.kubernetes.wait_for(renewed, what=f"{names} are renewed", namespace=installation.namespace)


def authority(installation, name="katib-store-tls"):
    """Return whose certificates a Secret says are good."""
    data = installation.kubernetes.get(f"secret/{name}", "--namespace", installation.namespace)["data"]
    return base64.b64decode(data["ca.crt"]).decode()


def served(installation, name):
    found = installation.kubernetes.get(f"secret/{name}", "--namespace", installation.namespace)
    return base64.b64decode(found["data"]["tls.crt"])


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


def test_cert_manager_takes_all_of_it_and_nothing_wrong(installation):
    def found():
        return installation.kubernetes.get("certificates,issuers", "--namespace", installation.namespace)["items"]

    names = {kind: {each["metadata"]["name"] for each in found() if each["kind"] == kind} for kind in WRONG}
    assert names == {"Certificate": {*NAMES, *AUTHORITIES}, "Issuer": ISSUERS}
    installation.kubernetes.wait_for(
        lambda: all(true_conditions(each) == {"Ready"} for each in found()),
        what="all are ready",
        namespace=installation.namespace,
    )
    # A warning of its webhook would be an error.
    installation.apply("--dry-run=server", "--warnings-as-errors")
    for kind, (name, spec, why) in WRONG.items():
        said = change(installation, kind, name, {"spec": spec}, "--dry-run=server", check=False)
        assert "admission webhook" in said
        assert why in said


def test_trials_report_over_tls(installation):
    installation.start("first")
    installation.check_success("first")
    assert len(all_shown(installation)) == len(PORTS)
    assert [each for each in installation.requests() if each[-1] in {"401", "403"}] == []


def test_renewed_certificates_are_shown_without_a_restart(installation):
    before, running = all_shown(installation), pods(installation)
    renew(installation, *NAMES)

    def renewed():
        now = all_shown(installation)
        return not [each for each in PORTS if now[each] == before[each]]

    installation.kubernetes.wait_for(renewed, seconds=150, what="all are new", namespace=installation.namespace)
    installation.start("second")
    installation.check_success("second")
    assert pods(installation) == running


def test_a_renewed_authority_keeps_what_it_signed(installation):
    running, of_store = pods(installation), shown(installation, "katib-store", 6789, authority(installation))
    renew(installation, "katib-ca")
    renewed = authority(installation, "katib-ca")
    assert renewed != authority(installation)
    assert shown(installation, "katib-store", 6789, renewed) == of_store
    renew(installation, "katib-suggestion")  # one of two: servers know the authority at different times

    def known():
        return shown(installation, "katib-suggestion", 6789, authority(installation, "katib-suggestion-tls"))

    assert known()
    installation.start("third")
    installation.check_success("third")
    assert pods(installation) == running


def test_a_certificate_is_renewed_in_time(installation):
    running, first = pods(installation), certificate(installation, "katib-suggestion")["status"]["revision"]
    change(installation, "certificate", "katib-suggestion", {"spec": {"duration": "1h", "renewBefore": "59m50s"}})

    def renewed():  # once as the certificate is to be another one, then by the clock
        return certificate(installation, "katib-suggestion")["status"]["revision"] >= first + 3

    installation.kubernetes.wait_for(renewed, what="it is renewed twice", namespace=installation.namespace)
    change(installation, "certificate", "katib-suggestion", {"spec": {"duration": "2160h", "renewBefore": None}})

    def lasts():
        status = certificate(installation, "katib-suggestion")["status"]
        return datetime.fromisoformat(status["notAfter"]) > datetime.now(UTC) + timedelta(days=80)

    installation.kubernetes.wait_for(lasts, what="it lasts again", namespace=installation.namespace)
    assert pods(installation) == running


def added_container(installation):
    """Return what the API server adds to the pod of a trial whose job made another kind of job first."""
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
    return kubernetes.kubectl(
        "create", "--dry-run=server", "--output=jsonpath={.spec.initContainers[*].name}", "--filename=-", stdin=pod
    )


def test_the_api_server_calls_the_webhook(installation):
    assert added_container(installation) == "katib-collector"


def test_the_api_server_learns_the_renewed_authority_of_the_webhook(installation):
    renew(installation, "katib-webhook-ca")
    renew(installation, "katib-webhook")
    renewed, port = authority(installation, "katib-webhook-tls"), ("katib-webhook", 443)
    assert renewed == authority(installation, "katib-webhook-ca")

    def known():
        (webhook,) = installation.kubernetes.get("mutatingwebhookconfiguration/katib-pods")["webhooks"]
        return renewed in base64.b64decode(webhook["clientConfig"]["caBundle"]).decode()

    installation.kubernetes.wait_for(known, what="the API server has the new authority")
    number = x509.load_pem_x509_certificate(served(installation, "katib-webhook-tls")).serial_number
    installation.kubernetes.wait_for(
        lambda: shown(installation, *port, renewed) == number, seconds=150, what="the webhook shows its new certificate"
    )
    assert added_container(installation) == "katib-collector"
