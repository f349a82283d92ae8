"""How an experiment's trials are run is remembered with it."""

from katib.api.experiment import Experiment
from katib.local.runtime import PROCESS, RUNTIME, runtime_of, with_runtime


def experiment() -> Experiment:
    return Experiment.model_validate({"metadata": {"name": "e", "annotations": {"a": "b"}}, "spec": {}})


def test_runtime_is_kept_beside_other_annotations():
    noted = with_runtime(experiment(), "podman")
    assert runtime_of(noted) == "podman"
    assert noted.metadata.annotations == {"a": "b", RUNTIME: "podman"}


def test_processes_are_what_is_meant_without_a_word():
    assert with_runtime(experiment(), PROCESS) == experiment()
    assert runtime_of(experiment()) == PROCESS
