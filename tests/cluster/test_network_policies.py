"""NetworkPolicies as a node enforces them: everything works under them, and nobody else gets in or out."""

import base64
import contextlib
import sys

import pytest
from definitions import GATEWAY_API
from installation import RESTRICTED, ROOT, installing, patch, takes_minutes
from policy_agent import enforced
from postgres_image import image_of_postgres
from singlenode.images import image_name
from singlenode.layout import BRIDGE_IP, HOST_IP, NODE_IP

sys.path.append(str(ROOT / "tests" / "integration"))

from authority import Authority

pytestmark = [takes_minutes, pytest.mark.timeout(900)]

PORTS = {
    "store": (6789, 8080, 9090),
    "suggestion": (6789, 9090),
    "api": (6789, 9090),
    "operator": (8080,),
    "postgres": (5432,),
}
METRICS = {("store", 9090), ("suggestion", 9090), ("api", 9090), ("operator", 8080)}
STORE = {("store", 6789), ("store", 8080)}
API_SERVER, NAMES = ("API server", 6443), ("names", 53)
TRIES = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def reached(word):
    host, _, port = word.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=4).close()
    except ConnectionRefusedError:
        pass  # somebody answered
    except OSError:
        return ""
    return word

with ThreadPoolExecutor(20) as threads:
    print(*filter(None, threads.map(reached, sys.argv[1:])))
"""

ASKS = """
import sys, urllib.error, urllib.request

head = {"Authorization": f"Bearer {sys.argv[2]}", "Content-Type": "application/json"}
try:
    with urllib.request.urlopen(urllib.request.Request(sys.argv[1], b"{\\"max_results\\": 10}", head), timeout=20) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as refused:
    print(refused.code)
