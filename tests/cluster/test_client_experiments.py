"""Experiments on a real API server with a real operator, as a program has them: what every place promises, and what only a cluster can.

No pod runs here: jobs are carried out by their double. ``test_api_server.py`` has pods.
"""

import contextlib
import json
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from cluster_access import ControlPlane
from kubernetes.client import V1DeleteOptions, V1Preconditions

import katib
from katib.api.trial import TrialState
from katib.client.katib_client import KatibClient
from katib.errors import (
    Conflict,
    Denied,
    InvalidExperiment,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    Unauthenticated,
    Unsupported,
)
from katib.experiments.protocol import Budget, ExperimentQuery, Measurement, Outcome
from katib.kube.client import Client
from katib.kube.errors import Forbidden
from katib.kube.resource import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
)
from katib.operator import kinds
from katib.operator.cluster_callers import ClusterAddress
from katib.operator.cluster_experiments import ClusterExperiments
from katib.operator.cluster_store import ClusterStore
from katib.rpc.experiments_client import RemoteExperiments
from katib.testing.experiments_contract import ExperimentsContract, eventually, state_of
from katib.testing.job_double import CONTROLLER, RULE, JobDouble
from katib.testing.served import Served, ServedStore, ServedSuggestion
from katib.testing.worker_trials_contract import WorkerTrialsContract

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "faults" / "operator"))

from operator_processes import OperatorProcesses  # noqa: E402 - found by the line above
from world import Reports  # noqa: E402

RULES = {
    "quick": "seconds=0.6",
    "long": "end=never",
    "broken": "reports=0 end=fail message=luck",
}
HOLDS_LEASES = {
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "verbs": ["get", "list", "patch"],
}


