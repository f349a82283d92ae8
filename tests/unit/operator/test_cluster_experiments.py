"""Experiments of a cluster while its API server misbehaves: nothing is made twice, nothing is said twice, and its words are kept.

What holds on a server that is well is in ``tests/cluster/test_client_experiments.py``, on a real one.
"""

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "tests" / "unit" / "kube"))

from fake_api_server import FakeApiServer, status  # noqa: E402 - found by the line above
from kube_world import kubeconfig  # noqa: E402

from katib.errors import Conflict, Denied, InvalidInput, NotFound, StoreUnavailable, Unauthenticated  # noqa: E402
from katib.experiments.protocol import Budget, ExperimentQuery  # noqa: E402
from katib.kube.connection import Connection  # noqa: E402
from katib.kube.errors import ServerAway  # noqa: E402
from katib.operator.cluster_client import ClusterClient  # noqa: E402
from katib.operator.cluster_experiments import ClusterExperiments  # noqa: E402

PLURALS = {"experiments": "Experiment", "trials": "Trial"}


class Cluster:
    """Objects by their paths, as an API server has them; what it does wrong is set by the test.

    Attributes:
        answers: Answers that come instead, by method; each is a function of the handler.
        log: Pieces of what every pod prints; None is where the server breaks off.
    """

    def __init__(self, api):
        self.api = api
        self.objects = {}
        self.answers = {}
        self.log = []
        self.calls = []
        self.version = 0
        api.on_request = self.answer

    def put(self, path, document):
        self.version += 1
        metadata = {"uid": f"uid-{self.version}", **document["metadata"], "resourceVersion": str(self.version)}
        metadata.setdefault("creationTimestamp", "2026-03-01T12:00:00Z")
        parts = path.split("/")
        metadata["namespace"] = parts[parts.index("namespaces") + 1]
        self.objects[path] = {**document, "metadata": metadata}
        return self.objects[path]

    def answer(self, handler, verb, query):
        path = urlsplit(handler.path).path
        self.calls.append((verb, path, query))
        waiting = self.answers.get(verb) or []
        if waiting and waiting.pop(0)(handler):
            return True
        getattr(self, f"_{verb}")(handler, path)
        return True

    def _get(self, handler, path):
        if path.endswith("/log"):
            self.print(handler)
        elif path in self.objects:
            handler.answer(200, self.objects[path])
        elif path.rsplit("/", 1)[1] in {*PLURALS, "pods", "events"}:
            found = [each for known, each in self.objects.items() if f"{known.rsplit('/', 1)[0]}".endswith(_tail(path))]
            handler.answer(200, {"kind": "List", "metadata": {"resourceVersion": str(self.version)}, "items": found})
        else:
            handler.answer(404, status(404, "NotFound", f"{path.rsplit('/', 1)[1]} not found"))

    def _post(self, handler, path):
        sent = json.loads(handler.sent)
        made = f"{path}/{sent['metadata']['name']}"
        if made in self.objects:
            handler.answer(409, status(409, "AlreadyExists", f"{sent['metadata']['name']} already exists"))
        else:
            handler.answer(201, self.put(made, sent))

    def _patch(self, handler, path):
        patch, found = json.loads(handler.sent), self.objects[path]
        version = patch["metadata"].pop("resourceVersion", None)
        if version not in (None, found["metadata"]["resourceVersion"]):
            handler.answer(409, status(409, "Conflict", "the object has been modified"))
        else:
            handler.answer(200, self.put(path, merged(found, patch)))

    def _delete(self, handler, path):
        if path in self.objects:
            del self.objects[path]
            handler.answer(200, status(200, ""))
        else:
            handler.answer(404, status(404, "NotFound", f"{path.rsplit('/', 1)[1]} not found"))

    def print(self, handler):
        handler.begin_stream()
        pieces, self.log = self.log, [piece for piece in self.log if piece is not None]
        for piece in pieces:
            if piece is None:
                lose(handler)
                return
            handler.chunk(piece)
        handler.end_stream()


def _tail(path):
    """Everywhere, or in one namespace."""
    return path if "/namespaces/" in path else f"/{path.rsplit('/', 1)[1]}"


def merged(found, patch):
    """Return an object after a merge patch."""
    if not isinstance(patch, dict):
        return patch
    old = found if isinstance(found, dict) else {}
    changed = {name: merged(old.get(name), value) for name, value in patch.items() if value is not None}
    return {name: value for name, value in {**old, **changed}.items() if patch.get(name, value) is not None}


