"""Whether a template and its experiment fit together (facts 2.8, items 10 to 12)."""

import pytest

from katib.template import validate

TEMPLATE = """
apiVersion: batch/v1
kind: Job
metadata:
  labels: {app: train}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: main
          image: example/train
          command: [train, "--x=${trialParameters.x}", "--y=${trialParameters.y}"]
"""
BOTH = {"x": "x", "y": "y"}


@pytest.fixture
def said(made):
    """Return what is wrong, by path below the template."""

    def check(template=TEMPLATE, *, change=None, **more):
        experiment = made(template, **more)
        stated = experiment.spec.trial_template
        if change:
            change(stated)
        found = validate.problems(experiment, stated.trial_spec)
        assert all(problem.path.startswith("spec.trialTemplate.") for problem in found)
        return {problem.path.removeprefix("spec.trialTemplate."): problem for problem in found}

    return check


def test_good_template_has_no_problems(said):
    assert said() == {}


def test_required_parts(said):
    def strip(stated):
        stated.primary_container_name = stated.success_condition = None
        stated.failure_condition = ""
        stated.trial_parameters = None

    found = said(change=strip)
    assert list(found) == ["primaryContainerName", "successCondition", "failureCondition", "trialParameters"]
    assert "kind 'Job'" in found["successCondition"].message


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("command: [", 'env: [{name: A=B, value: "1"}]\n          command: [', "env[0].name", "other than '='"),
        ("command: [", 'env: [{name: "A\\0", value: "1"}]\n          command: [', "env[0].name", "printable ASCII"),
        ("command: [", 'env: [{value: "1"}]\n          command: [', "env[0].name", "is required"),
        ("command: [", 'env: [{name: A, value: "1\\0"}]\n          command: [', "env[0].value", "NUL"),
        ("app: train", "app: a train", "trialSpec.metadata.labels['app']", "a valid label must be an empty string or"),
        ("app: train", "an app: train", "trialSpec.metadata.labels", "name part must consist of"),
        ("app: train", "My.Org/app: train", "trialSpec.metadata.labels", "lowercase RFC 1123 subdomain"),
        ("app: train", f"app: {'x' * 64}", "trialSpec.metadata.labels['app']", "no more than 63"),
    ],
)
def test_what_no_cluster_takes_is_no_template_here_either(said, old, new, path, words):
    ((found, problem),) = said(TEMPLATE.replace(old, new)).items()
    assert found.endswith(path)
    assert words in problem.message


def test_what_clusters_take_is_a_template(said):
    labels = 'app: "", example.com/app_1.b: "A-1", x: "1"'
    env = '[{name: "my.env-name/1 {x}", value: ""}, {name: _A, value: "é=b"}]'
    assert said(TEMPLATE.replace("app: train", labels).replace("command: [", f"env: {env}\n          command: [")) == {}


def test_conditions_have_to_be_readable(said):
    (problem,) = said(successCondition="status.#(").values()
    assert problem.message.startswith("is no GJSON query")


@pytest.mark.parametrize(
    ("references", "path", "message"),
    [
        ({"x": "x", "y": "y", "": "${trialSpec.Name}"}, "trialParameters[2].name", "must not be empty nor have braces"),
        (
            {"x": "x", "y": "y", "a{": "${trialSpec.Name}"},
            "trialParameters[2].name",
            "must not be empty nor have braces",
        ),
        ({"x": "x", "y": "y", "z": "${trialSpec.Name}"}, "trialParameters[2].name", "is not used"),
        ({"x": "x", "y": ""}, "trialParameters[1].reference", "must not be empty"),
        ({"x": "x", "y": "x"}, "trialParameters[1].reference", "is referred to twice"),
        ({"x": "x", "y": "z"}, "trialParameters[1].reference", "is none of the parameters"),
        ({"x": "x", "y": "${trialSpec.Nam}"}, "trialParameters[1].reference", "is no reference to the trial"),
        ({"x": "x", "y": "${trialSpec.Labels[no]}"}, "trialParameters[1].reference", "the template has no label 'no'"),
        ({"x": "x"}, "trialSpec.spec.template.spec.containers[0].command[2]", "is none of trialParameters"),
        ({"x": "x"}, "trialParameters", "no trial parameter refers to 'y'"),
    ],
)
def test_trial_parameters(said, references, path, message):
    assert message in said(references=references)[path].message


def test_the_same_name_twice(said):
    def twice(stated):
        stated.trial_parameters.append(stated.trial_parameters[0].model_copy(update={"reference": "${trialSpec.Name}"}))

    assert said(change=twice)["trialParameters[2].name"].message == "is there twice"


def test_near_names_are_suggested(said):
    found = said(references={"x": "x", "why": "yy"}, parameters=("x", "yyy"))
    assert found["trialParameters[1].reference"].hint == "did you mean 'yyy'?"
    found = said(
        TEMPLATE.replace("Parameters.y}", "Parameters.learningRat}"), references={"x": "x", "learningRate": "y"}
    )
    assert found["trialParameters[1].name"].hint == "did you mean 'learningRat'?"


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("labels: {", "name: mine\n  labels: {", "trialSpec.metadata.name", "must be left out"),
        ("labels: {", "namespace: mine\n  labels: {", "trialSpec.metadata.namespace", "must be left out"),
        ("apiVersion: batch/v1", "apiVersion: ''", "trialSpec.apiVersion", "is required"),
        ("kind: Job", "kind: [Job]", "trialSpec.kind", "is required"),
        ("train}", "'${trialParameters.x'}", "trialSpec.metadata.labels.app", "not closed"),
        ("train}", "'${trialParameters.${x}}'}", "trialSpec.metadata.labels.app", "nested"),
        ("train}", "'${trialParametersx}'}", "trialSpec.metadata.labels.app", "no name"),
    ],
)
def test_template_object(said, old, new, path, message):
    assert message in said(TEMPLATE.replace(old, new))[path].message