class Place:
    """An API server with our custom resources, an operator for all of it, its servers, and a double of the job controller."""

    def __init__(self, plane, servers, stack):
        self.kubeconfig = str(plane.kubeconfig)
        self.client = stack.enter_context(Client.connect(kubeconfig=self.kubeconfig))
        for path in sorted((ROOT / "deploy" / "crds").glob("*s.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                if document and document.get("kind") == "CustomResourceDefinition":
                    self.client.apply(CUSTOM_RESOURCE_DEFINITIONS, document)
        for resource in (kinds.EXPERIMENTS, kinds.TRIALS, kinds.SUGGESTIONS):
            eventually(lambda resource=resource: self._served(resource), f"{resource.kind} is served")
        self.store, suggestion, processes = servers
        self._reports = Reports(self.store.address)
        stack.callback(self._reports.close)
        stack.enter_context(JobDouble(self.client, self.report))
        addresses = {"store_address": self.store.address, "suggestion_address": suggestion.address}
        stack.enter_context(processes.start(self.kubeconfig, **addresses))

    def _served(self, resource):
        with contextlib.suppress(NotFound):
            self.client.list(resource)
            return True
        return False

    def report(self, namespace, trial, metrics):
        """Report as the loss what the trial's parameter is."""
        found = self.client.get(kinds.TRIALS, trial, namespace)["spec"]["parameterAssignments"]
        self._reports(namespace, trial, dict.fromkeys(metrics, found[0]["value"]))

    def namespace(self):
        name = f"client-{secrets.token_hex(4)}"
        self.client.create(NAMESPACES, {"metadata": {"name": name}})
        return name

    def account(self, namespace, *, may=(), leases=False):
        """Return the token of a new service account with some verbs for experiments and trials, and for leases."""
        name = f"account-{secrets.token_hex(3)}"
        place = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.client.request("POST", place, body={"metadata": {"name": name}})
        if may:
            rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
            rule = {"apiGroups": ["kubeflow.org"], "resources": ["experiments", "trials"], "verbs": list(may)}
            rules = [rule, *([HOLDS_LEASES] if leases else [])]
            self.client.request("POST", f"{rbac}/roles", body={"metadata": {"name": name}, "rules": rules})
            binding = {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }
            self.client.request("POST", f"{rbac}/rolebindings", body=binding)
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return self.client.request("POST", f"{place}/{name}/token", body=wanted)["status"]["token"]


@pytest.fixture(scope="module")
def place(request, tmp_path_factory):
    if missing := ControlPlane.missing():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("place")
    servers = [
        ServedStore("--url", f"sqlite:///{folder / 'katib.db'}"),
        ServedSuggestion("--workers", "1"),
        OperatorProcesses(folder / "operators"),
    ]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(servers)) as pool:
        starting = [pool.submit(stack.enter_context, each) for each in servers]  # while the control plane starts
        plane = request.getfixturevalue("lasting_control_plane")
        plane.mend()
        yield Place(plane, [each.result() for each in starting], stack)


class ClusterPlace:
    """What the promises of all places have to know of this one."""

    has_logs = False
    keeps_deletions = False

    @pytest.fixture
    def experiments(self, place):
        self.namespace, self.other_namespace = place.namespace(), place.namespace()
        with ClusterExperiments.connect(place.kubeconfig, store_address=place.store.address) as experiments:
            yield experiments
            for namespace in (self.namespace, self.other_namespace):
                for each in experiments.find(namespace, ExperimentQuery()).experiments:
                    experiments.delete(namespace, each.metadata.name)

    def wait_for(self, experiments, name, *states):
        found = super().wait_for(experiments, name, *states)
        # Events are told in the background, in their order: with this one come those before it.
        last = found.status.conditions[-1].reason
        if state_of(found) in ("Succeeded", "Failed", "Stopped"):
            eventually(
                lambda: last in {event.reason for event in experiments.events(self.namespace, name)}, f"event {last}"
            )
        return found

    def trial_spec(self, behaviour):
        job = super().trial_spec(behaviour)
        return {**job, "metadata": {"annotations": {RULE: RULES[behaviour]}}}

    def document(self, *words, **more):
        document = json.loads(super().document(*words, **more))
        spec = document["spec"]
        spec["metricsCollectorSpec"] = {"collector": {"kind": "Push"}}
        spec["parallelTrialCount"] = min(spec["parallelTrialCount"], spec["maxTrialCount"])
        spec["trialTemplate"]["trialSpec"]["spec"]["managedBy"] = CONTROLLER
        return json.dumps(document)


class TestClusterExperiments(ClusterPlace, ExperimentsContract):
    """Everything every place promises."""


class TestClusterWorkers(ClusterPlace, WorkerTrialsContract):
    """And to those who run trials themselves."""


@pytest.fixture
def namespace(place):
    return place.namespace()


@pytest.fixture
def administrator(place):
    with ClusterExperiments.connect(place.kubeconfig, store_address=place.store.address) as experiments:
        yield experiments


def experiment(name="search", rule="", **more):
    """Return an experiment whose jobs are the double's."""
    document = TestClusterExperiments().document(name, **more)
    read = json.loads(document)
    read["spec"]["trialTemplate"]["trialSpec"]["metadata"] = {"annotations": {RULE: rule}}
    return read


# -- what only a cluster has ------------------------------------------------------------------------------------------


def test_what_is_recorded_is_what_was_written_and_no_default_of_today(administrator, place, namespace):
    administrator.create(namespace, json.dumps(experiment()), request_id="r-1")
    spec = place.client.get(kinds.EXPERIMENTS, "search", namespace)["spec"]
    assert "metricStrategies" not in spec["objective"]
    assert spec["parameters"] == experiment()["spec"]["parameters"]


def test_a_trial_that_callers_run_has_a_lease_and_no_other_job(administrator, place, namespace):
    document = experiment(trials=2, parallel=1)
    del document["spec"]["trialTemplate"]
    administrator.create(namespace, json.dumps(document), request_id="r-1")
    again = administrator.create(namespace, json.dumps(document), request_id="r-1")
    assert again.spec.trial_template is None
    [trial] = administrator.workers.suggest(namespace, "search", "me", wait=30).result(60).trials
    lease = place.client.get(LEASES, trial.name, namespace)
    assert lease["spec"]["holderIdentity"] == "me"
    assert place.client.list(JOBS, namespace)[0] == []
    administrator.delete(namespace, "search")
    # The double of the controllers collects no garbage; what is an experiment's own is owned by it.
    assert lease["metadata"]["ownerReferences"][0]["kind"] == "Trial"


def test_a_trial_that_three_have_lost_has_failed(administrator, namespace):
    document = experiment(trials=1, parallel=1)
    del document["spec"]["trialTemplate"]
    administrator.create(namespace, json.dumps(document))
    names = set()
    for client in ("a", "b", "c"):
        [trial] = administrator.workers.suggest(namespace, "search", client, lease=0.1, wait=30).result(60).trials
        names.add(trial.name)
        administrator.workers.report(namespace, "search", trial.name, client, [Measurement("loss", "1")]).result(30)
        time.sleep(0.2)  # for longer than the lease
    assert len(names) == 1
    assert len(administrator.observations(namespace, "search", trial.name)) == 1, "of the last one only"
    administrator.workers.suggest(namespace, "search", "d", wait=0).result(30)
    eventually(
        lambda: administrator.trial(namespace, "search", trial.name).state is TrialState.FAILED, "the trial has failed"
    )
    assert "'c' was silent" in administrator.trial(namespace, "search", trial.name).message


def test_a_template_of_a_config_map_is_checked_and_stays_there(administrator, place, namespace):
    document = experiment()
    template = document["spec"]["trialTemplate"]
    job = template.pop("trialSpec")
    place_of_it = {"configMapName": "jobs", "configMapNamespace": namespace, "templatePath": "job"}
    template["configMap"] = place_of_it
    with pytest.raises(InvalidExperiment, match="jobs"):
        administrator.create(namespace, json.dumps(document))
    body = {"metadata": {"name": "jobs"}, "data": {"job": json.dumps(job)}}
    place.client.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body=body)
    administrator.create(namespace, json.dumps(document))
    assert place.client.get(kinds.EXPERIMENTS, "search", namespace)["spec"]["trialTemplate"]["configMap"] == place_of_it