def lose(handler):
    """Let the caller never hear of it."""
    handler.close_connection = True
    handler.connection.close()
    return True


def refuse(code, reason, message, **details):
    def answer(handler):
        handler.answer(code, status(code, reason, message, **details))
        return True

    return answer


@pytest.fixture
def cluster():
    api = FakeApiServer()
    yield Cluster(api)
    api.stop()


@pytest.fixture
def client(cluster, tmp_path):
    connection = Connection.open(kubeconfig=kubeconfig(cluster.api.url, tmp_path), context=None, user_agent="test")
    return ClusterClient(connection, request_timeout=5)


@pytest.fixture
def experiments(client):
    with ClusterExperiments(client) as experiments:
        yield experiments


def document(name="search", **metadata):
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}}},
    }
    command = ["train", "--x=${trialParameters.x}"]
    job["spec"]["template"]["spec"]["containers"][0]["command"] = command
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name, **metadata},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": job,
            },
        },
    }


EXPERIMENTS = "/apis/kubeflow.org/v1beta1/namespaces/team/experiments"
TRIALS = "/apis/kubeflow.org/v1beta1/namespaces/team/trials"
PODS = "/api/v1/namespaces/team/pods"


# -- making -----------------------------------------------------------------------------------------------------------


def test_an_experiment_whose_answer_got_lost_is_made_once(cluster, experiments):
    def made_and_lost(handler):
        path = urlsplit(handler.path).path
        sent = json.loads(handler.sent)
        cluster.put(f"{path}/{sent['metadata']['name']}", sent)
        return lose(handler)

    cluster.answers["post"] = [made_and_lost]
    made = experiments.create("team", json.dumps(document()))
    assert len(cluster.objects) == 1
    assert made.metadata.uid == cluster.objects[f"{EXPERIMENTS}/search"]["metadata"]["uid"]
    assert [verb for verb, _, _ in cluster.calls] == ["post", "post", "get"]


def test_an_experiment_that_never_arrived_is_sent_again(cluster, experiments):
    cluster.answers["post"] = [lose, refuse(503, "ServiceUnavailable", "etcd is away")]
    assert experiments.create("team", json.dumps(document())).metadata.name == "search"
    assert len(cluster.objects) == 1


def test_a_server_that_stays_away_is_told_of_in_its_own_words(cluster, experiments):
    cluster.answers["post"] = [refuse(503, "ServiceUnavailable", "etcd is away")] * 20
    with pytest.raises(ServerAway, match="etcd is away"):
        experiments.create("team", json.dumps(document()))
    assert cluster.objects == {}


def test_the_experiment_of_somebody_else_stays_theirs(cluster, experiments):
    theirs = cluster.put(f"{EXPERIMENTS}/search", document())
    for request_id in ("", "r-1"):
        with pytest.raises(Conflict, match="another experiment 'search'"):
            experiments.create("team", json.dumps(document()), request_id=request_id)
    assert cluster.objects == {f"{EXPERIMENTS}/search": theirs}


def test_what_the_server_refuses_has_its_causes(cluster, experiments):
    causes = [{"field": "spec.algorithm", "message": "is not to our liking"}]
    cluster.answers["post"] = [refuse(422, "Invalid", "Experiment is invalid", causes=causes)]
    with pytest.raises(InvalidInput, match="Experiment is invalid") as caught:
        experiments.create("team", json.dumps(document()))
    assert [(each.path, each.message) for each in caught.value.problems] == [("spec.algorithm", "is not to our liking")]


def test_a_quota_speaks_for_itself(cluster, experiments):
    cluster.answers["post"] = [refuse(403, "Forbidden", "exceeded quota: sweeps, used: 3, limited: 3")]
    with pytest.raises(Denied, match="exceeded quota: sweeps"):
        experiments.create("team", json.dumps(document()))


def test_nothing_of_what_a_server_adds_is_sent_to_another_one(cluster, experiments):
    exported = document(uid="u", resourceVersion="7", creationTimestamp="2026-01-01T00:00:00Z", namespace="old")
    exported["metadata"]["annotations"] = {"katib.kubeflow.org/stop": "true", "mine": "kept"}
    exported["status"] = {"trials": 3}
    experiments.create("team", json.dumps(exported))
    [call] = [json.loads(json.dumps(each)) for each in cluster.objects.values()]
    assert "status" not in call
    assert call["metadata"]["namespace"] == "team"
    assert call["metadata"]["uid"] != "u"
    assert {"mine"} < set(call["metadata"]["annotations"])
    assert "katib.kubeflow.org/stop" not in call["metadata"]["annotations"]


