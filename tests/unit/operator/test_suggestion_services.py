"""Which service is asked for an experiment, and what is made and taken away for it."""

import sys
import threading
from pathlib import Path

import pytest

from katib.errors import AlgorithmError, Conflict, Denied, InvalidSettings, Overloaded, Unsupported
from katib.kube.errors import Invalid, NotFound, ServerAway
from katib.operator.composed_service import DIGEST
from katib.operator.katib_config import KatibConfig
from katib.operator.settings import OperatorSettings
from katib.operator.suggestion_services import SuggestionServices

sys.path.append(str(Path(__file__).parent))

from searched import experiment

HEAD = "apiVersion: config.kubeflow.org/v1beta1\nkind: KatibConfig\n"
IMAGE = "algorithmName: tpe, image: 'tpe:1'"


class Cluster:
    """Objects by kind and name, and the writes in their order."""

    def __init__(self):
        self.objects = {}
        self.writes = []
        self.error = None
        self.pods = []
        self.address = "10.96.0.7"

    def get(self, resource, name, namespace=None):
        del namespace
        if self.error is not None:
            raise self.error
        if (resource.kind, name) not in self.objects:
            raise NotFound(f"no {resource.kind} {name}")
        return self.objects[resource.kind, name]

    def apply(self, resource, body, *, field_manager):
        assert field_manager == "katib-operator"
        if self.error is not None:
            raise self.error
        name = body["metadata"]["name"]
        self.writes.append(("apply", resource.kind, name))
        old = self.objects.get((resource.kind, name), {"metadata": {"uid": f"{resource.kind}-{len(self.writes)}"}})
        assert body["metadata"].get("uid", old["metadata"]["uid"]) == old["metadata"]["uid"]
        made = {
            **body,
            "metadata": {**body["metadata"], "uid": old["metadata"]["uid"], "resourceVersion": str(len(self.writes))},
        }
        if resource.kind == "Service":
            made["spec"] = {**body["spec"], "clusterIP": self.address}
        if resource.kind == "Deployment":
            made["metadata"]["generation"] = len(self.writes)
            made["status"] = {"observedGeneration": len(self.writes), "availableReplicas": 1}
        self.objects[resource.kind, name] = made
        return made

    def delete(self, resource, name, namespace, *, uid):
        del namespace
        assert self.objects[resource.kind, name]["metadata"]["uid"] == uid
        self.writes.append(("delete", resource.kind, name))
        return self.objects.pop((resource.kind, name)) is not None

    def list(self, _resource, _namespace, *, label_selector):
        assert label_selector == "katib.kubeflow.org/deployment=search-tpe"
        return list(self.pods), "1"


class Asked:
    """Stands in for clients of suggestion servers, and remembers who was asked what."""

    def __init__(self):
        self.calls = []
        self.closed = []
        self.authorities = {}
        self.verdict = None
        self.failure = None

    def of(self, address, *, extended=True, root_ca=None, authority=None):
        asked = self

        class Client:
            def __init__(self):
                self.address = address

            def validate(self, _experiment, *, deadline):
                assert deadline > 0
                asked.calls.append(("validate", address, extended))
                if asked.verdict is not None:
                    raise asked.verdict

            def suggest(self, _experiment, _history, **_more):
                asked.calls.append(("suggest", address, extended))
                if asked.failure is not None:
                    raise asked.failure
                return "points"

            def close(self):
                asked.closed.append(address)

        self.authorities[address] = authority
        del root_ca
        return Client()


class World:
    def __init__(self, monkeypatch):
        self.cluster, self.asked = Cluster(), Asked()
        self.said = KatibConfig()
        monkeypatch.setattr("katib.operator.suggestion_services.SuggestionClient", self.asked.of)
        settings = OperatorSettings(suggestion_address="shared:6789")
        self.services = SuggestionServices(settings, client=self.cluster, config=lambda: self.said)

    def configure(self, entry):
        self.said = KatibConfig.read(f"{HEAD}runtime: {{suggestions: [{{{entry}}}]}}")

    def ask(self, service, of=None):
        return service.suggest(of or experiment(), None, count=1, issued=0, deadline=5)

    @property
    def kinds(self):
        return sorted(kind for kind, _ in self.cluster.objects)


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_without_an_entry_the_shared_server_answers_and_nothing_is_made(world):
    assert world.ask(world.services.service_of(experiment())) == "points"
    assert world.asked.calls == [("suggest", "shared:6789", True)]
    assert world.cluster.writes == []