def test_without_a_store_there_is_what_the_status_says(administrator, place, namespace):
    administrator.create(namespace, json.dumps(experiment(trials=1)))
    eventually(lambda: state_of(administrator.get(namespace, "search")) == "Succeeded", "it succeeds")
    [trial] = administrator.trials(namespace, "search")
    with ClusterExperiments.connect(place.kubeconfig) as alone:
        [seen] = alone.observations(namespace, "search", trial.name)
        assert (seen.name, seen.text) == ("loss", dict(trial.assignments)["x"])
        assert alone.observations(namespace, "search", trial.name, metric="accuracy") == []
        with pytest.raises(Unsupported, match="store"):
            alone.delete(namespace, "search", purge=True)
        assert alone.get(namespace, "search")


def test_what_is_purged_is_gone_from_the_store_and_what_is_deleted_is_not(administrator, place, namespace):
    uids = {}
    for name in ("kept", "purged"):
        uids[name] = administrator.create(namespace, json.dumps(experiment(name, trials=1))).metadata.uid
    for name in uids:
        eventually(lambda name=name: state_of(administrator.get(namespace, name)) == "Succeeded", f"{name} succeeds")
    administrator.delete(namespace, "kept")
    administrator.delete(namespace, "purged", purge=True)
    with ClusterStore(place.store.address) as store:
        assert store.has(namespace, uids["kept"])
        assert not store.has(namespace, uids["purged"])
        # Deleted long ago, it can be purged all the same.
        administrator.delete(namespace, "kept", purge=True)
        assert not store.has(namespace, uids["kept"])


def test_a_trial_whose_object_is_deleted_is_still_in_the_store(administrator, place, namespace):
    administrator.create(namespace, json.dumps(experiment(trials=2, parallel=1, rule="seconds=0.6")))
    eventually(lambda: state_of(administrator.get(namespace, "search")) == "Succeeded", "it succeeds")
    trial = administrator.trials(namespace, "search")[0]
    seen = administrator.observations(namespace, "search", trial.name)
    place.client.delete(kinds.TRIALS, trial.name, namespace)
    found = administrator.trial(namespace, "search", trial.name)
    assert (found.index, found.state, found.assignments) == (trial.index, trial.state, trial.assignments)
    assert administrator.observations(namespace, "search", trial.name) == seen
    with pytest.raises(NotFound, match="search-none"):
        administrator.trial(namespace, "search", "search-none")


