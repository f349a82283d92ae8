"""The definitions on a real API server: what it takes, what it refuses and how, what ``kubectl`` shows of it."""

import copy
import json
import runpy
from pathlib import Path

import pytest
import yaml

from katib.errors import KatibError
from katib.kube.client import Client

REPOSITORY = Path(__file__).parents[2]
CRDS = REPOSITORY / "deploy" / "crds"
GOOD = yaml.safe_load((REPOSITORY / "trial_templates" / "job" / "experiment.yaml").read_text())
LEFT_OUT = object()


def good_files():
    """Return every experiment of the repository, by name."""
    katib = runpy.run_path(str(REPOSITORY / "tests" / "unit" / "admission" / "test_katib_files.py"))
    found = {f"katib {name}": yaml.safe_load(text) for name, text in katib["FULL"].items()}
    found["katib network"] = yaml.safe_load(katib["NETWORK"])
    for path in sorted([*REPOSITORY.glob("examples/**/*.yaml"), *REPOSITORY.glob("trial_templates/*/experiment.yaml")]):
        for document in yaml.safe_load_all(path.read_text()):
            if document["kind"] == "Experiment":
                found[str(path.relative_to(REPOSITORY))] = document
    return found


FILES = good_files()


@pytest.fixture(scope="module", autouse=True)
def definitions(kubernetes):
    """The definitions are in the cluster, and stay there: other tests have objects of them."""
    apply_definitions(kubernetes)
    for path in CRDS.glob("*s.yaml"):
        kubernetes.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"--filename={path}")


def apply_definitions(kubernetes):
    kubernetes.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={CRDS}")


@pytest.fixture
def kubectl(kubernetes, namespace):
    """``kubectl`` in the test's namespace."""

    def run(*words, **more):
        return kubernetes.kubectl(*words, "--namespace", namespace, **more)

    return run


@pytest.fixture(scope="module")
def api(kubeconfig):
    """The API server, asked directly: a process for each question takes longer than all the answers."""
    client = Client.connect(kubeconfig=str(kubeconfig))
    yield client
    client.close()


@pytest.fixture
def refusal(api):
    """Return what the server says against a document; nothing when it would take it."""

    def run(document):
        placed = {**document, "metadata": {**document["metadata"], "namespace": "default"}}
        path = "/apis/kubeflow.org/v1beta1/namespaces/default/experiments"
        try:
            api.request("POST", path, query={"dryRun": "All", "fieldValidation": "Strict"}, body=placed)
        except KatibError as error:
            return str(error)
        return ""

    return run


@pytest.fixture
def ask(kubectl):
    """Give a document to kubectl and return what it says against it; nothing when it is taken."""

    def run(verb, document, *more):
        placed = {**document, "metadata": {**document["metadata"], "namespace": None}}
        try:
            kubectl(verb, "--filename=-", *more, stdin=placed)
        except AssertionError as refused:
            return str(refused)
        return ""

    return run


@pytest.fixture
def made(ask):
    """Make the good experiment, or change it; returns what is said against it."""

    def make(verb="create", /, **spec):
        document = copy.deepcopy(GOOD)
        document["spec"] |= spec
        return ask(verb, document)

    return make


def changed(path, value):
    """Return the good experiment with one field changed."""
    document = copy.deepcopy(GOOD)
    around = document
    *steps, last = path.split(".")
    for step in steps:
        around = around[int(step)] if isinstance(around, list) else around[step]
    if value is LEFT_OUT:
        del around[last]
    elif isinstance(around, list):
        around[int(last)] = value
    else:
        around[last] = value
    return document


@pytest.mark.parametrize("name", FILES)
def test_every_experiment_of_ours_and_of_katib_is_accepted(refusal, name):
    assert refusal(FILES[name]) == ""