"""


class Guarded:
    """An installation under its policies, and pods that try what they can reach.

    Attributes:
        gateways: The namespace of gateways.
    """

    def __init__(self, installation, gateways):
        self.installation, self.kubernetes, self.gateways = installation, installation.kubernetes, gateways

    def targets(self):
        """Return the address of everything that listens, by its name and port."""
        found = {API_SERVER: NODE_IP, NAMES: BRIDGE_IP}
        for component, ports in PORTS.items():
            pod, *_ = self.installation.pods(component)
            found |= {(component, port): pod["status"]["podIP"] for port in ports}
        return found

    def reaches(self, namespace, pod):
        """Return what a pod reaches."""
        words = {f"{address}:{target[1]}": target for target, address in self.targets().items()}
        inside = ("exec", pod, "--namespace", namespace, "--", "python3", "-c", TRIES, *words)
        return {words[each] for each in self.kubernetes.kubectl(*inside).split()}

    def ours(self, component):
        """Return what the pod of a component reaches, other than itself."""
        pod, *_ = self.installation.pods(component)
        found = self.reaches(self.installation.namespace, pod["metadata"]["name"])
        return {each for each in found if each[0] != component}

    def start(self, name, namespace, labels):
        """Start a pod that waits to be told what to try."""
        container = {
            "name": "main",
            "image": image_name("trial"),
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", "import time; time.sleep(3600)"],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        pod = {
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
        }
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        self.kubernetes.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}, namespace)
        self.kubernetes.kubectl(
            "wait", "--for=condition=Ready", f"pod/{name}", "--namespace", namespace, "--timeout=60s"
        )


@pytest.fixture(scope="module")
def guarded(kubernetes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("policies").resolve()
    name, _, tag = image_of_postgres(kubernetes).rpartition(":")

    def prepare(installation):
        certificate, key = Authority("katib", HOST_IP).issue("katib-api")
        data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "katib-api-tls"}, "data": data}
        kubernetes.apply(secret, installation.namespace)
        stack.enter_context(enforced(kubernetes, installation.namespace, folder / "agent.log"))

    with contextlib.ExitStack() as stack:
        if not GATEWAY_API.defined(kubernetes):
            stack.callback(GATEWAY_API.forget, kubernetes)
            GATEWAY_API.define(kubernetes)
        gateways = stack.enter_context(kubernetes.namespace("gateways", labels=RESTRICTED))
        where = "/spec/ingress/0/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name"
        theirs = patch(
            {"kind": "NetworkPolicy", "name": "katib-store-from-gateway"},
            [{"op": "test", "path": where, "value": "gateway"}, {"op": "replace", "path": where, "value": gateways}],
        )
        installed = installing(
            kubernetes,
            folder,
            overlay="postgres",
            components=["api", "gateway-api", "katib-names", "token-review"],
            patches=lambda _namespace: [theirs],
            images=[{"name": "docker.io/library/postgres", "newName": name, "newTag": tag}],
            claims=["data-katib-postgres-0"],
            prepare=prepare,
        )
        yield Guarded(stack.enter_context(installed), gateways)


def test_everything_works_under_the_policies(guarded):
    guarded.installation.start()
    guarded.installation.check_success()
    assert guarded.installation.ready()


def test_nobody_else_gets_in(guarded):
    trials, ours = guarded.installation.trials, guarded.installation.namespace
    guarded.start("trial", trials, {"katib.kubeflow.org/trial": "one"})
    guarded.start("client", trials, {"katib.kubeflow.org/client": "true"})
    guarded.start("stranger", trials, {"app": "stranger"})
    guarded.start("neighbour", ours, {"app": "stranger"})
    guarded.start("proxy", guarded.gateways, {"app": "proxy"})
    of_node = {API_SERVER, NAMES}  # of which no policy of ours says anything to others
    assert guarded.reaches(trials, "trial") - of_node == STORE
    assert guarded.reaches(trials, "client") - of_node == STORE | {("api", 6789)}
    assert guarded.reaches(trials, "stranger") - of_node == set()
    assert guarded.reaches(ours, "neighbour") - of_node == set()
    assert guarded.reaches(guarded.gateways, "proxy") - of_node == {("store", 8080)}
    guarded.kubernetes.kubectl("label", "namespace", trials, "katib.kubeflow.org/scrapes-metrics=true")
    guarded.kubernetes.wait_for(
        lambda: guarded.reaches(trials, "stranger") - of_node == METRICS, seconds=30, what="metrics are scraped"
    )


def test_callers_use_their_own_tokens_and_the_names_of_katib(guarded):
    kubectl, trials, ours = guarded.kubernetes.kubectl, guarded.installation.trials, guarded.installation.namespace
    place = ("--namespace", trials)
    answers = {}
    for name in ("reader", "nobody"):
        kubectl("create", "serviceaccount", name, *place)
    kubectl("create", "rolebinding", "reader", "--clusterrole=katib-view", f"--serviceaccount={trials}:reader", *place)
    for name in ("reader", "nobody"):
        token = kubectl("create", "token", name, *place).strip()
        url = f"http://katib-store.{ours}.svc:8080/api/2.0/mlflow/experiments/search"
        said = kubectl("exec", "client", *place, "--", "python3", "-c", ASKS, url, token)
        answers[name] = said.split()
    assert answers["reader"][0] == "200", answers
    assert answers["nobody"] == ["403"]
    reached = kubectl("exec", "client", *place, "--", "python3", "-c", TRIES, f"katib-db-manager.{ours}.svc:6789")
    assert reached.strip() == f"katib-db-manager.{ours}.svc:6789"


def test_ours_get_out_where_they_have_to(guarded):
    assert guarded.ours("operator") == {("store", 6789), ("suggestion", 6789), API_SERVER, NAMES}
    assert guarded.ours("store") == {("postgres", 5432), API_SERVER, NAMES}  # whom it asks whose a token is
    assert guarded.ours("api") == {("store", 6789), API_SERVER, NAMES}
    assert guarded.ours("suggestion") == set()