def test_an_experiment_of_somebody_elses_crd_is_shown_as_far_as_it_is_one(administrator, place, namespace):
    body = experiment()
    place.client.create(kinds.EXPERIMENTS, body | {"metadata": {"name": "search"}}, namespace)
    [found] = administrator.find(namespace, ExperimentQuery()).experiments
    assert found.metadata.name == "search"


# -- whoever asks -----------------------------------------------------------------------------------------------------


@pytest.fixture
def of_account(place, namespace):
    """Returns the experiments as a service account with some verbs has them."""
    with contextlib.ExitStack() as stack:

        def make(*may):
            token = place.account(namespace, may=may)
            client = ClusterAddress.find(kubeconfig=place.kubeconfig).client_of(token)
            return stack.enter_context(ClusterExperiments(client))

        yield make


def test_who_may_nothing_is_told_so_in_the_words_of_kubernetes(of_account, administrator, namespace):
    administrator.create(namespace, json.dumps(experiment(trials=1)))
    nobody = of_account()
    calls = [
        lambda: nobody.create(namespace, json.dumps(experiment("other"))),
        lambda: nobody.create(namespace, json.dumps(experiment("other")), dry_run=True),
        lambda: nobody.get(namespace, "search"),
        lambda: nobody.find(namespace, ExperimentQuery()),
        lambda: nobody.find(None, ExperimentQuery()),
        lambda: nobody.stop(namespace, "search"),
        lambda: nobody.resume(namespace, "search"),
        lambda: nobody.edit_budget(namespace, "search", Budget(max_trial_count=3)),
        lambda: nobody.delete(namespace, "search"),
        lambda: nobody.delete(namespace, "nothing"),
        lambda: nobody.events(namespace, "search"),
        lambda: nobody.changes(namespace, "search", ""),
        lambda: nobody.changes(namespace, None, ""),
        lambda: nobody.trials(namespace, "search"),
        lambda: nobody.logs(namespace, "search", "search-0"),
        lambda: nobody.observations(namespace, "search", "search-0"),
    ]
    for call in calls:
        with pytest.raises(Denied, match=r"cannot \w+ resource .* in API group") as caught:
            call()
        assert isinstance(caught.value, Forbidden)
        assert f"system:serviceaccount:{namespace}:" in str(caught.value)
    assert [each.metadata.name for each in administrator.find(namespace, ExperimentQuery()).experiments] == ["search"]


def test_who_may_look_looks_and_changes_nothing(of_account, administrator, namespace):
    administrator.create(namespace, json.dumps(experiment(trials=1, rule=RULES["long"])))
    reader = of_account("get", "list", "watch")
    assert reader.get(namespace, "search").metadata.name == "search"
    assert reader.changes(namespace, "search", "").experiments
    for call in (
        lambda: reader.create(namespace, json.dumps(experiment("other"))),
        lambda: reader.stop(namespace, "search"),
        lambda: reader.delete(namespace, "search"),
    ):
        with pytest.raises(Denied, match=r"cannot (create|patch|delete) resource"):
            call()


def test_a_token_of_nobody_is_refused(place, namespace):
    client = ClusterAddress.find(kubeconfig=place.kubeconfig).client_of("nobody")
    with ClusterExperiments(client) as stranger, pytest.raises(Unauthenticated):
        stranger.get(namespace, "search")


# -- the server of the experiments' API -------------------------------------------------------------------------------


class ServedApi(Served):
    """``katib serve api``."""

    subject = "api"


@pytest.fixture(scope="module")
def api(place):
    # It has a kubeconfig with an administrator's credentials, and uses none of them.
    arguments = ("--kubeconfig", place.kubeconfig, "--store-address", place.store.address)
    with ServedApi(*arguments) as api:
        assert api.first_line.startswith("API server on "), api.log
        yield api
        assert api.stop() == 0
        assert "Traceback" not in api.log


@pytest.fixture
def caller(api, place, namespace):
    """Returns the experiments as a service account with some verbs has them from the server."""
    with contextlib.ExitStack() as stack:

        def make(*may, token=None, leases=False):
            token = place.account(namespace, may=may, leases=leases) if token is None else token
            return stack.enter_context(RemoteExperiments(api.address, token=token, patience=5))

        yield make


EVERYTHING = ("get", "list", "watch", "create", "patch", "delete")