# -- looking ----------------------------------------------------------------------------------------------------------


def test_pages_are_in_the_order_of_namespaces_and_names(cluster, experiments):
    places = [("team-a", "b"), ("team", "z"), ("team", "a"), ("team-a", "a")]
    for namespace, name in places:
        cluster.put(f"/apis/kubeflow.org/v1beta1/namespaces/{namespace}/experiments/{name}", document(name))
    found, after = [], ""
    while True:
        page = experiments.find(None, ExperimentQuery(limit=1, after=after))
        found += [(each.metadata.namespace, each.metadata.name) for each in page.experiments]
        after = page.after
        if not after:
            break
    assert found == sorted(places)


def test_an_object_that_is_no_experiment_hides_no_other(cluster, experiments):
    cluster.put(f"{EXPERIMENTS}/strange", {**document("strange"), "spec": {"parameters": "none"}})
    cluster.put(f"{EXPERIMENTS}/newer", {**document("newer"), "spec": {**document()["spec"], "fieldOfTomorrow": 1}})
    names = [each.metadata.name for each in experiments.find("team", ExperimentQuery()).experiments]
    assert "newer" in names
    assert experiments.get("team", "newer").spec.algorithm.algorithm_name == "random"


def test_credentials_that_are_none_are_told_of(cluster, experiments):
    cluster.api.token = "another"  # noqa: S105 - made up
    with pytest.raises(Unauthenticated, match="Unauthorized"):
        experiments.get("team", "search")


# -- logs -------------------------------------------------------------------------------------------------------------


def ended(kind="Succeeded"):
    return {"conditions": [{"type": kind, "status": "True"}]}


def running():
    return {"conditions": [{"type": "Running", "status": "True"}]}


@pytest.fixture
def trial(cluster):
    """A trial with a pod of two containers."""
    labels = {"katib.kubeflow.org/experiment": "search", "katib.kubeflow.org/experiment-uid": "u"}
    body = {
        "metadata": {"name": "search-0", "labels": labels, "annotations": {"katib.kubeflow.org/trial-index": "0"}},
        "spec": {"primaryContainerName": "main"},
        "status": running(),
    }
    cluster.put(f"{EXPERIMENTS}/search", document())
    cluster.put(f"{TRIALS}/search-0", body)
    pod = {
        "metadata": {"name": "search-0-abc", "labels": {"katib.kubeflow.org/trial": "search-0"}},
        "spec": {"containers": [{"name": "katib-collector"}, {"name": "main"}]},
        "status": {"phase": "Running"},
    }
    cluster.put(f"{PODS}/search-0-abc", pod)
    return body


def end(cluster, kind="Succeeded"):
    path = f"{TRIALS}/search-0"
    cluster.put(path, {**cluster.objects[path], "status": ended(kind)})


def test_a_log_that_breaks_off_is_gone_on_with_and_said_once(cluster, trial, experiments):
    assert trial
    cluster.log = [b"one\n", b"two\n", None, b"three\n", b"four\n"]
    end(cluster)
    for follow in (True, False):
        printed = b"".join(experiments.logs("team", "search", "search-0", follow=follow))
        assert printed == b"one\ntwo\nthree\nfour\n"
    asked = [query["container"] for _, path, query in cluster.calls if path.endswith("/log")]
    assert set(asked) == {"main"}


def test_a_container_that_has_not_started_is_waited_for_and_only_by_who_follows(cluster, trial, experiments):
    assert trial
    cluster.log = [b"begun\n"]
    waiting = refuse(400, "BadRequest", 'container "main" in pod "search-0-abc" is waiting to start')

    def unless_log(handler):
        return "/log" in handler.path and waiting(handler)

    cluster.answers["get"] = [unless_log] * 4
    assert b"".join(experiments.logs("team", "search", "search-0")) == b""
    cluster.answers["get"] = [unless_log] * 4
    followed = experiments.logs("team", "search", "search-0", follow=True)
    text = b""
    while b"begun" not in text:
        text += next(followed)
    end(cluster)
    assert text + b"".join(followed) == b"begun\n"


def test_who_asks_for_a_log_that_is_gone_is_told_how_to_keep_it(cluster, trial, experiments):
    assert trial
    end(cluster)
    del cluster.objects[f"{PODS}/search-0-abc"]
    with pytest.raises(NotFound, match="retain: true"):
        experiments.logs("team", "search", "search-0")
    with pytest.raises(NotFound, match="has no trial 'search-0'"):
        experiments.logs("team", "other", "search-0")


