"""The optional webhook: pods of trials get the collector, everything else and everything that goes wrong is let through."""

import base64
import contextlib
import copy
import http.client
import json
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest

from katib.errors import Denied, InvalidInput
from katib.kube.errors import NotFound, ServerAway
from katib.kube.resource import Resource
from katib.operator.pod_webhook import PodWebhook, UnreadableReview
from katib.operator.pod_webhook_owners import TrialFinder
from katib.operator.pod_webhook_server import PodWebhookServer
from katib.template.collection import CollectorSettings

sys.path.append(str(Path(__file__).parents[2] / "integration"))

from authority import Authority

TRAIN_JOB = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob"}
PRIMARY = {"jobset.sigs.k8s.io/replicatedjob-name": "node", "batch.kubernetes.io/job-completion-index": "0"}


def trial(*, collector="StdOut", labels=None, run=TRAIN_JOB, state=None):
    spec = {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "primaryContainerName": "node",
        "primaryPodLabels": PRIMARY if labels is None else labels,
        "metricsCollector": {"collector": {"kind": collector}},
        "runSpec": {**run, "spec": {"runtimeRef": {"name": "torch"}}},
    }
    found = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Trial",
        "metadata": {
            "name": "search-1",
            "namespace": "team",
            "uid": "trial-uid",
            "labels": {"katib.kubeflow.org/experiment": "search"},
        },
        "spec": spec,
    }
    if state:
        found["status"] = {"conditions": [{"type": state, "status": "True"}]}
    return found


def owner(kind, name, uid, api_version="batch/v1", **more):
    return {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": True, **more}


OF_JOB = owner("Job", "search-1-node-0", "job-uid")


def pod(*, owners=(OF_JOB,), labels=PRIMARY, command=("python", "train.py"), **spec):
    """A pod as Kubeflow Trainer's JobSet makes it."""
    container = {"name": "node", "image": "torch:2", "volumeMounts": [{"name": "token", "mountPath": "/var/run"}]}
    if command:
        container["command"] = list(command)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "search-1-node-0-0-", "labels": dict(labels), "ownerReferences": list(owners)},
        "spec": {
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "token", "projected": {"sources": []}}],
            **spec,
        },
    }


def review(obj, **more):
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "review-uid",
            "operation": "CREATE",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "team",
            "object": obj,
            **more,
        },
    }


class Cluster:
    """The objects that own each other, and how often somebody asks for one."""

    def __init__(self, *objects):
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in objects}
        self.asked = []
        self.error = None

    def resource_for(self, api_version, kind):
        group, _, version = api_version.rpartition("/")
        return Resource(group, version, f"{kind.lower()}s", kind, namespaced=kind != "Node")

    def get(self, resource, name, namespace, *, timeout):
        assert namespace == "team"
        assert 0 < timeout <= 2
        self.asked.append((resource.kind, name))
        if self.error is not None:
            raise self.error
        if (resource.kind, name) not in self.objects:
            raise NotFound(f"no {resource.kind} {name}")
        return self.objects[resource.kind, name]


def owned(kind, name, uid, *owners):
    return {"kind": kind, "metadata": {"name": name, "uid": uid, "ownerReferences": list(owners)}}


def chain():
    return (
        owned("Job", "search-1-node-0", "job-uid", owner("JobSet", "search-1", "set-uid", "jobset.x-k8s.io/v1alpha2")),
        owned(
            "JobSet", "search-1", "set-uid", owner("TrainJob", "search-1", "train-uid", "trainer.kubeflow.org/v1alpha1")
        ),
        owned("TrainJob", "search-1", "train-uid", owner("Trial", "search-1", "trial-uid", "kubeflow.org/v1beta1")),
    )


