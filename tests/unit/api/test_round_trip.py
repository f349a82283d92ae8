"""Documents with every field of the format (facts 2.1 to 2.4) come back as they were."""

import json
from datetime import UTC, datetime

import pytest
import yaml

from katib.api import base, experiment, suggestion, trial
from katib.api.base import ApiModel, Condition
from katib.api.document import load
from katib.api.experiment import Experiment
from katib.api.parse import parse_experiment
from katib.api.suggestion import Suggestion
from katib.api.trial import Trial

TIME = "2026-06-22T10:20:30Z"
CONDITIONS = [
    {
        "type": "Created",
        "status": "True",
        "reason": "ExperimentCreated",
        "message": "Experiment is created",
        "lastUpdateTime": TIME,
        "lastTransitionTime": TIME,
    },
    {"type": "Running", "status": "Unknown"},
]
METADATA = {
    "name": "every-field",
    "generateName": "every-",
    "namespace": "kubeflow",
    "uid": "0c0ffee0",
    "labels": {"team": "a", "katib.kubeflow.org/x": "y"},
    "annotations": {"note": "multi\nline"},
    "creationTimestamp": TIME,
    "deletionTimestamp": TIME,
    "resourceVersion": "12",
    "generation": 3,
    "finalizers": ["update-prometheus-metrics"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1"}],
    "managedFields": [{"manager": "kubectl"}],
}
OBJECTIVE = {
    "type": "maximize",
    "goal": 0.99,
    "objectiveMetricName": "accuracy",
    "additionalMetricNames": ["loss", "latency"],
    "metricStrategies": [
        {"name": "accuracy", "value": "max"},
        {"name": "loss", "value": "min"},
        {"name": "latency", "value": "latest"},
    ],
    "bounds": [{"metricName": "latency", "min": 0.5, "max": 20.0}],
}
COLLECTOR = {
    "source": {
        "httpGet": {
            "path": "/metrics",
            "port": 8080,
            "host": "localhost",
            "scheme": "HTTPS",
            "httpHeaders": [{"name": "X-Token", "value": "t"}],
        },
        "fileSystemPath": {"path": "/var/log/metrics.json", "kind": "File", "format": "JSON"},
        "filter": {"metricsFormat": ["([a-z]+)=([0-9.]+)"]},
    },
    "collector": {
        "kind": "Custom",
        "customCollector": {
            "name": "collector",
            "image": "example/collector",
            "args": ["-m", "loss"],
            "resources": {"limits": {"cpu": "50m"}},
        },
    },
}
ALGORITHM = {"algorithmName": "tpe", "algorithmSettings": [{"name": "gamma", "value": "0.25"}]}
EARLY_STOPPING = {"algorithmName": "medianstop", "algorithmSettings": [{"name": "min_trials_required", "value": "3"}]}
OBSERVATION = {"metrics": [{"name": "accuracy", "min": "0.1", "max": "0.9", "latest": "unavailable"}]}
ASSIGNMENTS = [{"name": "lr", "value": "0.01"}, {"name": "layers", "value": "3"}]
PARAMETERS = [
    {
        "name": "lr",
        "parameterType": "double",
        "feasibleSpace": {"min": "0.01", "max": "0.1", "step": "0.01", "distribution": "logNormal"},
    },
    {"name": "layers", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "8", "distribution": "uniform"}},
    {"name": "batch", "parameterType": "discrete", "feasibleSpace": {"list": ["16", "32.0"]}},
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"], "distribution": "unknown"}},
    {
        "name": "depth",
        "parameterType": "unknown",
        "feasibleSpace": {"min": "1", "max": "2"},
        "condition": {"parameter": "kind", "in": ["a"]},
    },
]
TEMPLATE = {
    "retain": True,
    "trialSpec": {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {"template": {"x": [1, 2.5, None, "", {"y": False}]}},
    },
    "configMap": {"configMapName": "m", "configMapNamespace": "kubeflow", "templatePath": "t.yaml"},
    "trialParameters": [{"name": "rate", "description": "Learning rate", "reference": "lr"}],
    "primaryPodLabels": {"training.kubeflow.org/job-role": "master"},
    "primaryContainerName": "main",
    "successCondition": 'status.conditions.#(type=="Complete")#|#(status=="True")#',
    "failureCondition": 'status.conditions.#(type=="Failed")#|#(status=="True")#',
}
OPTIMAL = {"bestTrialName": "every-field-1", "parameterAssignments": ASSIGNMENTS, "observation": OBSERVATION}
LISTS = ("running", "pending", "failed", "succeeded", "killed", "earlyStopped", "metricsUnavailable")
COUNTERS = ("", "Succeeded", "Failed", "Killed", "Pending", "Running", "EarlyStopped")

EXPERIMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": METADATA,
    "spec": {
        "parameters": PARAMETERS,
        "objective": OBJECTIVE,
        "objectives": [{"type": "minimize", "objectiveMetricName": "cost", "goal": 1.5}],
        "algorithm": ALGORITHM,
        "earlyStopping": EARLY_STOPPING,
        "trialTemplate": TEMPLATE,
        "parallelTrialCount": 3,
        "maxTrialCount": 12,
        "maxFailedTrialCount": 2,
        "metricsCollectorSpec": COLLECTOR,
        "nasConfig": {
            "graphConfig": {"numLayers": 8, "inputSizes": [32, 32, 3], "outputSizes": [10]},
            "operations": [{"operationType": "convolution", "parameters": PARAMETERS[:1]}],
        },
        "resumePolicy": "FromVolume",
        "constraints": [{"expression": "lr < layers"}],
        "initialTrials": [{"parameterAssignments": ASSIGNMENTS, "metrics": [{"name": "accuracy", "value": "0.7"}]}],
        "maxRuntime": "1h30m",
        "trialTimeout": "90s",
        "seed": 7,
    },
    "status": {
        "startTime": TIME,
        "completionTime": TIME,
        "lastReconcileTime": TIME,
        "conditions": CONDITIONS,
        "currentOptimalTrial": OPTIMAL,
        "bestObjective": "0.5",
        "bestParameters": "lr=0.5",
        "paretoOptimalTrials": [OPTIMAL],
        **{f"{name}TrialList": [f"every-field-{index}"] for index, name in enumerate(LISTS)},
        **{f"trials{name}": index for index, name in enumerate(COUNTERS)},
        "trialMetricsUnavailable": 9,
    },
}
RULES = [{"name": "accuracy", "value": "0.5", "comparison": "less", "startStep": 4}]
TRIAL = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Trial",
    "metadata": METADATA,
    "spec": {
        "objective": OBJECTIVE,
        "parameterAssignments": ASSIGNMENTS,
        "earlyStoppingRules": RULES,
        "runSpec": TEMPLATE["trialSpec"],
        "retainRun": True,
        "metricsCollector": COLLECTOR,
        "primaryPodLabels": {"a": "b"},
        "primaryContainerName": "main",
        "successCondition": "status.ok",
        "failureCondition": "status.bad",
        "labels": {"generation": "1"},
    },
    "status": {
        "startTime": TIME,
        "completionTime": TIME,
        "lastReconcileTime": TIME,
        "conditions": CONDITIONS,
        "observation": OBSERVATION,
        "objectiveValue": "0.5",
    },
}
SUGGESTION = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Suggestion",
    "metadata": METADATA,
    "spec": {
        "algorithm": ALGORITHM,
        "earlyStopping": EARLY_STOPPING,
        "requests": 5,
        "resumePolicy": "LongRunning",
    },
    "status": {
        "algorithmSettings": [{"name": "state", "value": "{}"}],
        "suggestionCount": 4,
        "suggestions": [
            {
                "name": "every-field-1",
                "parameterAssignments": ASSIGNMENTS,
                "earlyStoppingRules": RULES,
                "labels": {"generation": "1"},
            }
        ],
        "startTime": TIME,
        "completionTime": TIME,
        "lastReconcileTime": TIME,
        "conditions": CONDITIONS,
    },
}
RESOURCES = [(Experiment, EXPERIMENT), (Trial, TRIAL), (Suggestion, SUGGESTION)]