def test_a_store_that_is_away_takes_nothing_else_with_it(cluster, trial, client):
    assert trial

    class Away:
        def observations(self, *_, **__):
            raise StoreUnavailable("the store is away")

    with ClusterExperiments(client, store=Away()) as experiments:
        assert experiments.trial("team", "search", "search-0").name == "search-0"
        with pytest.raises(StoreUnavailable, match="the store is away"):
            experiments.observations("team", "search", "search-0")
    assert cluster.objects


# -- steering once ----------------------------------------------------------------------------------------------------

STOP = "katib.kubeflow.org/stop"


def annotations(cluster):
    return cluster.objects[f"{EXPERIMENTS}/search"]["metadata"]["annotations"]


def test_a_stop_that_is_sent_again_stops_nothing_that_goes_on_since(cluster, experiments):
    cluster.put(f"{EXPERIMENTS}/search", document())
    experiments.stop("team", "search", request_id="s-1")
    experiments.resume("team", "search", request_id="r-1")
    patches = [verb for verb, _, _ in cluster.calls].count("patch")
    for _ in range(2):
        experiments.stop("team", "search", request_id="s-1")
    assert STOP not in annotations(cluster)
    for call in (
        lambda: experiments.stop("team", "search", at_once=True, request_id="s-1"),
        lambda: experiments.resume("team", "search", request_id="s-1"),
        lambda: experiments.edit_budget("team", "search", Budget(max_trial_count=3), request_id="r-1"),
    ):
        with pytest.raises(Conflict, match="was used for another request"):
            call()
    assert [verb for verb, _, _ in cluster.calls].count("patch") == patches
    experiments.stop("team", "search")
    assert annotations(cluster)[STOP] == "true"


def test_a_stop_whose_answer_got_lost_is_made_once(cluster, experiments):
    cluster.put(f"{EXPERIMENTS}/search", document())

    def made_and_lost(handler):
        path = urlsplit(handler.path).path
        cluster.put(path, merged(cluster.objects[path], json.loads(handler.sent)))
        return lose(handler)

    cluster.answers["patch"] = [made_and_lost]
    experiments.stop("team", "search", request_id="s-1")
    assert annotations(cluster)[STOP] == "true"
    assert len(annotations(cluster)["katib.kubeflow.org/recent-requests"].split()) == 1


def test_who_writes_at_the_same_time_loses_nothing(cluster, experiments):
    """The operator, another caller, and the same request over another server."""
    cluster.put(f"{EXPERIMENTS}/search", document())

    def written(change):
        def write(_):
            path = f"{EXPERIMENTS}/search"
            cluster.put(path, merged(cluster.objects[path], change))

        return write

    def other(_):
        cluster.answers["patch"] = []
        experiments.edit_budget("team", "search", Budget(max_trial_count=3), request_id="e-1")

    cluster.answers["patch"] = [
        written({"metadata": {"annotations": {"mine": "kept"}}}),
        written({"status": {"trials": 4}}),
        other,
    ]
    answered = experiments.edit_budget("team", "search", Budget(max_trial_count=3), request_id="e-1")
    assert answered.spec.max_trial_count == 3
    assert annotations(cluster)["mine"] == "kept"
    assert len(annotations(cluster)["katib.kubeflow.org/recent-requests"].split()) == 1


def test_the_last_requests_are_known_and_no_document_brings_any(cluster, experiments):
    cluster.put(f"{EXPERIMENTS}/search", document())
    for number in range(20):
        experiments.edit_budget("team", "search", Budget(max_trial_count=3 + number), request_id=f"e-{number}")
    marks = annotations(cluster)["katib.kubeflow.org/recent-requests"]
    assert len(marks.split()) == 16
    experiments.edit_budget("team", "search", Budget(max_trial_count=7), request_id="e-4")
    assert cluster.objects[f"{EXPERIMENTS}/search"]["spec"]["maxTrialCount"] == 22
    made = experiments.create("team", json.dumps(document("copy", annotations=dict(annotations(cluster)))))
    assert "katib.kubeflow.org/recent-requests" not in made.metadata.annotations