class World:
    def __init__(self, found=None, *objects):
        self.found = trial() if found is None else found
        self.cluster = Cluster(*(objects or chain()))
        self.events = []
        self.now = 0.0
        self.finder = TrialFinder(self.cluster, self.known, clock=lambda: self.now)
        self.webhook = PodWebhook(self.finder, self.settings, record=lambda *event: self.events.append(event))

    def known(self, namespace, name):
        return self.found if (namespace, name) == ("team", "search-1") else None

    def settings(self, of):
        return CollectorSettings(
            image="collector:1", store_address="store:1", report_token=f"for {of.metadata.name}", webhook=True
        )

    def admitted(self, obj, **more):
        """Return the pod after the answer, and the answer."""
        before = copy.deepcopy(obj)
        answer = self.webhook.review(review(obj, **more))
        assert obj == before
        response = answer["response"]
        assert answer["kind"] == "AdmissionReview"
        assert (response["uid"], response["allowed"]) == ("review-uid", True)
        return patched(obj, response), response


def patched(obj, response):
    found = copy.deepcopy(obj)
    if "patch" not in response:
        return found
    assert response["patchType"] == "JSONPatch"
    for operation in json.loads(base64.b64decode(response["patch"])):
        assert operation["op"] == "add"
        *above, last = operation["path"].strip("/").split("/")
        place = found
        for step in above:
            place = place[step]
        place[last] = operation["value"]
    return found


def collectors(obj):
    return [each for each in obj["spec"].get("initContainers") or () if each["name"] == "katib-collector"]


def test_the_primary_pod_of_a_train_job_is_collected():
    world = World()
    found, response = world.admitted(pod())
    assert found["metadata"]["labels"]["katib.kubeflow.org/trial"] == "search-1"
    assert found["metadata"]["labels"]["katib.kubeflow.org/experiment"] == "search"
    (collector,) = collectors(found)
    told = {each["name"]: each.get("value") for each in collector["env"]}
    assert told["KATIB_REPORT_TOKEN"] == "for search-1"  # noqa: S105 - none that opens anything
    (container,) = found["spec"]["containers"]
    assert container["command"][-2:] == ["python", "train.py"]
    assert container["command"][0].endswith("/launcher")
    assert found["spec"]["volumes"][0]["name"] == "token"
    assert "warnings" not in response


def test_other_pods_of_the_trial_are_only_labelled():
    found, _ = World().admitted(pod(labels={**PRIMARY, "batch.kubernetes.io/job-completion-index": "1"}))
    assert found["metadata"]["labels"]["katib.kubeflow.org/trial"] == "search-1"
    assert found["spec"] == pod()["spec"]


def test_a_pod_that_reports_itself_is_told_where_to():
    found, _ = World(trial(collector="Push")).admitted(pod())
    assert found["metadata"]["labels"]["katib.kubeflow.org/trial"] == "search-1"
    assert collectors(found)
    told = {variable["name"] for variable in found["spec"]["containers"][0]["env"]}
    assert {"KATIB_TRIAL_NAME", "KATIB_METRICS_FILE"} <= told


def test_a_trial_that_has_ended_gets_no_collector():
    found, _ = World(trial(state="Succeeded")).admitted(pod())
    assert not collectors(found)


def test_a_pod_is_found_by_its_label_without_asking():
    world = World()
    found, _ = world.admitted(pod(owners=(), labels={**PRIMARY, "katib.kubeflow.org/trial": "search-1"}))
    assert collectors(found)
    assert world.cluster.asked == []


def test_what_came_with_a_collector_is_left_alone():
    world = World()
    found, _ = world.admitted(pod())
    again, response = world.admitted(found)
    assert again == found
    assert "patch" not in response


def test_pods_of_a_template_came_as_they_should_be():
    run = {"apiVersion": "example.com/v1", "kind": "Thing"}
    found = trial(labels={}, run=run)
    found["spec"]["runSpec"]["spec"] = {"template": {"spec": {"containers": [{"name": "node"}]}}}
    admitted, _ = World(found).admitted(pod())
    assert not collectors(admitted)


def test_who_owns_what_is_remembered():
    world = World()
    for _ in range(3):
        world.admitted(pod())
    assert world.cluster.asked == [("Job", "search-1-node-0"), ("JobSet", "search-1"), ("TrainJob", "search-1")]
    world.now = 301
    world.admitted(pod())
    assert len(world.cluster.asked) == 6


def test_that_something_is_nobodys_is_remembered_too():
    world = World(None, owned("ReplicaSet", "web", "set-uid", owner("Deployment", "web", "web-uid", "apps/v1")))
    theirs = pod(owners=[owner("ReplicaSet", "web", "set-uid", "apps/v1")])
    for _ in range(3):
        found, response = world.admitted(theirs)
        assert found == theirs
        assert response == {"uid": "review-uid", "allowed": True}
    assert world.cluster.asked == [("ReplicaSet", "web"), ("Deployment", "web")]