def test_a_sweep_over_the_server_is_the_callers_own(caller, administrator, namespace):
    mine = caller(*EVERYTHING)
    made = mine.create(namespace, json.dumps(experiment(trials=2)), request_id="r-1")
    assert mine.create(namespace, json.dumps(experiment(trials=2)), request_id="r-1").metadata.uid == made.metadata.uid
    eventually(lambda: state_of(mine.get(namespace, "search")) == "Succeeded", "it succeeds")
    trials = mine.trials(namespace, "search")
    assert [trial.index for trial in trials] == [0, 1]
    assert trials == administrator.trials(namespace, "search")
    for trial in trials:
        [seen] = mine.observations(namespace, "search", trial.name)
        assert seen.text == dict(trial.assignments)["x"]
    assert [each.metadata.name for each in mine.find(namespace, ExperimentQuery()).experiments] == ["search"]
    everything = mine.changes(namespace, "search", "")
    assert {trial.name for trial in everything.trials} == {trial.name for trial in trials}
    mine.delete(namespace, "search")
    with pytest.raises(NotFound):
        mine.get(namespace, "search")


def test_a_caller_without_rights_hears_it_from_kubernetes(caller, administrator, namespace):
    administrator.create(namespace, json.dumps(experiment(trials=1, rule=RULES["long"])))
    nobody, reader = caller(), caller("get", "list", "watch")
    for call in (
        lambda: nobody.create(namespace, json.dumps(experiment("other"))),
        lambda: nobody.get(namespace, "search"),
        lambda: nobody.find(None, ExperimentQuery()),
        lambda: nobody.changes(namespace, "search", ""),
        lambda: reader.create(namespace, json.dumps(experiment("other"))),
        lambda: reader.stop(namespace, "search"),
        lambda: reader.delete(namespace, "search"),
    ):
        with pytest.raises(Denied, match=rf'User "system:serviceaccount:{namespace}:.*" cannot \w+ resource'):
            call()
    assert reader.get(namespace, "search").metadata.name == "search"


def test_who_is_nobody_is_not_let_in(caller, namespace):
    for token in ("", "nobody"):
        stranger = caller(token=token)
        with pytest.raises(Unauthenticated):
            stranger.get(namespace, "search")


def test_trials_are_run_by_who_may_hold_leases(caller, administrator, namespace):
    mine, without = caller(*EVERYTHING, leases=True), caller(*EVERYTHING)
    document = experiment(trials=2, parallel=1)
    del document["spec"]["trialTemplate"]
    made = without.create(namespace, json.dumps(document))
    assert made.spec.trial_template is None
    with pytest.raises(Denied, match='cannot list resource "leases"'):
        without.workers.suggest(namespace, "search", "me", wait=5).result(30)
    tried = {}
    while not (suggested := mine.workers.suggest(namespace, "search", "me", wait=30).result(60)).over:
        for trial in suggested.trials:
            tried[trial.name] = value = dict(trial.assignments)["x"]
            measured = [Measurement("loss", value, step=7)]
            told = mine.workers.complete(
                namespace, "search", trial.name, "me", Outcome.COMPLETED, measurements=measured
            )
            assert told.result(60).state is TrialState.SUCCEEDED
    assert suggested.state == "Succeeded"
    assert {trial.name for trial in administrator.trials(namespace, "search")} == set(tried)
    for name, value in tried.items():
        [seen] = mine.observations(namespace, "search", name)
        assert (seen.text, seen.step) == (value, 7)


def test_trials_of_jobs_are_given_to_nobody(caller, namespace):
    mine = caller(*EVERYTHING, leases=True)
    mine.create(namespace, json.dumps(experiment(trials=1)))
    with pytest.raises(Conflict, match="run by the cluster"):
        mine.workers.suggest(namespace, "search", "me").result(30)


