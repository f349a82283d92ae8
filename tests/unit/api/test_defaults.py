"""What is filled in (facts 2.7), for every kind, and nothing else."""

import pytest

from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment


def defaulted(document):
    return with_defaults(parse_experiment(document)).to_document()["spec"]


def query(word):
    return f'status.conditions.#(type=="{word}")#|#(status=="True")#'


MASTER = {"training.kubeflow.org/job-role": "master"}
NODE = {"jobset.sigs.k8s.io/replicatedjob-name": "node", "batch.kubernetes.io/job-completion-index": "0"}


def test_counts_and_policy(document, spec):
    found = defaulted(document)
    assert found["parallelTrialCount"] == 3
    assert found["resumePolicy"] == "Never"
    assert found["maxTrialCount"] == 12
    del spec["maxTrialCount"]
    found = defaulted(document)
    assert found["parallelTrialCount"] == 3
    assert "maxTrialCount" not in found
    assert "maxFailedTrialCount" not in found


@pytest.mark.parametrize(("most", "parallel"), [(1, 1), (2, 2), (3, 3), (4, 3), (0, 3)])
def test_default_parallelism_fits_the_budget(document, spec, most, parallel):
    spec["maxTrialCount"] = most
    assert defaulted(document)["parallelTrialCount"] == parallel


def test_every_parameter_is_uniform_also_in_operations(document, spec):
    spec["parameters"][0]["feasibleSpace"]["distribution"] = ""
    spec["parameters"][1]["feasibleSpace"]["distribution"] = "normal"
    spec["nasConfig"] = {"graphConfig": {}, "operations": [{"operationType": "x", "parameters": spec["parameters"]}]}
    found = defaulted(document)
    wanted = ["uniform", "normal", "uniform", "uniform"]
    assert [each["feasibleSpace"]["distribution"] for each in found["parameters"]] == wanted
    operation = found["nasConfig"]["operations"][0]
    assert [each["feasibleSpace"]["distribution"] for each in operation["parameters"]] == wanted


@pytest.mark.parametrize(("direction", "strategy"), [("minimize", "min"), ("maximize", "max")])
def test_missing_strategies_follow_the_objective(document, spec, direction, strategy):
    spec["objective"] |= {
        "type": direction,
        "additionalMetricNames": ["accuracy", "f1"],
        "metricStrategies": [{"name": "f1", "value": "max"}],
    }
    assert defaulted(document)["objective"]["metricStrategies"] == [
        {"name": "f1", "value": "max"},
        {"name": "loss", "value": strategy},
        {"name": "accuracy", "value": "latest"},
    ]


def test_further_objectives_and_bounded_metrics_have_strategies_too(document, spec):
    spec["objectives"] = [{"type": "maximize", "objectiveMetricName": "speed"}]
    spec["objective"]["bounds"] = [{"metricName": "memory", "max": 8}]
    strategies = defaulted(document)["objective"]["metricStrategies"]
    assert {each["name"]: each["value"] for each in strategies} == {
        "loss": "min",
        "accuracy": "latest",
        "speed": "max",
        "memory": "latest",
    }


def test_first_of_several_objectives_is_the_objective(document, spec):
    del spec["objective"]
    spec["objectives"] = [
        {"type": "maximize", "objectiveMetricName": "a", "goal": 2.0},
        {"type": "minimize", "objectiveMetricName": "b"},
    ]
    found = defaulted(document)
    assert found["objective"]["objectiveMetricName"] == "a"
    assert found["objective"]["goal"] == 2.0
    assert [each["objectiveMetricName"] for each in found["objectives"]] == ["b"]


TRAINING = "kubeflow.org/v1"
KINDS = {
    ("batch/v1", "Job"): ("Complete", "Failed", None),
    ("trainer.kubeflow.org/v1alpha1", "TrainJob"): ("Complete", "Failed", NODE),
    (TRAINING, "TFJob"): ("Succeeded", "Failed", MASTER),
    (TRAINING, "PyTorchJob"): ("Succeeded", "Failed", MASTER),
    (TRAINING, "XGBoostJob"): ("Succeeded", "Failed", MASTER),
    (TRAINING, "MPIJob"): ("Succeeded", "Failed", MASTER),
    ("kubeflow.org/v2beta1", "MPIJob"): ("Succeeded", "Failed", MASTER),
    (TRAINING, "JAXJob"): ("Succeeded", "Failed", None),
    ("jobset.x-k8s.io/v1alpha2", "JobSet"): ("Completed", "Failed", None),
}


@pytest.mark.parametrize(("version", "kind"), KINDS)
def test_known_kinds_have_conditions_and_primary_pods(document, version, kind):
    success, failure, labels = KINDS[version, kind]
    document["spec"]["trialTemplate"]["trialSpec"] |= {"apiVersion": version, "kind": kind}
    found = defaulted(document)["trialTemplate"]
    assert found["successCondition"] == query(success)
    assert found["failureCondition"] == query(failure)
    assert found.get("primaryPodLabels") == labels