@pytest.mark.parametrize(("model", "document"), RESOURCES)
def test_every_field_comes_back(model, document):
    assert model.model_validate(document).to_document() == document


@pytest.mark.parametrize(("model", "document"), RESOURCES)
def test_every_field_comes_back_from_a_file(model, document):
    for text in (yaml.safe_dump(document), json.dumps(document)):
        read = load(text)[0].content
        written = model.model_validate(read).to_document()
        assert written == document
        assert (
            yaml.safe_load(yaml.safe_dump(written)) == document
        )  # nothing but plain values is left of the reader's own


def test_the_documents_above_have_every_field_of_every_model():
    """So that a new field cannot be forgotten here."""

    def given(value, model):
        seen.setdefault(model, set()).update(value)
        for field in model.model_fields.values():
            inner = value.get(field.alias)
            below = next(
                (each for each in models if f"{each.__module__}.{each.__name__}" in str(field.annotation)), None
            )
            for item in (inner if isinstance(inner, list) else [inner]) if below and inner else []:
                given(item, below)

    models = [
        each
        for module in (base, experiment, suggestion, trial)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, ApiModel) and each is not ApiModel
    ]
    seen = {}
    for model, document in RESOURCES:
        given(document, model)
    for model in models:
        aliases = {field.alias for field in model.model_fields.values()}
        assert aliases <= seen.get(model, set()), model


def test_parsing_a_file_accepts_every_field():
    assert parse_experiment(load(json.dumps(EXPERIMENT))[0].content).to_document() == EXPERIMENT


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        (TIME, TIME),
        ("2026-06-22T12:20:30+02:00", TIME),
        ("2026-06-22T10:20:30.987Z", TIME),
        ("2026-06-22T10:20:30", TIME),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_utc_whatever_they_were_written_in(written, printed):
    condition = Condition.model_validate({"type": "Created", "lastUpdateTime": written})
    assert condition.to_document()["lastUpdateTime"] == printed
    assert condition.last_update_time.tzinfo is UTC
    assert Condition.model_validate(condition.to_document()).last_update_time == condition.last_update_time.replace(
        microsecond=0
    )


def test_time_outside_the_calendar_is_refused():
    with pytest.raises(ValueError, match="first or after the last year"):
        Condition.model_validate({"type": "Created", "lastUpdateTime": "0001-01-01T00:00:00+01:00"})


def test_absent_fields_stay_absent():
    minimal = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "x"}, "spec": {}}
    assert Experiment.model_validate(minimal).to_document() == minimal


def test_condition_made_by_the_engine_prints_as_kubernetes_prints():
    made = Condition(type="Running", last_update_time=datetime(2026, 6, 22, 10, 20, 30, 5, tzinfo=UTC))
    assert made.to_document() == {"type": "Running", "status": "True", "lastUpdateTime": TIME}


def test_what_the_reader_knows_of_quotes_and_digits_is_not_printed():
    text = (
        "{apiVersion: kubeflow.org/v1beta1, kind: Experiment, metadata: {name: x}, spec: {trialTemplate: {trialSpec: "
    )
    written = parse_experiment(load(text + "{a: 1.50, b: 010, c: word, d: [1e3]}}}}")[0].content).to_document()
    assert yaml.safe_load(yaml.safe_dump(written))["spec"]["trialTemplate"]["trialSpec"] == {
        "a": 1.5,
        "b": 8,
        "c": "word",
        "d": [1000.0],
    }
