"""A trial's job from its template (facts 3): every value is one scalar, whatever is in it."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from katib.errors import InvalidInput
from katib.runners.container import command_of
from katib.template.render import render

SEEDED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

JOB = """
apiVersion: batch/v1
kind: Job
metadata:
  labels: {app: train}
  annotations: {owner: me}
spec:
  backoffLimit: 0
  template:
    spec:
      containers:
        - name: main
          image: example/train
          command: [python, train.py, "--x=${trialParameters.x}", "--y", "${trialParameters.y}"]
          env:
            - {name: BOTH, value: "${trialParameters.x}/${trialParameters.y}"}
            - {name: META, value: "${trialParameters.name}"}
"""
META = {"x": "x", "y": "y", "name": "${trialSpec.Name}"}


def shape(value):
    """The tree without its scalars."""
    if isinstance(value, dict):
        return {key: shape(child) for key, child in value.items()}
    return [shape(child) for child in value] if isinstance(value, list) else None


def container(job):
    return job["spec"]["template"]["spec"]["containers"][0]


def test_placeholders_are_replaced_everywhere(rendered):
    job = rendered(JOB, {"x": "0.5", "y": "adam"}, references=META)
    assert container(job)["command"] == ["python", "train.py", "--x=0.5", "--y", "adam"]
    assert container(job)["env"] == [{"name": "BOTH", "value": "0.5/adam"}, {"name": "META", "value": "tune-1"}]


def test_job_has_the_trials_name_namespace_and_labels(rendered):
    metadata = {"name": "tune", "namespace": "team", "labels": {"team": "a", "app": "other"}}
    job = rendered(JOB, {"x": "1", "y": "2"}, references=META, metadata=metadata)
    assert job["metadata"] == {
        "name": "tune-1",
        "namespace": "team",
        "labels": {
            "team": "a",
            "app": "train",
            "katib.kubeflow.org/experiment": "tune",
            "katib.kubeflow.org/trial": "tune-1",
        },
        "annotations": {"owner": "me"},
    }
    assert (
        rendered(JOB, {"x": "1", "y": "2"}, references=META, metadata={"name": "tune"})["metadata"]["namespace"]
        == "default"
    )


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("${trialSpec.Name}", "tune-1"),
        ("${trialSpec.Namespace}", "team"),
        ("${trialSpec.Kind}", "Job"),
        ("${trialSpec.APIVersion}", "batch/v1"),
        ("${trialSpec.Labels[app]}", "train"),
        ("${trialSpec.Labels[a.b/c-d]}", "dotted"),
        ("${trialSpec.Annotations[owner]}", "me"),
    ],
)
def test_references_to_the_trial_itself(rendered, reference, value):
    template = JOB.replace("{app: train}", "{app: train, a.b/c-d: dotted}")
    job = rendered(template, {"x": "1", "y": "2"}, references={"x": "x", "y": "y", "name": reference})
    assert container(job)["env"][1]["value"] == value


@pytest.mark.parametrize(
    "reference",
    [
        "${trialSpec.Labels[none]}",
        "${trialSpec.Annotations[app]}",
        "${trialSpec.Foo}",
        "${trialSpec.Labels}",
        "${trialSpec.}",
    ],
)
def test_references_to_what_is_not_there(rendered, reference):
    with pytest.raises(InvalidInput):
        rendered(JOB, {"x": "1", "y": "2"}, references={"x": "x", "y": "y", "name": reference})


HOSTILE = [
    "",
    " ",
    "'",
    '"',
    "\\",
    "a\nb: c",
    "a\n- b",
    "\r\n\t",
    "$(rm -rf /)",
    "$(X)",
    "${X}",
    "$$",
    "${trialParameters.x}",
    "${trialParameters.y}",
    "${trialSpec.Name}",
    "${trialParameters.",
    "{a: b}",
    "[1, 2]",
    "a: b",
    "- a",
    "# comment",
    "!!python/object:x",
    "&anchor",
    "*alias",
    "|",
    "null",
    "~",
    "yes",
    "0x10",
    "010",
    "1:30",
    "2020-01-01",
    "---",
    "\0\x07\x1b[31m\x7f",
    "\u202e\u2028é😀",
    "{{.Trial}}",
    "%s%n{0}",
    r"\1\g<0>",
    "x" * 1_000_000,
    "${trialParameters.x}" * 50_000,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value[:20]))
def test_hostile_value_stays_one_scalar(rendered, value):
    job = rendered(JOB, {"x": value, "y": value}, references=META)
    seen = command_of(container(job), job)
    assert seen.argv == ("python", "train.py", f"--x={value}", "--y", value)
    assert next(iter(seen.env.values())) == f"{value}/{value}"
    assert shape(job) == shape(rendered(JOB, {"x": "a", "y": "b"}, references=META))


def test_only_values_that_kubernetes_would_change_are_written_differently(rendered):
    job = rendered(JOB, {"x": "US$ 5", "y": "$(HOME) $$"}, references=META)
    assert container(job)["command"][2] == "--x=US$ 5"
    assert container(job)["command"][4] == "$$(HOME) $$$$"


@SEEDED
@given(st.text(), st.text())
def test_any_text_leaves_the_shape_of_the_template_alone(made, x, y):
    experiment = made(JOB + "  parallelism: ${trialParameters.x}\n  note: '${trialParameters.y}'\n", references=META)
    template = experiment.spec.trial_template.trial_spec
    before = copy.deepcopy(template)
    job = render(experiment, "tune-1", [("x", x), ("y", y)], template=template)
    assert shape(job["spec"]) == shape(template["spec"])
    seen = command_of(container(job), job)
    assert seen.argv[4] == y
    assert next(iter(seen.env.values())) == f"{x}/{y}"
    assert str(job["spec"]["note"]) == y
    assert template == before
    json.dumps(job, allow_nan=False)


TYPED = """
apiVersion: example.com/v1
kind: Thing
spec:
  plain: ${trialParameters.x}
  quoted: "${trialParameters.x}"
  single: '${trialParameters.x}'
  folded: >-
    ${trialParameters.x}
  part: n${trialParameters.x}
  list:
    - ${trialParameters.x}
    - "${trialParameters.x}"
  args:
    - ${trialParameters.x}
  env:
    - name: N
      value: ${trialParameters.x}
  labels:
    n: ${trialParameters.x}
  limits:
    gpus: ${trialParameters.x}
  image: ${trialParameters.x}
  ${trialParameters.y}: ${trialParameters.x}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-7", -7), ("0.5", 0.5), ("1e-3", 0.001), ("5.", 5.0), (".5", 0.5), ("true", True), ("false", False),
        ("yes", "yes"), ("null", "null"), ("", ""), ("adam", "adam"), ("0x10", "0x10"), ("1e999", "1e999"), ("nan", "nan"),
        ("9" * 5_000, "9" * 5_000), ("1_000", "1_000"), ("٣", "٣"), (" 3", " 3"), ("True", "True"),
    ],
)  # fmt: skip
def test_only_a_placeholder_alone_and_unquoted_becomes_a_number(rendered, text, value):
    job = rendered(TYPED, {"x": text, "y": "1e3"})
    spec = job["spec"]
    assert (spec["plain"], type(spec["plain"])) == (value, type(value))
    assert spec["list"] == [value, text]
    assert (spec["quoted"], spec["single"], spec["folded"], spec["part"]) == (text, text, text, f"n{text}")
    # Where Kubernetes wants text it gets text.
    assert spec["args"] == [text]
    assert spec["env"] == [{"name": "N", "value": text}]
    assert (spec["labels"], spec["limits"], spec["image"]) == ({"n": text}, {"gpus": text}, text)
    assert spec["1e3"] == value  # a key stays as it was written
    assert "annotations" not in job["metadata"]


