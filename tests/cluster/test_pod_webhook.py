"""The optional webhook on a real cluster: a pod that a chain of controllers makes, out of nothing the trial describes, is collected from."""

import base64
import contextlib
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from singlenode.images import image_name

from katib.access.report_token import sign_report
from katib.kube.client import Client
from katib.kube.resource import CONFIG_MAPS, JOBS, Resource
from katib.operator.kinds import TRIALS
from katib.operator.pod_webhook_server import PodWebhookServer
from katib.operator.running import Operator
from katib.operator.settings import OperatorSettings
from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import an_experiment, trial

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from authority import Authority

HOST = os.environ.get("KATIB_TEST_HOST", "10.250.0.1")
"""Where the API server and pods reach this machine."""
KEY = "k" * 64
WEBHOOKS = Resource(
    "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False
)


class Hooked:
    """A namespace whose pods the webhook of this process sees."""

    def __init__(self, client, namespace, store, path):
        self.client, self.namespace, self.store, self._path = client, namespace, store, path
        with open_store(path) as opened:
            self.uid = opened.create_experiment(an_experiment(namespace=namespace)).metadata.uid
            opened.record_trials(self.uid, [trial(0)])

    def register(self, authority, port):
        name = f"katib-test-{self.namespace}"
        body = {
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": "mutator.pod.katib.kubeflow.org",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "NoneOnDryRun",
                    "failurePolicy": "Ignore",
                    "timeoutSeconds": 3,
                    "clientConfig": {
                        "url": f"https://{HOST}:{port}/mutate-pod",
                        "caBundle": base64.b64encode(authority.pem).decode(),
                    },
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
                    "rules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                    ],
                }
            ],
        }
        self.client.apply(WEBHOOKS, body)
        return name

    def create(self, resource, name, content, owner=None):
        metadata = {"name": name, "namespace": self.namespace, "labels": {"katib.kubeflow.org/experiment": "search"}}
        if owner is not None:
            reference = {field: owner[field] for field in ("apiVersion", "kind")}
            reference |= {field: owner["metadata"][field] for field in ("name", "uid")}
            metadata["ownerReferences"] = [{**reference, "controller": True}]
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
        return {**body, **self.client.create(resource, body)}

    def texts(self, name):
        with open_store(self._path) as opened:
            return [each.text for each in opened.series(self.uid, name, "loss")]


@pytest.fixture
def hooked(kubernetes, restricted_namespace, tmp_path):
    keys, path = tmp_path / "keys", tmp_path / "katib.db"
    keys.write_text(f"{KEY}\n")
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client.connect(kubeconfig=str(kubernetes.kubeconfig)))
        options = ("--url", f"sqlite:///{path}", "--http-address", f"{HOST}:0", "--report-key-file", keys)
        store = ServedStore(*options, "--insecure-plaintext")
        found = Hooked(client, restricted_namespace, store, path)
        stack.enter_context(store)
        if not store.first_line:
            pytest.skip(f"the cluster cannot reach this machine at {HOST}: KATIB_TEST_HOST says where it can")
        http = store.process.stdout.readline().split()[-1]
        settings = OperatorSettings(
            namespace=restricted_namespace,
            store_address=store.address,
            trial_store_address=f"http://{http}",
            collector_image=image_name("collector"),
            leader_election=False,
            pod_webhook=True,
        )

        def token_of(namespace, name):
            expires = datetime.now(UTC) + timedelta(hours=1)
            return sign_report(KEY.encode(), namespace=namespace, trial=name, expires=expires)

        operator, stop = Operator(settings, client, token_of=token_of), threading.Event()
        running = threading.Thread(target=operator.run, args=(stop,))
        running.start()
        stack.callback(running.join, 30)
        stack.callback(stop.set)
        authority = Authority("katib-test", HOST)
        for name, content in zip(("crt", "key"), authority.issue("webhook"), strict=True):
            (tmp_path / f"tls.{name}").write_bytes(content)
        server = stack.enter_context(
            PodWebhookServer(
                f"{HOST}:0", operator.pod_webhook(), certificate=tmp_path / "tls.crt", key=tmp_path / "tls.key"
            )
        )
        name = found.register(authority, server.port)
        stack.callback(client.delete, WEBHOOKS, name)
        yield found


def job(command):
    container = {
        "name": "main",
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}


def test_a_pod_at_the_end_of_a_chain_is_collected_and_one_of_nobody_is_not(kubernetes, hooked):
    spec = {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "parameterAssignments": [],
        "primaryContainerName": "main",
        "metricsCollector": {"collector": {"kind": "StdOut"}},
        "runSpec": {"apiVersion": "example.com/v1", "kind": "Thing", "spec": {"model": "large"}},
    }
    ours = hooked.create(TRIALS, trial(0).name, {"spec": spec})
    between = hooked.create(CONFIG_MAPS, "thing", {"data": {}}, ours)
    command = ["python", "-c", "print('loss=0.25')"]
    hooked.create(JOBS, "of-the-trial", job(command), between)
    hooked.create(JOBS, "of-nobody", job(command))

    def complete(name):
        status = hooked.client.get(JOBS, name, hooked.namespace).get("status") or {}
        return any(each["type"] == "Complete" and each["status"] == "True" for each in status.get("conditions") or ())

    for name in ("of-the-trial", "of-nobody"):
        kubernetes.wait_for(lambda name=name: complete(name), what=f"{name} is complete", namespace=hooked.namespace)
    assert hooked.texts(trial(0).name) == ["0.25"]
    pods = kubernetes.get("pods", "--namespace", hooked.namespace)["items"]
    found = {each["metadata"]["labels"]["job-name"]: each for each in pods}
    assert found["of-the-trial"]["metadata"]["labels"]["katib.kubeflow.org/trial"] == trial(0).name
    assert [each["name"] for each in found["of-the-trial"]["spec"]["initContainers"]] == ["katib-collector"]
    theirs = found["of-nobody"]
    assert "initContainers" not in theirs["spec"]
    assert theirs["spec"]["containers"][0]["command"] == command
