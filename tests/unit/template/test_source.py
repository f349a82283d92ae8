"""Where templates come from: the experiment, or a folder that stands for ConfigMaps."""

import os

import pytest
import yaml

from katib.api.document import MAX_BYTES
from katib.api.experiment import TrialTemplate
from katib.errors import InvalidExperiment, NotFound
from katib.template.source import LocalConfigMaps, load_template
from katib.template.typing_of_placeholders import UNQUOTED

JOB = "apiVersion: batch/v1\nkind: Job\nspec:\n  parallelism: ${trialParameters.x}\n"
REFERENCE = {"configMapName": "templates", "configMapNamespace": "kubeflow", "templatePath": "job.yaml"}


def load(folder, **template):
    return load_template(TrialTemplate.model_validate(template), config_maps=LocalConfigMaps(folder))


def refused(folder, **template):
    with pytest.raises(InvalidExperiment) as caught:
        load(folder, **template)
    return caught.value.problems


@pytest.fixture
def key(tmp_path):
    """Write the file that stands for the key of the ConfigMap."""

    def write(text):
        path = tmp_path / "kubeflow" / "templates" / "job.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


@pytest.fixture
def manifest(tmp_path):
    """Write the ConfigMap as a manifest."""

    def write(document):
        text = document if isinstance(document, str) else yaml.safe_dump(document)
        (tmp_path / "templates.yaml").write_text(text)

    return write


def test_key_is_a_file(tmp_path, key):
    key(JOB)
    template = load(tmp_path, configMap=REFERENCE)
    assert template["kind"] == "Job"
    assert template["metadata"]["annotations"] == {UNQUOTED: '["spec.parallelism"]'}


def test_key_is_in_a_manifest(tmp_path, manifest):
    manifest({"kind": "ConfigMap", "data": {"job.yaml": JOB}})
    assert load(tmp_path, configMap=REFERENCE)["kind"] == "Job"


def test_file_comes_before_the_manifest(tmp_path, key, manifest):
    key(JOB.replace("Job", "TFJob"))
    manifest({"data": {"job.yaml": JOB}})
    assert load(tmp_path, configMap=REFERENCE)["kind"] == "TFJob"


def test_template_may_be_json(tmp_path, key):
    key('{"apiVersion": "batch/v1",\n\t"kind": "Job"}')
    assert load(tmp_path, configMap=REFERENCE) == {"apiVersion": "batch/v1", "kind": "Job"}


def test_exactly_one_source(tmp_path):
    (problem,) = refused(tmp_path)
    assert (problem.path, problem.message) == ("spec.trialTemplate.trialSpec", "is required (or configMap)")
    (problem,) = refused(tmp_path, trialSpec={}, configMap=REFERENCE)
    assert problem.path == "spec.trialTemplate.configMap"


def test_all_three_parts_of_a_reference_are_needed(tmp_path):
    assert [problem.path for problem in refused(tmp_path, configMap=dict.fromkeys(REFERENCE, ""))] == [
        f"spec.trialTemplate.configMap.{field}" for field in REFERENCE
    ]


@pytest.mark.parametrize("part", ["x\0y", "n" * 300, "no-such", "."])
@pytest.mark.parametrize("field", list(REFERENCE))
def test_reference_to_nothing_is_a_sentence(tmp_path, field, part):
    (problem,) = refused(tmp_path, configMap=REFERENCE | {field: part})
    assert problem.path == "spec.trialTemplate.configMap"


@pytest.mark.parametrize(
    "reference",
    [
        {"configMapNamespace": "..", "configMapName": "outside", "templatePath": "job.yaml"},
        {"configMapNamespace": "inside", "configMapName": "..", "templatePath": "../outside/job.yaml"},
        {"configMapNamespace": "inside", "configMapName": "../../outside", "templatePath": "job.yaml"},
        {"configMapNamespace": "x", "configMapName": "../outside/manifest", "templatePath": "job.yaml"},
        {"configMapNamespace": "/", "configMapName": "{outside}", "templatePath": "job.yaml"},
    ],
)
def test_reference_cannot_leave_the_folder(tmp_path, reference):
    outside = tmp_path / "outside"
    for folder in (outside, tmp_path / "maps" / "inside"):
        folder.mkdir(parents=True)
    (outside / "job.yaml").write_text(JOB)
    (outside / "manifest.yaml").write_text(yaml.safe_dump({"data": {"job.yaml": JOB}}))
    reference = {field: part.format(outside=outside) for field, part in reference.items()}
    (problem,) = refused(tmp_path / "maps", configMap=reference)
    assert "cannot be part of a ConfigMap's name" in problem.message


def test_missing_key_names_both_files(tmp_path, manifest):
    for _ in range(2):
        with pytest.raises(NotFound) as caught:
            LocalConfigMaps(tmp_path).read("kubeflow", "templates", "job.yaml")
        assert str(tmp_path / "kubeflow" / "templates" / "job.yaml") in str(caught.value)
        assert str(tmp_path / "templates.yaml") in str(caught.value)
        manifest({"data": {"other.yaml": JOB}})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("- a", "must be a mapping"),
        ("a: [", "not valid YAML"),
        (b"\xff", "utf-8"),
        ("a: 1\n---\nb: 2", "must be one document"),
        ("a: !!python/name:os.system", "tag"),
        ("a: &a [&b [*a]]", "stands for nothing"),
        ("metadata: []\nkind: Job", "metadata: must be a mapping"),
        ("metadata: {labels: [a]}", "metadata.labels: must be a mapping of texts"),
        ("metadata: {labels: {a: 1}, annotations: {b: yes}}", "metadata.labels.a: must be text"),
        ("x" * (MAX_BYTES + 1), "longer than"),
    ],
)
def test_bad_template_is_a_problem_of_the_reference(tmp_path, key, text, said):
    key(text)
    problems = refused(tmp_path, configMap=REFERENCE)
    assert said in str(problems[0])
    assert {problem.path for problem in problems} == {"spec.trialTemplate.configMap"}


@pytest.mark.parametrize("document", ["a: [", "", "data: text", "data: {job.yaml: {a: 1}}", "data: [1]"])
def test_bad_manifest_is_a_problem_of_the_reference(tmp_path, manifest, document):
    manifest(document)
    (problem,) = refused(tmp_path, configMap=REFERENCE)
    assert problem.path == "spec.trialTemplate.configMap"


def test_file_that_cannot_be_read_is_a_sentence(tmp_path):
    (tmp_path / "kubeflow" / "templates" / "job.yaml").mkdir(parents=True)
    (tmp_path / "templates.yaml").symlink_to("templates.yaml")
    assert refused(tmp_path, configMap=REFERENCE)


def test_a_pipe_in_the_folder_does_not_stop_everything(tmp_path):
    (tmp_path / "kubeflow" / "templates").mkdir(parents=True)
    os.mkfifo(tmp_path / "kubeflow" / "templates" / "job.yaml")
    assert refused(tmp_path, configMap=REFERENCE)


@pytest.mark.parametrize(
    ("metadata", "paths"),
    [
        ("text", ["metadata"]),
        ([1], ["metadata"]),
        ({"labels": "text"}, ["metadata.labels"]),
        ({"labels": {"a": 1}, "annotations": {"b": None}}, ["metadata.labels.a", "metadata.annotations.b"]),
    ],
)
def test_metadata_of_an_inline_template_is_metadata(tmp_path, metadata, paths):
    problems = refused(tmp_path, trialSpec={"kind": "Job", "metadata": metadata})
    assert [problem.path for problem in problems] == [f"spec.trialTemplate.trialSpec.{path}" for path in paths]