def test_values_of_numbers_and_plain_text_of_the_template_stay_as_they_are(rendered):
    job = rendered(
        "apiVersion: v1\nkind: T\nspec: {a: 1, b: 1.50, c: yes, d: null, e: text, f: [], g: {}, h: 010}",
        {},
        parameters=(),
    )
    assert job["spec"] == {"a": 1, "b": 1.5, "c": True, "d": None, "e": "text", "f": [], "g": {}, "h": 8}


def test_one_value_may_be_used_in_many_places_and_many_in_one(rendered):
    template = "apiVersion: v1\nkind: T\nspec: {a: '${trialParameters.x}${trialParameters.x}-${trialParameters.y}'}"
    assert rendered(template, {"x": "1", "y": "2"})["spec"]["a"] == "11-2"


def test_names_of_placeholders_may_have_any_character_but_braces(rendered):
    template = "apiVersion: v1\nkind: T\nspec: {a: '${trialParameters.learning rate (β)!}'}"
    assert rendered(template, {"x": "1"}, parameters=("x",), references={"learning rate (β)!": "x"})["spec"]["a"] == "1"


def test_placeholder_that_stands_for_nothing_is_refused_with_its_place(rendered):
    with pytest.raises(InvalidInput) as caught:
        rendered("apiVersion: v1\nkind: T\nspec: {a: [b, '${trialParameters.z}']}", {"x": "1", "y": "2"})
    (problem,) = caught.value.problems
    assert problem.path == "spec.trialTemplate.trialSpec.spec.a[1]"
    assert "${trialParameters.z}" in problem.message