def test_of_two_servers_one_may_be_killed_and_its_callers_go_on_at_the_other(api, caller, place, namespace):
    token = place.account(namespace, may=EVERYTHING, leases=True)
    document = experiment(trials=4, parallel=2)
    del document["spec"]["trialTemplate"]
    arguments = ("--kubeconfig", place.kubeconfig, "--store-address", place.store.address)
    with ServedApi(*arguments) as second, RemoteExperiments(second.address, token=token, patience=0) as there:
        here = caller(token=token)
        made = there.create(namespace, json.dumps(document), request_id="r-1")
        assert here.create(namespace, json.dumps(document), request_id="r-1").metadata.uid == made.metadata.uid
        [mine] = here.workers.suggest(namespace, "search", "a", wait=30).result(60).trials
        [theirs] = there.workers.suggest(namespace, "search", "b", wait=30).result(60).trials
        assert mine.name != theirs.name
        there.workers.report(
            namespace, "search", theirs.name, "b", [Measurement("loss", "2")], request_id="r-2"
        ).result(30)
        second.process.kill()
        second.process.wait()
        with pytest.raises(StoreUnavailable):
            there.get(namespace, "search")
    # Neither the trial nor what was said of it was the server's.
    [again] = here.workers.suggest(namespace, "search", "b", wait=5).result(30).trials
    assert again.name == theirs.name
    here.workers.report(namespace, "search", theirs.name, "b", [Measurement("loss", "2")], request_id="r-2").result(30)
    told = here.workers.complete(
        namespace, "search", theirs.name, "b", Outcome.COMPLETED, measurements=[Measurement("loss", "1")]
    )
    assert told.result(60).state is TrialState.SUCCEEDED
    assert [each.text for each in here.observations(namespace, "search", theirs.name)] == ["2", "1"]
    assert api.process.poll() is None


# -- KatibClient ------------------------------------------------------------------------------------------------------


@pytest.fixture
def katib_client(place, namespace):
    with KatibClient(config_file=place.kubeconfig, namespace=namespace) as client:
        yield client


def test_what_a_client_returns_is_what_the_cluster_has(katib_client, place, namespace):
    document = experiment(trials=2, parallel=2)
    document["spec"]["resumePolicy"] = "LongRunning"
    katib_client.create_experiment(document, namespace)
    done = katib_client.wait_for_experiment_condition("search")
    trials = katib_client.list_trials("search")
    assert set(done.status.succeeded_trial_list) == {each.metadata.name for each in trials}
    for trial in trials:
        there = place.client.get(kinds.TRIALS, trial.metadata.name, namespace)["spec"]["runSpec"]
        assert trial.spec.run_spec["spec"] == there["spec"]
    suggestion = katib_client.get_suggestion("search")
    there = place.client.get(kinds.SUGGESTIONS, "search", namespace)
    assert suggestion.metadata.uid == there["metadata"]["uid"]
    assert suggestion.metadata.owner_references[0]["kind"] == "Experiment"
    # Two trials more are asked for: what is waited for then is not the end that was there before.
    with pytest.raises(InvalidExperiment, match="must be more than the 2 trials there are"):
        katib_client.edit_experiment_budget("search", max_trial_count=1)
    katib_client.edit_experiment_budget("search", max_trial_count=4)
    assert katib_client.wait_for_experiment_condition("search").status.trials_succeeded == 4


def test_an_experiment_is_deleted_as_the_options_say(katib_client, place, namespace):
    katib_client.create_experiment(experiment(rule=RULES["long"]), namespace)
    uid = katib_client.get_experiment("search").metadata.uid

    def deleted_as(options):
        katib_client.delete_experiment("search", delete_options=options)

    deleted_as(V1DeleteOptions(dry_run=["All"]))
    with pytest.raises(Conflict, match="the UID in the precondition"):
        deleted_as(V1DeleteOptions(preconditions=V1Preconditions(uid="another")))
    with pytest.raises(RuntimeError, match="the ResourceVersion in the precondition"):
        deleted_as({"preconditions": {"resource_version": "1"}})
    assert katib_client.get_experiment("search").metadata.uid == uid
    # In the foreground it is there until all that belongs to it is gone, whoever collects that.
    owner = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "name": "search", "uid": uid}
    held = {
        "name": "held",
        "ownerReferences": [{**owner, "blockOwnerDeletion": True}],
        "finalizers": ["katib.test/held"],
    }
    place.client.create(CONFIG_MAPS, {"metadata": held}, namespace)
    deleted_as({"propagation_policy": "Foreground", "grace_period_seconds": 0, "preconditions": {"uid": uid}})
    found = place.client.get(kinds.EXPERIMENTS, "search", namespace)["metadata"]
    assert found["deletionTimestamp"]
    assert "foregroundDeletion" in found["finalizers"]
    place.client.merge_patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, namespace)


