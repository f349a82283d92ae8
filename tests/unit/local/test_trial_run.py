"""What a trial is given, and how its end is judged by the experiment's own conditions."""

import pytest

from katib.admission import admit
from katib.engine.creation import trial_records
from katib.local.home import Home
from katib.local.trial_run import TrialRuns
from katib.runners.exit import Exit, job_status
from katib.runners.process import JobReport, ProcessRunner
from katib.template.source import LocalConfigMaps

TEXT = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {{name: e, uid: u, namespace: ml}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: random}}
  {extra}
  parameters:
    - {{name: x, parameterType: double, feasibleSpace: {{min: "0", max: "1"}}}}
  trialTemplate:
    primaryContainerName: main
    {conditions}
    trialParameters: [{{name: x, reference: x}}]
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - {{name: side, command: [sleep]}}
              - {{name: main, command: [train, "{argument}", "${{trialParameters.x}}"]}}
"""
FILE = "metricsCollectorSpec: {collector: {kind: File}, source: {fileSystemPath: {kind: File, path: /var/log/m.log}}}"


@pytest.fixture
def make(tmp_path):
    def runs(extra="", conditions="", argument="--fast"):
        text = TEXT.format(extra=extra, conditions=conditions, argument=argument)
        experiment = admit(text, config_maps=LocalConfigMaps(tmp_path))
        return TrialRuns(Home(tmp_path), experiment, "process"), experiment

    return runs


@pytest.fixture
def record(make):
    from datetime import UTC, datetime

    _, experiment = make()
    return trial_records(experiment, 0, [((("x", "0.5"),), {})], datetime(2026, 1, 1, tzinfo=UTC))[0]


def test_trial_is_given_its_name_and_its_own_files(make, record, tmp_path):
    runs, _ = make(FILE, argument="--log=/var/log/m.log")
    run = runs.run(record, runs.job(record))
    assert run.primary == "main"
    assert run.env["KATIB_TRIAL_NAME"] == record.name
    folder = tmp_path / "experiments" / "u" / "trials" / record.name
    assert run.folder == folder
    assert run.paths == {"/var/log/m.log": folder / "files/var/log/m.log"}
    assert run.folders == {"/var/log": folder / "files/var/log"}
    assert run.env["KATIB_METRICS_FILE"] == str(folder / "push.jsonl")
    assert run.job["metadata"]["name"] == record.name


def test_trial_is_told_its_place_and_its_values(make, record):
    runs, _ = make()
    env = runs.run(record, runs.job(record)).env
    told = {name: env[f"KATIB_{name}"] for name in ("EXPERIMENT_NAME", "NAMESPACE", "TRIAL_INDEX", "TRIAL_PARAMETERS")}
    assert told == {
        "EXPERIMENT_NAME": "e",
        "NAMESPACE": "ml",
        "TRIAL_INDEX": "0",
        "TRIAL_PARAMETERS": '{"x":0.5}',
    }


@pytest.mark.parametrize(("argument", "is_said"), [("--log=/var/log/m.log", False), ("--fast", True)])
def test_metrics_file_that_the_command_does_not_name_is_said(make, argument, is_said):
    runs, _ = make(FILE, argument=argument)
    with ProcessRunner() as runner:
        assert any("/var/log/m.log" in note for note in runs.notes(runner)) is is_said


def report(record, end):
    return JobReport(record.name, {"kind": "Job", "status": job_status(end)}, end)


def test_success_and_failure_by_the_default_conditions(make, record):
    runs, _ = make()
    assert runs.judge(report(record, Exit("Completed"))).kind == "succeeded"
    failed = runs.judge(report(record, Exit("BackoffLimitExceeded", cause="Error", code=3)))
    assert (failed.kind, failed.reason, failed.message) == ("failed", "BackoffLimitExceeded", "exit code 3")


def test_own_conditions_are_asked(make, record):
    runs, _ = make(conditions="successCondition: status.[@this].#(failed==1)\n    failureCondition: status.nothing")
    assert runs.judge(report(record, Exit("BackoffLimitExceeded", cause="Error", code=3))).kind == "succeeded"


@pytest.mark.parametrize("end", [Exit("Completed"), Exit("BackoffLimitExceeded", cause="Error", code=1)])
def test_job_that_has_ended_but_matches_no_condition_is_a_failure_that_says_so(make, record, end):
    runs, _ = make(conditions="successCondition: status.never\n    failureCondition: status.nothing")
    judged = runs.judge(report(record, end))
    assert judged.kind == "failed"
    assert "neither successCondition nor failureCondition" in judged.message