def test_two_keys_that_become_one_are_refused(rendered):
    template = "apiVersion: v1\nkind: T\nspec: {'${trialParameters.x}': 1, '${trialParameters.y}': 2}"
    assert rendered(template, {"x": "a", "y": "b"})["spec"] == {"a": 1, "b": 2}
    with pytest.raises(InvalidInput, match="a key that is there already"):
        rendered(template, {"x": "a", "y": "a"})


CONDITIONAL = """
apiVersion: batch/v1
kind: Job
metadata:
  annotations: {only-y: "${trialParameters.y}", both: "${trialParameters.x}-${trialParameters.y}"}
spec:
  parallelism: ${trialParameters.y}
  template:
    spec:
      containers:
        - name: main
          command: [train, "--x=${trialParameters.x}", "--y=${trialParameters.y}", --last]
          args: [--verbose, --y, "${trialParameters.y}", -y, "${trialParameters.y}", "${trialParameters.y}", --x, "${trialParameters.x}"]
          env:
            - {name: X, value: "${trialParameters.x}"}
            - {name: Y, value: "${trialParameters.y}"}
            - {name: "Y_${trialParameters.y}", value: set}
            - {name: FROM, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
"""
ON_X = {"y": {"parameter": "x", "in": ["a"]}}


def test_inactive_parameter_leaves_nothing_behind(rendered):
    job = rendered(CONDITIONAL, {"x": "b"}, conditions=ON_X)
    assert "parallelism" not in job["spec"]
    assert "annotations" not in job["metadata"]
    assert container(job) == {
        "name": "main",
        "command": ["train", "--x=b", "--last"],
        "args": ["--verbose", "--x", "b"],
        "env": [
            {"name": "X", "value": "b"},
            {"name": "FROM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
    }


def test_active_parameter_is_there_like_any_other(rendered):
    job = rendered(CONDITIONAL, {"x": "a", "y": "3"}, conditions=ON_X)
    assert job["spec"]["parallelism"] == 3
    assert container(job)["args"] == ["--verbose", "--y", "3", "-y", "3", "3", "--x", "a"]
    assert {"name": "Y_3", "value": "set"} in container(job)["env"]


@pytest.mark.parametrize(
    "text", ["train --y ${trialParameters.y}", "a ${trialParameters.y}", "a\n${trialParameters.y}"]
)
def test_inactive_parameter_in_the_middle_of_a_text_is_refused(rendered, text):
    template = f"apiVersion: v1\nkind: T\nspec: {{command: [sh, -c, {json.dumps(text)}], x: '${{trialParameters.x}}'}}"
    assert rendered(template, {"x": "a", "y": "1"}, conditions=ON_X)
    with pytest.raises(InvalidInput, match="'y' has no value in every trial"):
        rendered(template, {"x": "b"}, conditions=ON_X)


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("--flag", []),
        ("-f", []),
        ("--a.b-c", []),
        ("--flag=1", ["--flag=1"]),
        ("word", ["word"]),
        ("-", ["-"]),
        ("--", ["--"]),
    ],
)
def test_only_an_option_goes_with_its_value(rendered, before, kept):
    template = (
        f"apiVersion: v1\nkind: T\nspec: {{args: ['{before}', '${{trialParameters.y}}'], x: '${{trialParameters.x}}', "
        f"list: ['{before}', '${{trialParameters.y}}']}}"
    )
    spec = rendered(template, {"x": "b"}, conditions=ON_X)["spec"]
    assert spec["args"] == kept
    assert spec["list"] == [before]


def test_names_of_network_searches_are_passed_on(rendered):
    template = "apiVersion: v1\nkind: T\nspec: {a: '${trialParameters.arch}'}"
    job = rendered(template, {"architecture": "[[1], [2]]"}, parameters=(), references={"arch": "architecture"})
    assert job["spec"]["a"] == "[[1], [2]]"