SPACE = "spec.parameters.0.feasibleSpace"
TEMPLATE = "spec.trialTemplate"
PARAMETERS = f"{TEMPLATE}.trialParameters"
NAME = "metadata.name must be at most 40 lower-case letters"
REFUSED = [
    ("metadata.name", "x" * 41, NAME),
    ("metadata.name", "a.b", NAME),
    ("spec.algorithm", LEFT_OUT, "spec.algorithm: Required value"),
    ("spec.algorithm.algorithmName", "", "spec.algorithm.algorithmName: Invalid value"),
    ("spec.trialTemplate", LEFT_OUT, "spec.trialTemplate: Required value"),
    ("spec.objective", LEFT_OUT, "objective is required"),
    ("spec.objective.type", "minimise", 'spec.objective.type: Unsupported value: "minimise"'),
    ("spec.objective.goal", "low", "spec.objective.goal in body must be of type number"),
    ("spec.objective.additionalMetricNames", ["loss"], "objectiveMetricName cannot be one of additionalMetricNames"),
    ("spec.nasConfig", {"graphConfig": {}, "operations": []}, "exactly one of parameters and nasConfig is required"),
    ("spec.parameters", LEFT_OUT, "exactly one of parameters and nasConfig is required"),
    ("spec.parameters", [], "exactly one of parameters and nasConfig is required"),
    ("spec.parameters.0.parameterType", "float", 'spec.parameters[0].parameterType: Unsupported value: "float"'),
    ("spec.parameters.0.parameterType", "categorical", "spec.parameters[0].feasibleSpace.list: Required value"),
    ("spec.parameters.1.name", "learning_rate", "spec.parameters[1]: Duplicate value"),
    (SPACE, {"max": "1"}, "spec.parameters[0].feasibleSpace.min: Required value"),
    (SPACE, {"max": "1", "min": "0", "list": ["1"]}, "spec.parameters[0].feasibleSpace.list: Too many"),
    (f"{SPACE}.min", True, '"spec.parameters[0].feasibleSpace.min" must not validate'),
    (f"{SPACE}.min", {"a": 1}, "spec.parameters[0].feasibleSpace.min: Too many"),
    (f"{SPACE}.distribution", "normalish", "spec.parameters[0].feasibleSpace.distribution: Unsupported value"),
    ("spec.parallelTrialCount", 7, "parallelTrialCount must be at most maxTrialCount"),
    ("spec.parallelTrialCount", 0, "spec.parallelTrialCount in body should be greater than or equal to 1"),
    ("spec.maxTrialCount", "6", "spec.maxTrialCount in body must be of type integer"),
    ("spec.maxFailedTrialCount", 7, "maxFailedTrialCount must be at most maxTrialCount"),
    ("spec.resumePolicy", "Always", "spec.resumePolicy: Unsupported value"),
    ("spec.maxRuntime", "soon", "spec.maxRuntime in body should match"),
    ("spec.trialTimeout", 90, "spec.trialTimeout in body must be of type string"),
    ("spec.seed", -1, "spec.seed in body should be greater than or equal to 0"),
    ("spec.maxTrialcount", 6, 'unknown field "spec.maxTrialcount"'),
    (f"{TEMPLATE}.goTemplate", {}, 'unknown field "spec.trialTemplate.goTemplate"'),
    (
        f"{TEMPLATE}.configMap",
        {"configMapName": "a", "configMapNamespace": "b", "templatePath": "c"},
        "exactly one of trialSpec and configMap is required",
    ),
    (f"{TEMPLATE}.trialSpec", LEFT_OUT, "exactly one of trialSpec and configMap is required"),
    (f"{TEMPLATE}.trialSpec.kind", LEFT_OUT, "spec.trialTemplate.trialSpec.kind: Required value"),
    (f"{TEMPLATE}.trialSpec.kind", "Farm", "successCondition and failureCondition are required"),
    (f"{TEMPLATE}.trialSpec.metadata", {"name": "x"}, "metadata.name and metadata.namespace must be left out"),
    (f"{TEMPLATE}.primaryContainerName", LEFT_OUT, "spec.trialTemplate.primaryContainerName: Required value"),
    (PARAMETERS, LEFT_OUT, "spec.trialTemplate.trialParameters: Required value"),
    (f"{PARAMETERS}.0.reference", "rate", "every reference of trialParameters must be one of parameters"),
    (f"{PARAMETERS}.0.reference", "${trialSpec.Name}", "every parameter must be the reference of one of"),
    (f"{PARAMETERS}.0.name", "a{b", "spec.trialTemplate.trialParameters[0].name in body should match"),
    ("spec.metricsCollectorSpec", {"collector": {"kind": "None"}}, "spec.metricsCollectorSpec.collector.kind: Unsup"),
    ("spec.metricsCollectorSpec", {"collector": {"kind": "Custom"}}, "customCollector is required for the kind Custom"),
    (
        "spec.metricsCollectorSpec",
        {"collector": {"kind": "File"}, "source": {"fileSystemPath": {"path": "a"}}},
        "spec.metricsCollectorSpec.source.fileSystemPath.path: Invalid value",
    ),
    (
        "spec.metricsCollectorSpec",
        {
            "collector": {"kind": "File"},
            "source": {"fileSystemPath": {"path": "/a", "format": "JSON"}, "filter": {"metricsFormat": ["(a)(b)"]}},
        },
        "source.filter cannot be given beside the format JSON",
    ),
    (
        "spec.metricsCollectorSpec",
        {"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"path": "metrics"}}},
        "path must begin with '/'",
    ),
]


@pytest.mark.parametrize(("path", "value", "wanted"), REFUSED)
def test_mistake_is_refused_in_words_that_name_it(refusal, path, value, wanted):
    assert wanted in refusal(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.metricsCollectorSpec", None),
        ("spec.resumePolicy", ""),
        (f"{SPACE}.distribution", ""),
        (f"{SPACE}.min", 0.0001),
        (SPACE, {"min": 1, "max": 10, "step": 0.5}),
        (
            "spec.parameters.0",
            {"name": "learning_rate", "parameterType": "discrete", "feasibleSpace": {"list": [1, 0.5]}},
        ),
        ("spec.algorithm.algorithmSettings", [{"name": "random_state", "value": 1}]),
        ("spec.objective.goal", 1),
        ("spec.maxRuntime", "1h30m"),
        (f"{TEMPLATE}.trialSpec.metadata", {"labels": {"kueue.x-k8s.io/queue-name": "team"}, "name": ""}),
        (
            "spec.metricsCollectorSpec",
            {"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"port": "metrics"}}},
        ),
    ],
)
def test_what_people_write_another_way_is_accepted(refusal, path, value):
    assert refusal(changed(path, value)) == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("objective", {"type": "minimize", "objectiveMetricName": "other"}),
        ("algorithm", {"algorithmName": "tpe"}),
        ("seed", 5),
        ("trialTimeout", "1h"),
        ("parameters", changed(f"{SPACE}.min", "0.001")["spec"]["parameters"]),
        ("trialTemplate", changed(f"{TEMPLATE}.trialSpec.spec.backoffLimit", 3)["spec"]["trialTemplate"]),
    ],
)
def test_what_is_searched_cannot_change(made, field, value):
    assert made() == ""
    said = made("apply", **{field: value})
    assert f"spec.{field}" in said
    assert f"{field} cannot be changed once the experiment exists; only parallelTrialCount" in said


