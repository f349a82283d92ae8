"""Whole files: all problems of all documents at once, each with its line, and nothing admitted beside them."""

import copy
import json
import random
import textwrap
from pathlib import Path

import pytest
import yaml

from katib.admission import admit, admit_all
from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.api.document import load
from katib.api.parse import parse_experiment
from katib.errors import InvalidExperiment
from katib.template.render import render
from katib.template.source import LocalConfigMaps

GOOD = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata:
  name: good
spec:
  objective:
    type: minimize
    objectiveMetricName: loss
  algorithm:
    algorithmName: random
  maxTrialCount: 12
  parameters:
    - name: lr
      parameterType: double
      feasibleSpace: {min: "0.01", max: "0.1"}
    - name: optimizer
      parameterType: categorical
      feasibleSpace: {list: [sgd, adam]}
  trialTemplate:
    primaryContainerName: main
    trialParameters:
      - {name: lr, reference: lr}
      - {name: optimizer, reference: optimizer}
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - name: main
                image: example/train
                args: ["${trialParameters.lr}", "${trialParameters.optimizer}"]
            restartPolicy: Never
"""


def changed(*pairs):
    text = GOOD
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def located(problems):
    return [(problem.path, problem.line) for problem in problems]


def test_good_file_is_admitted_with_its_defaults(admitted):
    (experiment,) = admitted(GOOD)
    assert experiment.spec.parallel_trial_count == 3
    assert experiment.spec.trial_template.success_condition
    assert experiment.spec.metrics_collector_spec.collector.kind == "StdOut"


def test_what_is_admitted_is_admitted_again_unchanged(admitted):
    (experiment,) = admitted(GOOD)
    for text in (json.dumps(experiment.to_document()), yaml.safe_dump(experiment.to_document())):
        assert admitted(text) == [experiment]


def test_all_problems_of_a_document_come_in_the_order_of_the_file(refused):
    text = changed(
        ("name: good", "name: Bad"),
        ("algorithmName: random", "algorithmName: randon"),
        ('min: "0.01"', 'min: "1"'),
        ("reference: optimizer", "reference: optimiser"),
        ("maxTrialCount: 12", "maxTrialCount: 0"),
    )
    problems = refused(text)
    assert located(problems) == [
        ("metadata.name", 4),
        ("spec.algorithm.algorithmName", 10),
        ("spec.maxTrialCount", 11),
        ("spec.parameters[0].feasibleSpace.min", 15),
        ("spec.trialTemplate.trialParameters", 21),
        ("spec.trialTemplate.trialParameters[1].reference", 23),
    ]
    assert problems[1].hint == "did you mean 'random'?"
    assert problems[3].value == "1"


def test_a_misspelt_field_of_a_parameter_hides_no_other_problem(refused):
    text = changed(
        ("parameterType: double", "parametrType: double"),
        ("algorithmName: random", "algorithmName: randon"),
        ("reference: optimizer", "reference: optimiser"),
        ("list: [sgd, adam]", "list: [sgd, sgd]"),
    )
    assert located(refused(text)) == [
        ("spec.algorithm.algorithmName", 10),
        ("spec.parameters[0].parameterType", 13),
        ("spec.parameters[0].parametrType", 14),
        ("spec.parameters[1].feasibleSpace.list[1]", 18),
        ("spec.trialTemplate.trialParameters", 21),
        ("spec.trialTemplate.trialParameters[1].reference", 23),
    ]


def test_problems_of_all_documents_come_together_and_nothing_is_admitted(refused):
    text = (
        GOOD + "---\n" + changed(("name: good", "name: Bad")) + "---\n" + changed(("kind: Experiment", "kind: Trial"))
    )
    lines = GOOD.count("\n")
    assert located(refused(text)) == [("metadata.name", lines + 5), ("kind", 2 * lines + 4)]


def test_several_good_documents_are_admitted_in_order(admitted):
    names = ["b", "a", "c"]
    text = "---\n".join(changed(("name: good", f"name: {name}")) for name in names)
    assert [experiment.metadata.name for experiment in admitted(text)] == names


def test_the_same_name_twice_in_a_file_is_refused(admitted, refused):
    elsewhere = changed(("name: good", "name: good\n  namespace: other"))
    assert len(admitted(f"{GOOD}---\n{elsewhere}")) == 2
    default = changed(("name: good", "name: good\n  namespace: default"))
    for other in (GOOD, default):
        (problem,) = refused(f"{GOOD}---\n{other}")
        assert problem.message == "is used by more than one experiment of this file"


def test_name_and_namespace_can_be_replaced(admitted, refused):
    (experiment,) = admitted(GOOD, name="other", namespace="team")
    assert (experiment.metadata.name, experiment.metadata.namespace) == ("other", "team")
    (experiment,) = admitted(changed(("  name: good\n", "  {}\n")), name="other")
    assert experiment.metadata.name == "other"
    assert [problem.path for problem in refused(GOOD, name="Not Good")] == ["metadata.name"]
    assert [problem.path for problem in refused(f"{GOOD}---\n{GOOD}", name="x")] == ["metadata.name"]


def test_lines_are_right_also_when_the_name_is_replaced(refused):
    assert located(refused(changed(("maxTrialCount: 12", "maxTrialCount: 0")), name="x")) == [
        ("spec.maxTrialCount", 11)
    ]


def test_one_experiment_is_one_experiment(config_maps):
    assert admit(GOOD, config_maps=config_maps).metadata.name == "good"
    with pytest.raises(InvalidExperiment, match="one experiment is wanted here, not 2"):
        admit(GOOD + "---\n" + changed(("name: good", "name: two")), config_maps=config_maps)


@pytest.mark.parametrize("text", ["", "a: [", "- x", "a: 1\na: 2", b"\xff", "a: !!python/name:os.system"])
def test_what_is_no_document_is_one_problem(refused, text):
    assert len(refused(text)) == 1


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ("  algorithm:\n    algorithmName: random\n", "", ["spec.algorithm"]),
        ("algorithmName: random", "algorithmName: ''", ["spec.algorithm.algorithmName"]),
        (
            "algorithmName: random",
            "algorithmName: random\n    algorithmSettings: [{name: random_stat, value: x}, {name: random_state, value: -1}]",
            ["spec.algorithm.algorithmSettings[1].value", "spec.algorithm.algorithmSettings[0].name"],
        ),
        ("algorithmName: random", "algorithmName: grid", ["spec.parameters"]),
        (
            "  maxTrialCount",
            "  earlyStopping: {algorithmName: medianstops}\n  maxTrialCount",
            ["spec.earlyStopping.algorithmName"],
        ),
        (
            "  maxTrialCount",
            "  earlyStopping:\n    algorithmName: medianstop\n    algorithmSettings: [{name: start_step, value: 0}]\n  maxTrialCount",
            ["spec.earlyStopping.algorithmSettings[0].value"],
        ),
        ("trialTemplate:", "trialTemplat:", ["spec.trialTemplat"]),
        ("  maxTrialCount", "  constraints: [{expression: lr > 1}]\n  maxTrialCount", ["spec.constraints"]),
        (
            "  maxTrialCount",
            "  initialTrials: [{parameterAssignments: [{name: lr, value: 0.5}]}]\n  maxTrialCount",
            ["spec.initialTrials[0].parameterAssignments"] * 2,
        ),
        ("      kind: Job\n", "      kind: Workflow\n", ["spec.trialTemplate.successCondition", "spec.trialTemplate.failureCondition"]),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_together(refused, old, new, paths):
    assert [problem.path for problem in refused(changed((old, new)))] == paths


def test_initial_trials_that_are_points_of_the_space_are_admitted(admitted):
    initial = "  initialTrials: [{parameterAssignments: [{name: lr, value: 0.05}, {name: optimizer, value: adam}]}]\n"
    assert admitted(changed(("  maxTrialCount", initial + "  maxTrialCount")))


def test_missing_template_is_said(refused):
    text = GOOD[: GOOD.index("  trialTemplate:")]
    assert [problem.path for problem in refused(text)] == ["spec.trialTemplate"]


@pytest.fixture
def from_config_map(config_maps):
    """The good file with its template in a ConfigMap, which holds this text."""
    head, template = GOOD.split("    trialSpec:\n")

    def make(*pairs):
        text = textwrap.dedent(template)
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        config_maps["kubeflow", "templates", "job.yaml"] = text
        reference = "{configMapName: templates, configMapNamespace: kubeflow, templatePath: job.yaml}"
        return f"{head}    configMap: {reference}\n"

    return make


def test_template_of_a_config_map_is_put_inline_with_its_default_conditions(admitted, from_config_map):
    (experiment,) = admitted(from_config_map())
    assert experiment.spec.trial_template.config_map is None
    assert experiment.spec.trial_template.trial_spec["kind"] == "Job"
    assert 'type=="Complete"' in experiment.spec.trial_template.success_condition


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("restartPolicy", "restartPolcy", "its template, spec.template.spec.restartPolcy: is not a field of a Job"),
        ("kind: Job", "kind: ''", "its template, kind: is required"),
        ("name: main", "na[e: main", "its template, spec.template.spec.containers[0].na[e: is not a field of a Job"),
    ],
)
def test_fault_in_a_config_map_is_not_looked_for_in_the_file(refused, from_config_map, old, new, said):
    problems = refused(from_config_map((old, new)))
    found = [problem for problem in problems if problem.message == said]
    assert located(found) == [("spec.trialTemplate.configMap", 24)]


def test_missing_config_map_is_said_beside_everything_else(refused, from_config_map, config_maps):
    text = from_config_map().replace("maxTrialCount: 12", "maxTrialCount: 0")
    config_maps.clear()
    assert located(refused(text)) == [("spec.maxTrialCount", 11), ("spec.trialTemplate.configMap", 24)]


EXAMPLES = Path(__file__).parents[3] / "examples"
NASTY = [
    None, True, 0, -1, 3, 10**30, 1e308, 1e-320, 0.1, "", " ", "x", "${trialParameters.x}", "${trialParameters.",
    "${trialSpec.Name}", "1e999", "nan", "-1", "0", "1e-400", "1e99999999999999999999", "9" * 70, "٣", [], {}, [[]],
    {"": ""}, {"name": "x"}, ["a"], [None], {"a": None}, "a" * 5000, "\n", "'\"", "0.1", "1", "logUniform", "logNormal",
    "unknown", "int", "double", "discrete", "categorical", "1h", "lr < b", "minimize", "File", "Custom",
]  # fmt: skip


def places(value, path=()):
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(child, (*path, key))


def mutated(document, rng):
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 2])):
        *way, last = rng.choice(list(places(document)))
        parent = document
        for key in way:
            parent = parent[key]
        kind = rng.random()
        if kind < 0.7:
            parent[last] = copy.deepcopy(rng.choice(NASTY))
        elif kind < 0.85:
            del parent[last]
        elif isinstance(parent, dict):
            parent[rng.choice(["x", "list", "min", "step", "condition", "a.b", "a["])] = copy.deepcopy(
                rng.choice(NASTY)
            )
        else:
            parent.append(copy.deepcopy(rng.choice(NASTY)))
    return document


@pytest.mark.parametrize("example", sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*/*.yaml")))
def test_whatever_is_changed_in_an_example_it_works_or_is_refused(example):
    original = load((EXAMPLES / example).read_bytes())[0].content
    config_maps = LocalConfigMaps((EXAMPLES / example).parent / "configmaps")
    rng = random.Random(example)
    outcomes = set()
    for _ in range(60):
        text = json.dumps(mutated(original, rng))
        try:
            (experiment,) = admit_all(text, config_maps=config_maps)
        except InvalidExperiment as error:
            outcomes.add(bool(error.problems) and all(problem.line for problem in error.problems))
            continue
        space = registry.space_of(experiment)
        if experiment.spec.nas_config is None:
            point = space.sample(rng)
        else:  # only its algorithm makes networks
            (point,) = suggest(registry.create(experiment, 0), History(), 1)
        pairs = [(each.name, each.value) for each in point.assignments()]
        assert space.parse(pairs) == point
        job = render(experiment, "trial", pairs, template=experiment.spec.trial_template.trial_spec)
        json.dumps(job, allow_nan=False)
        assert parse_experiment(experiment.to_document()) == experiment
    assert outcomes == {True}


def test_early_stopping_is_checked_with_the_whole_experiment_and_beside_a_broken_space(admitted, refused):
    stopping = "  earlyStopping: {algorithmName: medianstop}\n  maxTrialCount"
    [experiment] = admitted(changed(("  maxTrialCount", stopping)))
    assert experiment.spec.early_stopping.algorithm_name == "medianstop"
    second = "  objectives: [{type: minimize, objectiveMetricName: time}]\n"
    assert [problem.path for problem in refused(changed(("  maxTrialCount", second + stopping)))] == ["spec.objectives"]
    wrong = changed(
        ("  maxTrialCount", stopping.replace("medianstop", "asha")), ("parameterType: ", "parameterType: un")
    )
    assert "spec.earlyStopping.algorithmName" not in [problem.path for problem in refused(wrong)]
    both = changed(("  maxTrialCount", stopping.replace("medianstop", "ash")), ("parameterType: ", "parameterType: un"))
    (problem,) = [each for each in refused(both) if each.path == "spec.earlyStopping.algorithmName"]
    assert problem.hint == "did you mean 'asha'?"
    assert problem.line
