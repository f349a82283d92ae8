"""A trial runs where its experiment's file lies."""

from pathlib import Path

from katib.api.experiment import Experiment
from katib.local.source_folder import SOURCE_FOLDER, run_in_source_folder, with_source_folder

JOB = {
    "spec": {
        "template": {
            "spec": {
                "initContainers": [{"name": "first"}],
                "containers": [{"name": "a"}, {"name": "b", "workingDir": "sub"}, {"name": "c", "workingDir": "/abs"}],
            }
        }
    }
}


def experiment(source: str) -> Experiment:
    return with_source_folder(Experiment.model_validate({"metadata": {"name": "e"}, "spec": {}}), source)


def test_working_directories_are_below_the_files_folder(tmp_path):
    job = run_in_source_folder(JOB, experiment(str(tmp_path / "exp.yaml")))
    pod = job["spec"]["template"]["spec"]
    assert [item["workingDir"] for item in pod["containers"]] == [str(tmp_path), str(tmp_path / "sub"), "/abs"]
    assert pod["initContainers"][0]["workingDir"] == str(tmp_path)
    assert "workingDir" not in JOB["spec"]["template"]["spec"]["containers"][0]


def test_standard_input_belongs_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for source in ("-", ""):
        assert experiment(source).metadata.annotations[SOURCE_FOLDER] == str(Path.cwd())


def test_experiment_without_the_annotation_is_left_alone():
    assert run_in_source_folder(JOB, Experiment.model_validate({"metadata": {"name": "e"}, "spec": {}})) == JOB