def test_what_the_template_says_itself_stays(document, spec):
    spec["trialTemplate"] |= {"successCondition": "status.done", "primaryPodLabels": {}}
    spec["trialTemplate"]["trialSpec"] |= {"apiVersion": TRAINING, "kind": "TFJob"}
    found = defaulted(document)["trialTemplate"]
    assert found["successCondition"] == "status.done"
    assert found["failureCondition"] == query("Failed")
    assert found["primaryPodLabels"] == {}


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("argoproj.io/v1alpha1", "CronWorkflow"),
        ("batch/v1", "job"),
        ("batch.volcano.sh/v1alpha1", "Job"),
        ("v1", "Job"),
        ("batch/v1", "../job"),
        ("batch/v1", None),
        ("batch/v1", 5),
        ("batch/v1", ["Job"]),
        (None, "Job"),
    ],
)
def test_other_kinds_say_themselves_how_they_end(document, spec, version, kind):
    spec["trialTemplate"]["trialSpec"] |= {"apiVersion": version, "kind": kind}
    found = defaulted(document)["trialTemplate"]
    assert found.keys().isdisjoint({"successCondition", "failureCondition", "primaryPodLabels", "retain"})


def test_template_of_a_config_map_shows_no_kind(document, spec):
    del spec["trialTemplate"]["trialSpec"]
    spec["trialTemplate"]["configMap"] = {"configMapName": "a", "configMapNamespace": "b", "templatePath": "c"}
    assert "successCondition" not in defaulted(document)["trialTemplate"]


def test_primary_container_has_no_default(document, spec):
    del spec["trialTemplate"]["primaryContainerName"]
    assert "primaryContainerName" not in defaulted(document)["trialTemplate"]


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        (None, {"collector": {"kind": "StdOut"}}),
        ({}, {"collector": {"kind": "StdOut"}}),
        ({"collector": {"kind": "Push"}}, {"collector": {"kind": "Push"}}),
        (
            {"collector": {"kind": "File"}},
            {
                "collector": {"kind": "File"},
                "source": {"fileSystemPath": {"kind": "File", "path": "/var/log/katib/metrics.log", "format": "TEXT"}},
            },
        ),
        (
            {"collector": {"kind": "File"}, "source": {"fileSystemPath": {"path": "/x", "format": "JSON", "kind": ""}}},
            {
                "collector": {"kind": "File"},
                "source": {"fileSystemPath": {"kind": "File", "path": "/x", "format": "JSON"}},
            },
        ),
        (
            {"collector": {"kind": "TensorFlowEvent"}},
            {
                "collector": {"kind": "TensorFlowEvent"},
                "source": {"fileSystemPath": {"kind": "Directory", "path": "/var/log/katib/tfevent/"}},
            },
        ),
        (
            {"collector": {"kind": "PrometheusMetric"}},
            {"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"path": "/metrics", "port": 8080}}},
        ),
        (
            {"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"port": 0}}},
            {"collector": {"kind": "PrometheusMetric"}, "source": {"httpGet": {"path": "/metrics", "port": 0}}},
        ),
        (
            {"collector": {"kind": "Custom", "customCollector": {"name": "c"}}},
            {"collector": {"kind": "Custom", "customCollector": {"name": "c"}}},
        ),
        (
            {"source": {"filter": {"metricsFormat": ["(a)(b)"]}}},
            {"source": {"filter": {"metricsFormat": ["(a)(b)"]}}, "collector": {"kind": "StdOut"}},
        ),
    ],
)
def test_collectors(document, spec, stated, wanted):
    if stated is not None:
        spec["metricsCollectorSpec"] = stated
    assert defaulted(document)["metricsCollectorSpec"] == wanted


def test_defaulting_twice_changes_nothing_and_the_input_not_at_all(document):
    original = parse_experiment(document)
    before = original.model_copy(deep=True)
    once = with_defaults(original)
    assert with_defaults(once) == once
    assert original == before


def test_two_experiments_share_no_defaults(document, spec):
    spec["metricsCollectorSpec"] = {"collector": {"kind": "File"}}
    first, second = with_defaults(parse_experiment(document)), with_defaults(parse_experiment(document))
    first.spec.metrics_collector_spec.source.file_system_path.path = "/changed"
    assert second.spec.metrics_collector_spec.source.file_system_path.path == "/var/log/katib/metrics.log"


def test_empty_spec_is_no_reason_to_fail(document):
    document["spec"] = {}
    assert defaulted(document).keys() == {"parallelTrialCount", "resumePolicy", "metricsCollectorSpec"}