@pytest.mark.parametrize(
    "stranger",
    [
        pod(owners=()),
        pod(owners=[owner("Node", "n", "node-uid", "v1")]),
        pod(owners=[owner("Job", "search-1-node-0", "of another Job")]),
        pod(owners=[owner("Trial", "search-1", "of another trial", "kubeflow.org/v1beta1")]),
        pod(owners=[owner("Trial", "search-1", "trial-uid", "example.com/v1")]),
        pod(owners=["nonsense"]),
        {"metadata": {}, "spec": {}},
        {},
    ],
)
def test_pods_of_no_trial_stay_as_they_are(stranger):
    found, _ = World().admitted(stranger)
    assert found == stranger


def test_owners_in_a_ring_end():
    ring = [owned("Job", f"j{n}", f"u{n}", owner("Job", f"j{(n + 1) % 3}", f"u{(n + 1) % 3}")) for n in range(3)]
    world = World(None, *ring)
    start = pod(owners=[owner("Job", "j0", "u0")])
    assert world.admitted(start)[0] == start
    assert len(world.cluster.asked) == 3


def test_owners_without_end_are_given_up():
    line = [owned("Job", f"j{n}", f"u{n}", owner("Job", f"j{n + 1}", f"u{n + 1}")) for n in range(100)]
    world = World(None, *line)
    world.admitted(pod(owners=[owner("Job", "j0", "u0")]))
    assert len(world.cluster.asked) < 10


@pytest.mark.parametrize("error", [ServerAway("away"), Denied("no"), RuntimeError("a defect")])
def test_an_owner_that_cannot_be_read_lets_the_pod_through(error):
    world = World()
    world.cluster.error = error
    found, response = world.admitted(pod())
    assert found == pod()
    assert response == {"uid": "review-uid", "allowed": True}


def test_what_cannot_be_collected_says_why():
    world = World()
    found, response = world.admitted(pod(command=None))
    assert not collectors(found)
    assert "command: is required" in response["warnings"][0]
    ((about, reason, said, kind),) = world.events
    assert (about["metadata"]["name"], reason, kind) == ("search-1", "CollectorNotInjected", "Warning")
    assert "spec.containers[0].command" in said


def test_a_dry_run_leaves_no_event():
    world = World()
    world.admitted(pod(command=None), dryRun=True)
    assert world.events == []


@pytest.mark.parametrize(
    "more", [{"operation": "UPDATE"}, {"resource": {"resource": "jobs"}}, {"subResource": "exec"}, {"namespace": None}]
)
def test_other_requests_are_let_through(more):
    assert World().admitted(pod(), **more)[0] == pod()


@pytest.mark.parametrize("document", [None, [], {}, {"request": 1}, {"request": {}}, {"request": {"uid": 1}}])
def test_what_is_no_review_is_refused(document):
    with pytest.raises(UnreadableReview):
        World().webhook.review(document)