def test_budget_can_change(made):
    assert made() == ""
    assert made("apply", maxTrialCount=20, parallelTrialCount=5, maxFailedTrialCount=5, maxRuntime="2h") == ""


@pytest.fixture
def finish(kubectl):
    """End the experiment as an operator does."""

    def run(reason):
        conditions = [{"type": "Running", "status": "False"}, {"type": "Succeeded", "status": "True", "reason": reason}]
        status = {"status": {"conditions": conditions, "trials": 6, "trialsSucceeded": 6}}
        kubectl("patch", "exp/job", "--subresource=status", "--type=merge", "--patch", json.dumps(status))

    return run


@pytest.mark.parametrize(
    ("policy", "reason", "most", "wanted"),
    [
        ("LongRunning", "ExperimentMaxTrialsReached", 12, ""),
        ("LongRunning", "ExperimentMaxTrialsReached", 4, "spec.maxTrialCount must be more than the trials there are"),
        ("LongRunning", "ExperimentGoalReached", 12, "goes on only if it reached maxTrialCount"),
        ("Never", "ExperimentMaxTrialsReached", 12, "goes on only if it reached maxTrialCount"),
    ],
)
def test_finished_experiment_goes_on_where_it_may(made, finish, policy, reason, most, wanted):  # noqa: PLR0917 - a table
    assert made(resumePolicy=policy) == ""
    finish(reason)
    assert made("apply", resumePolicy=policy) == ""  # no change
    said = made("apply", resumePolicy=policy, maxTrialCount=most)
    assert wanted in said
    assert bool(said) == bool(wanted)


def test_applying_the_same_again_changes_nothing(kubectl, ask):
    def generation():
        return kubectl("get", "exp/job", "-o", "jsonpath={.metadata.generation}")

    document = changed(SPACE, {"min": 0.0001, "max": "0.1"})
    for way in ([], ["--server-side", "--force-conflicts"]):
        assert ask("apply", document, *way) == ""
        before = generation()
        assert ask("apply", document, *way) == ""
        assert generation() == before


def test_values_are_kept_as_they_are_written(kubectl, ask):
    spec = {"min": "1e-3", "max": 0.5, "step": "0.0010"}
    assert ask("create", changed(SPACE, spec)) == ""
    (kept, _) = json.loads(kubectl("get", "exp/job", "-o", "json"))["spec"]["parameters"]
    assert kept["feasibleSpace"] == spec


def test_templates_keep_what_no_schema_knows(kubectl, ask):
    document = changed(f"{TEMPLATE}.trialSpec.spec.template.spec.nodeSelector", {"a/b": "c"})
    assert ask("create", document) == ""
    kept = json.loads(kubectl("get", "exp/job", "-o", "json"))
    assert kept["spec"]["trialTemplate"]["trialSpec"] == document["spec"]["trialTemplate"]["trialSpec"]