def test_values_that_look_like_placeholders_are_no_fault_of_the_template(made):
    experiment = made(TEMPLATE)
    experiment.spec.parameters[0].feasible_space.list = ["${trialParameters.", "${trialParameters.x}"]
    assert validate.problems(experiment, experiment.spec.trial_template.trial_spec) == []


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("restartPolicy: Never", "restartPolcy: Never", "spec.template.spec.restartPolcy", "is not a field of a Job"),
        ("image: example/train", "image: 5", "spec.template.spec.containers[0].image", "must be text"),
        (
            "spec:\n  template:",
            "spec:\n  backoffLimit: '3'\n  template:",
            "spec.backoffLimit",
            "must be a whole number",
        ),
        (
            "spec:\n  template:",
            "spec:\n  activeDeadlineSeconds: -5\n  template:",
            "spec.activeDeadlineSeconds",
            "must be from 0 ",
        ),
        ("restartPolicy: Never", "restartPolicy: Always", "spec.template.spec.restartPolicy", "Never or OnFailure"),
        (
            "restartPolicy: Never",
            "terminationGracePeriodSeconds: -1",
            "spec.template.spec.terminationGracePeriodSeconds",
            "must be from 0 ",
        ),
        ("spec:\n  template:", "spec:\n  suspend: 1\n  template:", "spec.suspend", "must be true or false"),
        ("spec:\n  template:", "spec:\n  completions: true\n  template:", "spec.completions", "must be a whole number"),
        ("command: [", "env: {A: b}\n          command: [", "spec.template.spec.containers[0].env", "must be a list"),
        (
            "command: [",
            "env: [{name: A, value: 5}]\n          command: [",
            "spec.template.spec.containers[0].env[0].value",
            "must be text",
        ),
        ("command: [", "command: [5, ", "spec.template.spec.containers[0].command[0]", "must be text"),
    ],
)
def test_fields_of_a_job(said, old, new, path, message):
    assert message in said(TEMPLATE.replace(old, new))[f"trialSpec.{path}"].message


def test_near_field_is_suggested(said):
    found = said(TEMPLATE.replace("restartPolicy", "restartPolcy"))
    assert found["trialSpec.spec.template.spec.restartPolcy"].hint == "did you mean 'restartPolicy'?"


def test_what_is_below_resources_is_not_looked_at(said):
    resources = "resources: {limits: {cpu: 1, nvidia.com/gpu: 1, anything: {goes: here}}}\n          command: ["
    assert said(TEMPLATE.replace("command: [", resources)) == {}


def test_status_and_empty_fields_that_tools_leave_are_no_fault(said):
    template = TEMPLATE.replace("labels:", "creationTimestamp: null\n  labels:") + "status: {}\n"
    assert said(template.replace("image:", "resources: {}\n          args: null\n          image:")) == {}


@pytest.mark.parametrize(
    "spec",
    [
        "null",
        "text",
        "[1]",
        "{template: text}",
        "{template: {spec: [1]}}",
        "{template: {spec: {containers: {}}}}",
        "{template: {spec: {containers: [text]}}}",
    ],
)
def test_job_of_any_shape_is_a_problem_and_no_crash(said, spec):
    template = f"apiVersion: batch/v1\nkind: Job\nmetadata: {{labels: {{x: '${{trialParameters.x}}', y: '${{trialParameters.y}}'}}}}\nspec: {spec}"
    assert any(path.startswith("trialSpec.spec") for path in said(template))


@pytest.mark.parametrize("version", ["batch/v2", "example.com/v1"])
def test_other_kinds_are_not_looked_into(said, version):
    assert said(TEMPLATE.replace("batch/v1", version).replace("restartPolicy", "whatever")) == {}


def test_primary_container_is_one_of_the_containers(said):
    found = said(primaryContainerName="mian")
    assert found["primaryContainerName"].hint == "did you mean 'main'?"


def test_typed_placeholder_is_checked_with_a_value(said):
    template = TEMPLATE.replace("spec:\n  template:", "spec:\n  parallelism: ${trialParameters.x}\n  template:", 1)
    assert said(template)["trialSpec.spec.parallelism"].message == "must be a whole number"


def test_conditional_parameter_must_be_possible_to_leave_out(said):
    on_x = {"y": {"parameter": "x", "in": ["a"]}}
    assert said(conditions=on_x) == {}
    shell = TEMPLATE.replace('[train, "--x=', '[sh, -c, "train --x=').replace('}", "--y=', "} --y=")
    assert said(shell) == {}
    (problem,) = said(shell, conditions=on_x).values()
    assert "has no value in every trial" in problem.message


def test_network_search_refers_to_what_its_algorithm_makes(made):
    experiment = made(TEMPLATE, parameters=(), references={"x": "architecture", "y": "anything"})
    assert validate.problems(experiment, experiment.spec.trial_template.trial_spec) == []