@pytest.mark.parametrize("extended", [False, True])
def test_an_endpoint_is_asked_there(world, extended):
    world.configure(f"algorithmName: tpe, endpoint: 'there:1', extended: {str(extended).lower()}")
    service = world.services.service_of(experiment())
    for _ in range(2):
        world.ask(service)
    assert world.asked.calls == [
        ("validate", "there:1", extended),
        ("suggest", "there:1", extended),
        ("suggest", "there:1", extended),
    ]
    assert service.readiness is None


def test_an_image_is_run_and_asked_where_it_runs(world):
    world.configure(IMAGE)
    service = world.services.service_of(experiment())
    for _ in range(3):
        world.ask(service)
    assert world.cluster.writes == [("apply", "Service", "search-tpe"), ("apply", "Deployment", "search-tpe")]
    assert {address for _, address, _ in world.asked.calls} == {"10.96.0.7:6789"}
    assert service.readiness.ready


@pytest.mark.parametrize(
    ("given", "asked"), [("fd00::7", "[fd00::7]:6789"), ("None", "search-tpe.team:6789"), ("", "search-tpe.team:6789")]
)
def test_addresses_of_services(world, given, asked):
    world.configure(IMAGE)
    world.cluster.address = given
    world.ask(world.services.service_of(experiment()))
    assert world.asked.calls[-1][1] == asked


def test_the_next_operator_finds_it_as_it_is(world, monkeypatch):
    world.configure(IMAGE)
    world.ask(world.services.service_of(experiment()))
    other = World(monkeypatch)
    other.cluster, other.said = world.cluster, world.said
    other.services = SuggestionServices(OperatorSettings(), client=world.cluster, config=lambda: other.said)
    other.services.composed.deployments.put(world.cluster.objects["Deployment", "search-tpe"])
    world.cluster.writes.clear()
    other.ask(other.services.service_of(experiment()))
    assert world.cluster.writes == []
    assert other.asked.calls[-1][1] == "10.96.0.7:6789"


def test_a_changed_entry_changes_the_deployment(world):
    world.configure(IMAGE)
    world.ask(world.services.service_of(experiment()))
    before = world.cluster.objects["Deployment", "search-tpe"]
    world.configure("algorithmName: tpe, image: 'tpe:2'")
    world.services.reconfigured()
    after = world.cluster.objects["Deployment", "search-tpe"]
    assert after["spec"]["template"]["spec"]["containers"][0]["image"] == "tpe:2"
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["annotations"][DIGEST] != before["metadata"]["annotations"][DIGEST]


def test_a_change_makes_nothing_for_experiments_that_have_not_asked(world):
    world.configure(IMAGE)
    world.services.service_of(experiment())
    world.services.reconfigured()
    assert world.cluster.writes == []


@pytest.mark.parametrize("entry", ["algorithmName: other, endpoint: 'a:1'", "algorithmName: tpe, endpoint: 'a:1'"])
def test_an_entry_that_is_taken_out_takes_the_deployment_with_it(world, entry):
    world.configure(IMAGE)
    service = world.services.service_of(experiment())
    world.ask(service)
    world.configure(entry)
    world.ask(service)
    assert world.kinds == []
    assert world.asked.calls[-1][1] in ("a:1", "shared:6789")
    assert world.asked.closed == ["10.96.0.7:6789"]


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ("Never", []),
        ("LongRunning", ["Deployment", "Service"]),
        ("FromVolume", ["PersistentVolumeClaim"]),
    ],
)
def test_what_is_left_at_the_end(world, policy, left):
    world.configure(IMAGE)
    of = experiment(resumePolicy=policy)
    world.ask(world.services.service_of(of), of)
    for _ in range(2):  # the operator may be killed in between
        world.services.over(of)
        if "Deployment" not in world.kinds:
            world.services.composed.deployments._cache.replace([], "99")
    assert world.kinds == left


def test_a_claim_that_is_there_is_used_as_it_is(world):
    world.configure(IMAGE)
    of = experiment(resumePolicy="FromVolume")
    world.ask(world.services.service_of(of), of)
    world.services.over(of)
    world.services.composed.deployments._cache.replace([], "99")
    world.cluster.writes.clear()
    world.ask(world.services.service_of(of), of)
    assert [kind for _, kind, _ in world.cluster.writes] == ["Service", "Deployment"]


def test_a_request_under_way_brings_nothing_back(world):
    world.configure(IMAGE)
    service = world.services.service_of(experiment())
    world.services.over(experiment())
    with pytest.raises(Exception, match="the experiment has ended"):
        world.ask(service)
    assert world.cluster.writes == []