def test_every_field_of_every_model_is_kept(api, namespace):
    whole = runpy.run_path(str(REPOSITORY / "tests" / "unit" / "api" / "test_round_trip.py"))
    for kind, document in (("experiments", GOOD), ("trials", whole["TRIAL"]), ("suggestions", whole["SUGGESTION"])):
        name = document["metadata"]["name"]
        path = f"/apis/kubeflow.org/v1beta1/namespaces/{namespace}/{kind}"
        body = {**document, "metadata": {"name": name, "namespace": namespace}}
        made = api.request("POST", path, query={"fieldValidation": "Strict"}, body=body)
        status = whole["EXPERIMENT" if kind == "experiments" else kind[:-1].upper()]["status"]
        kept = api.request(
            "PUT", f"{path}/{name}/status", query={"fieldValidation": "Strict"}, body={**made, "status": status}
        )
        assert kept["status"] == status
        assert kept["spec"] == {**document["spec"], **({"resumePolicy": "Never"} if kind == "experiments" else {})}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("experiment", "A search: space, objective, algorithm, budget and how to run one trial."),
        ("exp.spec.objective", "What is optimised, and when it is good enough."),
        ("exp.spec.objective.goal", "The value that is good enough"),
        ("exp.spec.parameters.feasibleSpace.min", "The smallest value of a range."),
        ("exp.status.trials", "How many trials there are."),
        ("tr.spec.runSpec", "The job, ready to run."),
        ("sug.status.suggestionCount", "How many points were given."),
    ],
)
def test_kubectl_explains_every_field(kubernetes, path, words):
    assert words in " ".join(kubernetes.kubectl("explain", path).split())


STATUS = {
    "conditions": [
        {"type": "Created", "status": "True", "reason": "ExperimentCreated"},
        {"type": "Running", "status": "True", "reason": "ExperimentRunning", "message": "Experiment is running"},
    ],
    "trials": 5,
    "trialsRunning": 2,
    "trialsSucceeded": 3,
    "trialsFailed": 0,
    "bestObjective": "0.25",
    "bestParameters": "learning_rate=0.01 layers=3",
    "currentOptimalTrial": {
        "bestTrialName": "job-2",
        "parameterAssignments": [{"name": "layers", "value": "3"}],
        "observation": {"metrics": [{"name": "loss", "min": "0.25", "max": "1", "latest": "0.5"}]},
    },
}


def table(text):
    header, *rows = [line.split() for line in text.splitlines()]
    return [dict(zip(header, row, strict=False)) for row in rows]


def test_kubectl_get_tells_the_story(kubectl, made):
    made()
    trial = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Trial",
        "metadata": {"name": "job-2"},
        "spec": {"objective": GOOD["spec"]["objective"], "runSpec": {"kind": "Job", "x": [{"y": 1}]}},
    }
    suggestion = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Suggestion",
        "metadata": {"name": "job"},
        "spec": {"algorithm": {"algorithmName": "random"}, "requests": 6},
    }
    ended = [{"type": "Succeeded", "status": "True", "reason": "TrialSucceeded"}]
    for document in (trial, suggestion):
        kubectl("create", "--filename=-", stdin=document)
    for name, status in (
        ("exp/job", STATUS),
        ("tr/job-2", {"conditions": ended, "objectiveValue": "0.25"}),
        ("sug/job", {"conditions": STATUS["conditions"], "suggestionCount": 5}),
    ):
        patch = json.dumps({"status": status})
        kubectl("patch", name, "--subresource=status", "--type=merge", "--patch", patch)
    (shown,) = table(kubectl("get", "exp"))
    assert shown.pop("AGE")
    assert shown == {
        "NAME": "job",
        "STATUS": "Running",
        "RUNNING": "2",
        "SUCCEEDED": "3",
        "FAILED": "0",
        "MAX": "6",
        "BEST": "0.25",
        "OBJECTIVE": "loss",
        "ALGORITHM": "random",
    }
    assert "learning_rate=0.01 layers=3" in kubectl("get", "exp", "-o", "wide")
    (shown,) = table(kubectl("get", "tr"))
    assert shown.pop("AGE")
    assert shown == {"NAME": "job-2", "STATUS": "Succeeded", "OBJECTIVE": "0.25", "REASON": "TrialSucceeded"}
    (shown,) = table(kubectl("get", "sug"))
    assert shown.pop("AGE")
    assert shown == {"NAME": "job", "TYPE": "Running", "STATUS": "True", "REQUESTED": "6", "ASSIGNED": "5"}
    assert {"experiment", "suggestion", "trial"} == {
        line.split(".")[0] for line in kubectl("get", "katib", "-o", "name").splitlines()
    }


def test_definitions_applied_again_change_nothing(kubernetes):
    def generations():
        return [
            kubernetes.get("customresourcedefinition", f"{kind}.kubeflow.org")["metadata"]["generation"]
            for kind in ("experiments", "suggestions", "trials")
        ]

    before = generations()
    apply_definitions(kubernetes)
    assert generations() == before