def test_a_suggestion_that_is_none_is_not_there(cluster, experiments):
    path = "/apis/kubeflow.org/v1beta1/namespaces/team/suggestions"
    spec = {"algorithm": {"algorithmName": "random"}, "requests": 3}
    cluster.put(f"{path}/search", {"kind": "Suggestion", "metadata": {"name": "search"}, "spec": spec})
    cluster.put(f"{path}/odd", {"kind": "Suggestion", "metadata": {"name": "odd"}, "spec": {"requests": "many"}})
    assert experiments.suggestion("team", "search").spec.requests == 3
    for name in ("odd", "absent"):
        with pytest.raises(NotFound, match=name):
            experiments.suggestion("team", name)


# -- deleting ---------------------------------------------------------------------------------------------------------


def test_deleting_again_comes_to_the_same(cluster, experiments):
    cluster.put(f"{EXPERIMENTS}/search", document())
    for _ in range(3):
        experiments.delete("team", "search", request_id="d-1")
    assert cluster.objects == {}


def test_what_is_said_of_a_deletion_is_sent_as_it_is(cluster, experiments):
    cluster.put(f"{EXPERIMENTS}/search", document())
    sent = []
    cluster.answers["delete"] = [lambda handler: sent.append(json.loads(handler.sent))] * 3
    said = {"dryRun": ["All"], "gracePeriodSeconds": 3, "preconditions": {"uid": "u"}, "propagationPolicy": "Orphan"}
    experiments.delete_as("team", "search", said)
    cluster.put(f"{EXPERIMENTS}/search", document())
    experiments.delete_as("team", "search", {"orphanDependents": True})
    experiments.delete("team", "search")  # it is gone, which is fine
    kind = {"apiVersion": "v1", "kind": "DeleteOptions"}
    assert sent == [{**kind, **said}, {**kind, "orphanDependents": True}, {**kind, "propagationPolicy": "Background"}]
    with pytest.raises(NotFound):
        experiments.delete_as("team", "search", said)


def test_a_deletion_that_was_for_another_one_is_a_conflict(cluster, experiments):
    cluster.put(f"{EXPERIMENTS}/search", document())
    said = "Precondition failed: UID in precondition: u, UID in object meta: uid-1"
    cluster.answers["delete"] = [refuse(409, "Conflict", said)]
    with pytest.raises(Conflict, match=said):
        experiments.delete_as("team", "search", {"preconditions": {"uid": "u"}})
    assert f"{EXPERIMENTS}/search" in cluster.objects


# -- volumes ----------------------------------------------------------------------------------------------------------

CLAIMS = "/api/v1/namespaces/team/persistentvolumeclaims"
CLAIM = {"metadata": {"name": "search", "namespace": "team"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def test_a_volume_is_claimed_once_and_given_up(cluster, experiments):
    assert experiments.volumes.claim("team", CLAIM)
    assert not experiments.volumes.claim("team", CLAIM)
    assert [*cluster.objects] == [f"{CLAIMS}/search"]
    experiments.volumes.release("team", "search")
    experiments.volumes.release("team", "search")
    assert cluster.objects == {}


def test_a_claim_whose_answer_got_lost_is_ones_own(cluster, experiments):
    def made_and_lost(handler):
        cluster.put(f"{CLAIMS}/search", CLAIM)
        return lose(handler)

    cluster.answers["post"] = [made_and_lost]
    assert experiments.volumes.claim("team", CLAIM)
    assert len(cluster.objects) == 1


def test_what_cannot_be_claimed_is_told_in_the_servers_words(cluster, experiments):
    cluster.answers["post"] = [
        refuse(422, "Invalid", "spec.resources.requests.storage: Invalid value: '0'"),
        refuse(403, "Forbidden", "exceeded quota: volumes"),
    ]
    with pytest.raises(InvalidInput, match=r"storage_config: .*Invalid value: '0'"):
        experiments.volumes.claim("team", CLAIM)
    with pytest.raises(Denied, match="exceeded quota: volumes"):
        experiments.volumes.claim("team", CLAIM)
    cluster.answers["post"] = [refuse(503, "ServiceUnavailable", "etcd is away")] * 20
    with pytest.raises(ServerAway, match="etcd is away"):
        experiments.volumes.claim("team", CLAIM)


def test_a_claim_that_is_going_is_no_volume(cluster, experiments):
    going = {**CLAIM, "metadata": {**CLAIM["metadata"], "deletionTimestamp": "2026-03-01T12:00:00Z"}}
    cluster.put(f"{CLAIMS}/search", going)
    with pytest.raises(InvalidInput, match="team/search is being deleted"):
        experiments.volumes.claim("team", CLAIM)