@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_what_belongs_to_others_is_left_alone(world, kind):
    world.configure(IMAGE)
    theirs = {"metadata": {"name": "search-tpe", "uid": "theirs", "ownerReferences": []}}
    world.cluster.objects[kind, "search-tpe"] = theirs
    with pytest.raises(Conflict, match=f"{kind} search-tpe, which .* belongs to something else"):
        world.ask(world.services.service_of(experiment()))
    assert world.cluster.objects[kind, "search-tpe"] is theirs


def test_the_server_of_a_deleted_experiment_of_this_name_is_waited_for(world):
    world.configure(IMAGE)
    going = {"metadata": {"name": "search-tpe", "uid": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    world.cluster.objects["Service", "search-tpe"] = going
    with pytest.raises(Overloaded, match="is still being taken away"):
        world.ask(world.services.service_of(experiment()))


@pytest.mark.parametrize("error", [ServerAway("away"), Denied("you may not")])
def test_an_api_server_that_says_no_is_what_the_experiment_waits_for(world, error):
    world.configure(IMAGE)
    world.cluster.error = error
    service = world.services.service_of(experiment())
    with pytest.raises(type(error)):
        world.ask(service)
    assert not service.readiness.ready
    assert str(error) in service.readiness.message
    world.cluster.error = None
    world.ask(service)
    assert service.readiness.ready


def test_a_deployment_that_is_refused_is_no_fault_of_the_experiment(world):
    world.configure(IMAGE)
    service = world.services.service_of(experiment())

    def refuse(*_, **__):
        raise Invalid("Deployment search-tpe is invalid: volumeMounts")

    world.cluster.apply = refuse
    with pytest.raises(Overloaded, match=r"cannot be made of what the configuration says: .*volumeMounts"):
        world.ask(service)


def test_what_its_pods_say_is_what_the_experiment_waits_for(world):
    world.configure(IMAGE)
    service = world.services.service_of(experiment())
    world.ask(service)
    made = dict(world.cluster.objects["Deployment", "search-tpe"])
    made["metadata"] = {**made["metadata"], "resourceVersion": "50"}
    made["status"] = {**made["status"], "availableReplicas": 0}
    world.services.composed.deployments.put(made)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"name": "suggestion", "state": waiting}]}}
    world.cluster.pods = [pod]
    with pytest.raises(Overloaded, match=r"not ready yet: Container suggestion .*\(ImagePullBackOff\): no such image"):
        world.ask(service)
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    pod["status"]["containerStatuses"][0] = {"name": "suggestion", "lastState": ended}
    with pytest.raises(Overloaded, match="ended with exit code 1"):
        world.ask(service)


def test_a_service_that_somebody_deleted_is_made_again(world):
    world.configure(IMAGE)
    service = world.services.service_of(experiment())
    world.ask(service)
    del world.cluster.objects["Service", "search-tpe"]
    world.asked.failure = Overloaded("cannot be reached")
    for _ in range(2):
        with pytest.raises(Overloaded):
            world.ask(service)
    world.asked.failure = None
    assert world.ask(service) == "points"
    assert "Service" in world.kinds


def test_a_refusal_has_katibs_words(world):
    world.configure("algorithmName: tpe, endpoint: 'there:1'")
    world.asked.verdict = InvalidSettings("n_startup_trials must be positive")
    with pytest.raises(
        InvalidSettings, match=r"^Validation failed: ValidateAlgorithmSettings Error: .*must be positive"
    ):
        world.ask(world.services.service_of(experiment()))


@pytest.mark.parametrize("error", [Overloaded("away"), Unsupported("constraints cannot be told")])
def test_a_judge_that_is_away_is_asked_again(world, error):
    world.configure("algorithmName: tpe, endpoint: 'there:1'")
    service = world.services.service_of(experiment())
    world.asked.verdict = error
    with pytest.raises(type(error)):
        world.ask(service)
    world.asked.verdict = None
    world.ask(service)
    assert [call for call, _, _ in world.asked.calls] == ["validate", "validate", "suggest"]


def test_a_judge_that_fails_otherwise_counts_as_content(world):
    """Katib's Goptuna answers INTERNAL; Katib asks it for points all the same."""
    world.configure("algorithmName: tpe, endpoint: 'there:1'")
    world.asked.verdict = AlgorithmError("INTERNAL")
    assert world.ask(world.services.service_of(experiment())) == "points"


def test_algorithms_that_only_their_server_judges(world):
    assert world.services.algorithms() == frozenset()
    world.configure(IMAGE)
    assert world.services.algorithms() == {"tpe"}


def test_many_threads_make_it_once(world):
    world.configure(IMAGE)
    service = world.services.service_of(experiment())
    threads = [threading.Thread(target=world.ask, args=(service,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.cluster.writes == [("apply", "Service", "search-tpe"), ("apply", "Deployment", "search-tpe")]