def test_a_trainer_is_tuned_with_a_volume_and_pytorch_jobs(katib_client, place, namespace):
    call = {
        "model_provider_parameters": katib.HuggingFaceModelParams("hf://openai-community/gpt2", "AutoModelForCausalLM"),
        "dataset_provider_parameters": katib.HuggingFaceDatasetParams("imdatta0/ultrachat_1k"),
        "trainer_parameters": katib.HuggingFaceTrainerParams(
            {"learning_rate": katib.search.double(0.1, 0.2)}, {"r": 8}
        ),
        "objective_metric_name": "train_loss",
        "max_trial_count": 1,
        "parallel_trial_count": 1,
        "resources_per_trial": katib.TrainerResources(2, 1, {"cpu": "1"}),
    }
    with pytest.raises(InvalidInput, match=r"storage_config: .*quantities must match"):
        katib_client.tune("llm", storage_config={"size": "plenty"}, **call)
    with pytest.raises(NotFound):
        katib_client.get_experiment("llm")
    katib_client.tune("llm", **call)
    claim = place.client.get(PERSISTENT_VOLUME_CLAIMS, "llm", namespace)
    assert claim["spec"]["resources"] == {"requests": {"storage": "10Gi"}}
    eventually(lambda: place.client.list(kinds.TRIALS, namespace)[0], "its trial is there")
    [trial] = place.client.list(kinds.TRIALS, namespace)[0]
    replicas = trial["spec"]["runSpec"]["spec"]["pytorchReplicaSpecs"]
    volumes = [one["template"]["spec"]["volumes"] for one in replicas.values()]
    assert volumes == [[{"name": "storage-initializer", "persistentVolumeClaim": {"claimName": "llm"}}]] * 2
    words = replicas["Worker"]["template"]["spec"]["containers"][0]["args"]
    read = json.loads(words[words.index("--training_parameters") + 1])
    assert 0.1 <= read["learning_rate"] <= 0.2
    with pytest.raises(Conflict, match="another experiment 'llm'"):
        katib_client.tune("llm", **call)
    katib_client.delete_experiment("llm")
    assert place.client.get(PERSISTENT_VOLUME_CLAIMS, "llm", namespace)["metadata"]["uid"] == claim["metadata"]["uid"]


def test_who_may_claim_no_volume_makes_no_experiment(of_account, administrator, namespace):
    with (
        KatibClient(backend="kubernetes", experiments=of_account("create", "get"), namespace=namespace) as client,
        pytest.raises(Denied, match='cannot create resource "persistentvolumeclaims"'),
    ):
        client.tune(
            "llm",
            katib.HuggingFaceModelParams("hf://openai-community/gpt2", "AutoModelForCausalLM"),
            katib.HuggingFaceDatasetParams("imdatta0/ultrachat_1k"),
            katib.HuggingFaceTrainerParams({"learning_rate": katib.search.double(0.1, 0.2)}),
            objective_metric_name="train_loss",
            resources_per_trial=katib.TrainerResources(1, 1),
        )
    assert administrator.find(namespace, ExperimentQuery()).experiments == ()


def test_why_nothing_happens_is_said_as_far_as_it_may_be_seen(of_account, administrator, place, namespace):
    taken = administrator.create(namespace, json.dumps(experiment(trials=1)))
    fresh = taken.model_copy(update={"status": None})
    labels = {"katib.kubeflow.org/component": "operator"}
    container = {"name": "operator", "image": "none", "args": ["--watch-namespace=$(POD_NAMESPACE)"]}
    other = place.namespace()
    operator = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "katib-operator", "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    place.client.create(DEPLOYMENTS, operator, other)
    assert f"({other}/katib-operator watches {other})" in administrator.idle_reason(fresh)
    place.client.create(DEPLOYMENTS, operator, namespace)
    assert f"{namespace}/katib-operator is not ready (0 of 0 pods)" in administrator.idle_reason(fresh)
    assert "cannot be seen with your rights" in of_account("get").idle_reason(fresh)
    for each in (namespace, other):
        place.client.delete(DEPLOYMENTS, "katib-operator", each)
