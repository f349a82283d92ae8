"""Fields that are missing, unknown or of the wrong kind: one sentence each, all at once, with where and what instead."""

import pytest

from katib.api.document import load
from katib.api.parse import parse_experiment
from katib.errors import InvalidExperiment

HEAD = "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nmetadata: {name: x}\n"


def problems(text):
    with pytest.raises(InvalidExperiment) as caught:
        parse_experiment(load(text)[0].content)
    return {problem.path: problem for problem in caught.value.problems}


def only(text):
    (problem,) = problems(text).values()
    return problem


@pytest.mark.parametrize(
    ("spec", "path", "hint"),
    [
        ("maxTrialCoun: 4", "spec.maxTrialCoun", "maxTrialCount"),
        ("max_trial_count: 4", "spec.max_trial_count", "maxTrialCount"),
        ("MaxTrialCount: 4", "spec.MaxTrialCount", "maxTrialCount"),
        ("objective: {type: minimize, objectiveMetricName: m, target: 1}", "spec.objective.target", ""),
        (
            "objective: {type: minimize, objectiveMetricNam: m}",
            "spec.objective.objectiveMetricNam",
            "objectiveMetricName",
        ),
        ("algorithm: {algorithmName: a, settings: []}", "spec.algorithm.settings", "algorithmSettings"),
        (
            "parameters: [{name: a, parameterType: int, feasibleSpace: {mim: '1', max: '2'}}]",
            "spec.parameters[0].feasibleSpace.mim",
            "min",
        ),
        (
            "metricsCollectorSpec: {source: {fileSystemPath: {pth: /x}}}",
            "spec.metricsCollectorSpec.source.fileSystemPath.pth",
            "path",
        ),
        ("trialTemplate: {goTemplate: x}", "spec.trialTemplate.goTemplate", "retain"),
        ("int: 1", "spec.int", ""),
        ("'list[str]': 1", "spec.list[str]", ""),
    ],
)
def test_unknown_field_is_named_with_what_was_meant(spec, path, hint):
    found = problems(f"{HEAD}spec: {{{spec}}}")
    assert found[path].message == "is not a field of the format"
    if hint and hint != "retain":
        assert found[path].hint == f"did you mean {hint!r}?"


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ("parameters: {a: 1}", "spec.parameters", "must be a list"),
        ("parameters: [5]", "spec.parameters[0]", "must be a mapping of fields"),
        ("maxTrialCount: '5'", "spec.maxTrialCount", "must be a whole number"),
        ("maxTrialCount: 5.0", "spec.maxTrialCount", "must be a whole number"),
        ("maxTrialCount: yes", "spec.maxTrialCount", "must be a whole number"),
        ("maxTrialCount: 2147483648", "spec.maxTrialCount", "must be at most 2147483647"),
        ("seed: x", "spec.seed", "must be a whole number"),
        ("objective: {type: minimize, objectiveMetricName: m, goal: x}", "spec.objective.goal", "must be a number"),
        ("objective: []", "spec.objective", "must be a mapping of fields"),
        ("objective: {type: minimize}", "spec.objective.objectiveMetricName", "is required"),
        ("objective: {type: min, objectiveMetricName: m}", "spec.objective.type", "must be one of minimize, maximize"),
        ("resumePolicy: never", "spec.resumePolicy", "must be one of Never, LongRunning, FromVolume"),
        ("trialTemplate: {trialSpec: text}", "spec.trialTemplate.trialSpec", "must be a mapping"),
        ("trialTemplate: {retain: perhaps}", "spec.trialTemplate.retain", "must be true or false"),
        (
            "metricsCollectorSpec: {collector: {kind: None}}",
            "spec.metricsCollectorSpec.collector.kind",
            "must be one of StdOut, File, TensorFlowEvent, PrometheusMetric, Custom, Push",
        ),
        (
            "metricsCollectorSpec: {source: {httpGet: {port: [1]}}}",
            "spec.metricsCollectorSpec.source.httpGet.port",
            "must be a number or a name",
        ),
    ],
)
def test_wrong_kind_of_value_is_told_with_what_is_allowed(spec, path, message):
    problem = only(f"{HEAD}spec: {{{spec}}}")
    assert (problem.path, problem.message) == (path, message)


def test_near_word_is_suggested():
    assert only(HEAD + "spec: {resumePolicy: longrunning}").hint == "did you mean 'LongRunning'?"


def test_all_problems_come_at_once_with_their_values():
    found = problems(HEAD + "spec: {maxTrialCount: many, colour: red, parameters: [{name: 5}], seed: 0.5}")
    assert found.keys() == {
        "spec.maxTrialCount",
        "spec.colour",
        "spec.parameters[0].name",
        "spec.parameters[0].parameterType",
        "spec.parameters[0].feasibleSpace",
        "spec.seed",
    }
    assert found["spec.maxTrialCount"].value == "many"


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "true"])
def test_bare_word_that_yaml_reads_as_a_boolean_is_told_how_to_be_text(word):
    problem = only(
        f"{HEAD}spec: {{parameters: [{{name: a, parameterType: categorical, feasibleSpace: {{list: [{word}, x]}}}}]}}"
    )
    assert problem.path == "spec.parameters[0].feasibleSpace.list[0]"
    assert "in quotes" in problem.hint


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("0.01", "0.01"),
        ("1e-3", "1e-3"),
        ("3.10", "3.10"),
        ("010", "010"),
        ("5", "5"),
        ("'0.50'", "0.50"),
        ("-1", "-1"),
    ],
)
def test_bare_number_where_text_is_wanted_is_kept_as_it_was_written(written, text):
    spec = f"parameters: [{{name: a, parameterType: double, feasibleSpace: {{list: [{written}]}}}}]"
    experiment = parse_experiment(load(f"{HEAD}spec: {{{spec}}}")[0].content)
    assert experiment.spec.parameters[0].feasible_space.list == [text]


@pytest.mark.parametrize(
    "spec",
    [
        "resumePolicy: ''",
        "parameters: [{name: a, parameterType: int, feasibleSpace: {distribution: ''}}]",
        "metricsCollectorSpec: {source: {fileSystemPath: {kind: '', format: ''}}}",
    ],
)
def test_empty_word_is_the_same_as_none(spec):
    document = parse_experiment(load(f"{HEAD}spec: {{{spec}}}")[0].content).to_document()
    assert "''" not in repr(document)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("kind: Experiment", ["apiVersion"]),
        ("apiVersion: kubeflow.org/v1beta1\nkind: experiment", ["kind"]),
        ("apiVersion: kubeflow.org/v1alpha3\nkind: Trial", ["apiVersion", "kind"]),
        ("a: 1", ["apiVersion", "kind"]),
    ],
)
def test_something_that_is_no_experiment_is_not_read_as_one(text, paths):
    assert list(problems(text)) == paths


def test_missing_parts_are_named():
    assert problems("apiVersion: kubeflow.org/v1beta1\nkind: Experiment").keys() == {"metadata", "spec"}


def test_hostile_values_stay_short_in_messages():
    long = "x" * 100_000
    for text in (
        f"{HEAD}spec: {{{long}: 1}}",
        f"{HEAD}spec: {{maxTrialCount: {long}}}",
        f"{HEAD}spec: {{seed: [{long}]}}",
    ):
        with pytest.raises(InvalidExperiment) as caught:
            parse_experiment(load(text)[0].content)
        assert len(str(caught.value)) < 500