class TestServer:
    """HTTPS, as an API server speaks it."""

    @pytest.fixture
    def files(self, tmp_path):
        authority = Authority("first")
        return self.write(tmp_path, authority), tmp_path

    @staticmethod
    def write(folder, authority):
        certificate, key = authority.issue("webhook")
        (folder / "tls.crt").write_bytes(certificate)
        (folder / "tls.key").write_bytes(key)
        return authority

    @pytest.fixture
    def server(self, files):
        _, folder = files
        with PodWebhookServer(
            "127.0.0.1:0", World().webhook, certificate=folder / "tls.crt", key=folder / "tls.key"
        ) as server:
            yield server

    @staticmethod
    @contextlib.contextmanager
    def connected(server, authority):
        context = ssl.create_default_context(cadata=authority.pem.decode())
        with contextlib.closing(
            http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
        ) as line:
            yield line

    @staticmethod
    def post(line, body, path="/mutate-pod?timeout=5s", **headers):
        line.request("POST", path, body=body, headers=headers)
        answer = line.getresponse()
        return answer.status, answer.read()

    def test_reviews_come_on_one_connection(self, server, files):
        with self.connected(server, files[0]) as line:
            for _ in range(2):
                code, body = self.post(line, json.dumps(review(pod())))
                assert code == 200
                assert collectors(patched(pod(), json.loads(body)["response"]))

    @pytest.mark.parametrize(
        ("path", "body", "length", "code"),
        [
            ("/mutate-pod", "{", None, 400),
            ("/mutate-pod", "[" * 100_000, None, 400),
            ("/mutate-pod", "{}", None, 400),
            ("/mutate-pod", "", 9 << 20, 413),
            ("/other", "{}", None, 404),
        ],
    )
    def test_nonsense_is_refused_and_the_next_one_answered(self, server, files, *, path, body, length, code):
        with self.connected(server, files[0]) as line:
            headers = {"Content-Length": str(length)} if length else {}
            assert self.post(line, body, path, **headers)[0] == code
        with self.connected(server, files[0]) as line:
            assert self.post(line, json.dumps(review(pod())))[0] == 200

    def test_one_that_says_nothing_keeps_nobody_waiting(self, server, files):
        with socket.create_connection(("127.0.0.1", server.port)), self.connected(server, files[0]) as line:
            assert self.post(line, json.dumps(review(pod())))[0] == 200

    def test_more_connections_than_are_served_are_turned_away(self, server, files):
        with contextlib.ExitStack() as silent:
            for _ in range(64):
                silent.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            with self.connected(server, files[0]) as line, pytest.raises(OSError, match=r"EOF|reset|closed"):
                self.post(line, json.dumps(review(pod())))
        for _ in range(100):  # the places are free again when their connections are seen to have ended
            with contextlib.suppress(OSError), self.connected(server, files[0]) as line:
                assert self.post(line, json.dumps(review(pod())))[0] == 200
                break
        else:
            pytest.fail("nobody is served any more")

    def test_a_renewed_certificate_is_used_for_the_next_connection(self, server, files):
        first, folder = files
        with self.connected(server, first) as line:
            assert self.post(line, json.dumps(review(pod())))[0] == 200
            second = self.write(folder, Authority("second"))
            assert self.post(line, json.dumps(review(pod())))[0] == 200
        with self.connected(server, second) as line:
            assert self.post(line, json.dumps(review(pod())))[0] == 200

    def test_a_certificate_without_its_key_leaves_the_last_good_one(self, server, files):
        first, folder = files
        (folder / "tls.crt").write_bytes(Authority("second").issue("webhook")[0])
        with self.connected(server, first) as line:
            assert self.post(line, json.dumps(review(pod())))[0] == 200

    def test_only_a_known_client_may_ask(self, files):
        authority, folder = files
        (folder / "ca.crt").write_bytes(authority.pem)
        certificate, key = (folder / "tls.crt", folder / "tls.key")
        with PodWebhookServer(
            "127.0.0.1:0", World().webhook, certificate=certificate, key=key, client_ca=folder / "ca.crt"
        ) as server:
            with (
                self.connected(server, authority) as line,
                pytest.raises(OSError, match=r"(?i)certificate|EOF|reset|closed"),
            ):
                self.post(line, json.dumps(review(pod())))
            context = ssl.create_default_context(cadata=authority.pem.decode())
            context.load_cert_chain(certificate, key)
            line = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
            with contextlib.closing(line):
                assert self.post(line, json.dumps(review(pod())))[0] == 200

    def test_files_that_are_none_are_refused(self, tmp_path):
        (tmp_path / "tls.crt").write_text("nothing")
        with pytest.raises(InvalidInput, match="no certificate and key can be read"):
            PodWebhookServer("127.0.0.1:0", World().webhook, certificate=tmp_path / "tls.crt", key=tmp_path / "tls.crt")

    def test_no_thread_is_left(self, files):
        authority, folder = files
        with (
            PodWebhookServer(
                "127.0.0.1:0", World().webhook, certificate=folder / "tls.crt", key=folder / "tls.key"
            ) as server,
            self.connected(server, authority) as line,
        ):
            self.post(line, json.dumps(review(pod())))
        assert not [each for each in threading.enumerate() if each.name == "webhook"]
