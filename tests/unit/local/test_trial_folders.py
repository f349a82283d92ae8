"""A trial finds its checkpoint where its experiment says, and has it before it starts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from katib.admission import admit
from katib.algorithm.lineage import PARENT
from katib.engine.creation import trial_records
from katib.errors import RunnerError
from katib.local.home import Home
from katib.local.trial_run import TrialRuns
from katib.runners.container import command_of, main_container, replace_paths
from katib.template.source import LocalConfigMaps

TEXT = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: e, uid: u}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  algorithm:
    algorithmName: pbt
    algorithmSettings:
      - {name: suggestion_trial_dir, value: /opt/katib/data/}
      - {name: n_population, value: "5"}
      - {name: truncation_threshold, value: "0.2"}
  parameters:
    - {name: x, parameterType: double, feasibleSpace: {min: "0", max: "1"}}
  trialTemplate:
    primaryContainerName: main
    trialParameters: [{name: x, reference: x}]
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - name: main
                command: [train, "--x=${trialParameters.x}", --from=/opt/katib/data/last, /opt/katib/data-old]
                env: [{name: SAVE, value: /opt/katib/data}]
"""


@pytest.fixture
def make(tmp_path):
    def runs(runtime="process"):
        experiment = admit(TEXT, config_maps=LocalConfigMaps(tmp_path))
        parent, child = trial_records(experiment, 0, [((("x", "0.5"),), {})] * 2, datetime(2026, 1, 1, tzinfo=UTC))
        return TrialRuns(Home(tmp_path), experiment, runtime), parent, replace(child, labels={PARENT: parent.name})

    return runs


def test_process_is_given_its_real_folder_in_command_environment_and_variable(make, tmp_path):
    runs, parent, _ = make()
    folder = str(tmp_path / "experiments" / "u" / "checkpoints" / parent.name)
    run = runs.run(parent, runs.job(parent))
    command = replace_paths(command_of(main_container(run.job, "main"), run.job), run.paths)
    assert command.argv == ("train", "--x=0.5", f"--from={folder}/last", "/opt/katib/data-old")
    assert command.env["SAVE"] == folder
    assert run.env["KATIB_TRIAL_DIR"] == folder


@pytest.mark.parametrize("runtime", ["docker", "podman"])
def test_image_finds_its_folder_mounted_at_the_stated_path(make, runtime, tmp_path):
    runs, parent, _ = make(runtime)
    run = runs.run(parent, runs.job(parent))
    assert run.folders == {"/opt/katib/data": tmp_path / "experiments" / "u" / "checkpoints" / parent.name}
    assert run.env["KATIB_TRIAL_DIR"] == "/opt/katib/data"


def test_checkpoint_is_there_before_the_trial_starts_and_stays_its_own(make, tmp_path):
    runs, parent, child = make()
    place = tmp_path / "experiments" / "u" / "checkpoints"
    runs.prepare(parent)
    (place / parent.name / "weights").write_text("1")
    runs.prepare(child)
    assert (place / child.name / "weights").read_text() == "1"
    (place / child.name / "weights").write_text("2")
    runs.prepare(child)  # again, by a driver that took over
    assert (place / child.name / "weights").read_text() == "2"
    assert (place / parent.name / "weights").read_text() == "1"


def test_place_that_cannot_be_written_is_said(make, tmp_path):
    runs, parent, _ = make()
    (tmp_path / "experiments" / "u").mkdir(parents=True)
    (tmp_path / "experiments" / "u" / "checkpoints").write_text("")
    with pytest.raises(RunnerError, match="cannot make the folder"):
        runs.prepare(parent)
