"""``KatibClient`` with real trials: Katib's methods give what Katib's give, on this machine and over gRPC alike."""

import itertools
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from experiments_served import ServedExperiments
from kubernetes import client as kubernetes

import katib
from katib.client.katib_client import KatibClient
from katib.client.views.progress import progress_view
from katib.errors import Conflict, DeadlineExceeded, InvalidExperiment, InvalidInput, NotFound, Unsupported
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store

NAMES = (f"exp{number}" for number in itertools.count())


def experiment(name, script="print('loss=' + sys.argv[1])", *, trials=3, **spec):
    """An experiment as Katib's users build it, whose trials run Python."""
    container = kubernetes.V1Container(
        name="main",
        image="none",
        command=[sys.executable, "-c", f"import sys, time\n{script}", "${trialParameters.x}"],
    )
    pod = kubernetes.V1PodSpec(containers=[container], restart_policy="Never", termination_grace_period_seconds=2)
    job = kubernetes.V1Job(
        api_version="batch/v1",
        kind="Job",
        spec=kubernetes.V1JobSpec(backoff_limit=0, template=kubernetes.V1PodTemplateSpec(spec=pod)),
    )
    return katib.V1beta1Experiment(
        api_version="kubeflow.org/v1beta1",
        kind="Experiment",
        metadata=kubernetes.V1ObjectMeta(name=name),
        spec=katib.V1beta1ExperimentSpec(
            objective=katib.V1beta1ObjectiveSpec(type="minimize", objective_metric_name="loss"),
            algorithm=katib.V1beta1AlgorithmSpec(algorithm_name="random"),
            parameters=[
                katib.V1beta1ParameterSpec(
                    name="x",
                    parameter_type="double",
                    feasible_space=katib.V1beta1FeasibleSpace(min="0", max="1"),
                )
            ],
            max_trial_count=trials,
            parallel_trial_count=min(2, trials),
            trial_template=katib.V1beta1TrialTemplate(
                primary_container_name="main",
                trial_parameters=[katib.V1beta1TrialParameterSpec(name="x", reference="x")],
                trial_spec=job,
            ),
            **spec,
        ),
    )


@pytest.fixture(scope="module", params=["local", "grpc"])
def client(request, tmp_path_factory):
    """A client of each kind, for the whole module: experiments have names of their own."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        with KatibClient(backend="local", home=folder) as client:
            yield client
        return
    home = Home(folder)
    with (
        open_store(home.store_path) as store,
        LocalExperiments(home, store) as local,
        ServedExperiments(local) as server,
        KatibClient(address=server.address) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def quiet():
    return progress_view("none")


@pytest.fixture(scope="module")
def finished(client, quiet):
    """The name of an experiment with three good trials."""
    name = next(NAMES)
    client.create_experiment(experiment(name))
    client.wait_for_experiment_condition(name, view=quiet)
    return name


class TestExperiments:
    def test_what_is_created_is_returned_and_found(self, client, finished):
        found = client.get_experiment(finished)
        assert isinstance(found, katib.V1beta1Experiment)
        assert found.metadata.namespace == client.namespace == "default"
        assert found.spec.max_trial_count == 3
        assert found.status.trials_succeeded == 3
        assert set(found.status.succeeded_trial_list) == {one.metadata.name for one in client.list_trials(finished)}
        assert found.status.failed_trial_list == []
        assert finished in [one.metadata.name for one in client.list_experiments()]
        assert client.list_experiments("elsewhere") == []

    def test_a_second_one_of_the_name_is_refused_with_the_reason(self, client, finished):
        with pytest.raises(Conflict, match=finished) as caught:
            client.create_experiment(experiment(finished, trials=4))
        assert isinstance(caught.value, RuntimeError)

    def test_everything_that_is_wrong_is_said(self, client):
        broken = experiment("broken")
        broken.spec.objective.type = "least"
        broken.spec.parameters[0].feasible_space.max = "-1"
        with pytest.raises(InvalidExperiment) as caught:
            client.create_experiment(broken)
        paths = {problem.path for problem in caught.value.problems}
        assert "spec.objective.type" in paths
        assert any(path.startswith("spec.parameters[0].feasibleSpace") for path in paths)
        assert isinstance(caught.value, ValueError)
        assert "(line" not in str(caught.value)  # it was written on none

    def test_generate_name_and_dict_and_yaml(self, client, quiet):
        document = experiment("any", trials=1).to_document()
        document["metadata"] = {"generateName": "made-"}
        created = client.create_experiment(document)
        assert created.metadata.name.startswith("made-")
        client.wait_for_experiment_condition(created.metadata.name, view=quiet)
        document["metadata"] = {"name": next(NAMES)}
        created = client.create_experiment(json.dumps(document), namespace="other")
        assert created.metadata.namespace == "other"
        client.wait_for_experiment_condition(created.metadata.name, "other", view=quiet)
        assert client.get_experiment(created.metadata.name, "other").status.trials == 1

    def test_conditions(self, client, finished):
        conditions = client.get_experiment_conditions(finished)
        assert [one.type for one in conditions] == ["Created", "Running", "Succeeded"]
        assert isinstance(conditions[0], katib.V1beta1ExperimentCondition)
        assert client.is_experiment_created(finished)
        assert client.is_experiment_succeeded(finished)
        assert not client.is_experiment_running(finished)
        assert not client.is_experiment_restarting(finished)
        assert not client.is_experiment_failed(finished)
        assert client.is_experiment_succeeded("unasked", experiment=client.get_experiment(finished))

    def test_what_is_not_there_is_not_found(self, client):
        for call in (
            client.get_experiment,
            client.get_suggestion,
            client.get_trial,
            client.list_trials,
            client.get_optimal_hyperparameters,
            client.get_trial_metrics,
            client.delete_experiment,
            client.stop_experiment,
            client.trials_dataframe,
            client.wait_for_experiment_condition,
            lambda name: next(client.watch(name)),
            lambda name: next(client.logs(name)),
        ):
            with pytest.raises(NotFound, match="absent"):
                call("absent-experiment")

    def test_stop_resume_and_delete(self, client, quiet):
        name = next(NAMES)
        client.create_experiment(experiment(name, "print('loss=1', flush=True); time.sleep(600)"))
        client.wait_for_experiment_condition(name, expected_condition="Running", view=quiet)
        client.stop_experiment(name, at_once=True)
        stopped = client.wait_for_experiment_condition(name, expected_condition="Stopped", view=quiet)
        assert stopped.status.conditions[-1].type == "Stopped"
        with pytest.raises(Conflict, match="is Stopped, not Succeeded"):
            client.wait_for_experiment_condition(name, view=quiet)
        client.resume_experiment(name, max_trial_count=4)
        client.wait_for_experiment_condition(name, expected_condition="Running", view=quiet)

        def deleted_as(**options):
            client.delete_experiment(name, delete_options=kubernetes.V1DeleteOptions(**options))

        deleted_as(dry_run=["All"])
        with pytest.raises(Conflict, match=f"'{name}' is not deleted: its uid is"):
            deleted_as(preconditions=kubernetes.V1Preconditions(uid="another"))
        uid = client.get_experiment(name).metadata.uid
        with pytest.warns(UserWarning, match="means nothing here in gracePeriodSeconds"):
            deleted_as(preconditions=kubernetes.V1Preconditions(uid=uid), grace_period_seconds=0)
        with pytest.raises(NotFound):
            client.get_experiment(name)

    def test_a_greater_budget_makes_more_trials(self, client, quiet):
        name = next(NAMES)
        client.create_experiment(experiment(name, trials=1, resume_policy="LongRunning"))
        client.wait_for_experiment_condition(name, view=quiet)
        with pytest.raises(InvalidInput, match="at least one of"):
            client.edit_experiment_budget(name)
        client.edit_experiment_budget(name, max_trial_count=2)
        for thing in client.watch(name, trials=False, until_over=False):
            if thing.status.trials_succeeded == 2:
                break
        assert client.get_experiment(name).spec.max_trial_count == 2

    def test_the_end_of_patience_is_an_error_and_leaves_the_experiment_alone(self, client, quiet):
        name = next(NAMES)
        client.create_experiment(experiment(name, "time.sleep(600)"))
        with pytest.raises(DeadlineExceeded, match="did not come to Succeeded") as caught:
            client.wait_for_experiment_condition(name, timeout=0.2, view=quiet)
        assert isinstance(caught.value, TimeoutError)
        assert not client.is_experiment_failed(name)
        client.delete_experiment(name)

    def test_an_experiment_that_fails_says_why(self, client, quiet):
        name = next(NAMES)
        client.create_experiment(experiment(name, "sys.exit('out of luck')", max_failed_trial_count=0))
        with pytest.raises(Conflict, match=r"(?s)is Failed.*out of luck") as caught:
            client.wait_for_experiment_condition(name, view=quiet)
        assert isinstance(caught.value, RuntimeError)
        assert client.wait_for_experiment_condition(name, expected_condition="Failed", view=quiet)
        assert client.get_optimal_hyperparameters(name) is None

    def test_a_condition_that_there_is_not(self, client, finished):
        with pytest.raises(InvalidInput, match="must be one of Created, Running"):
            client.wait_for_experiment_condition(finished, expected_condition="Done")

    @pytest.mark.parametrize("wrong", [{"timeout": "60"}, {"timeout": float("nan")}, {"polling_interval": None}])
    def test_seconds_that_are_none(self, client, finished, wrong):
        with pytest.raises(InvalidInput, match=f"{next(iter(wrong))}: must be a number of seconds"):
            client.wait_for_experiment_condition(finished, **wrong)


class TestTrials:
    def test_trials_are_katibs(self, client, finished):
        trials = client.list_trials(finished)
        assert len(trials) == 3
        for trial in trials:
            assert isinstance(trial, katib.V1beta1Trial)
            assert trial.metadata.labels["katib.kubeflow.org/experiment"] == finished
            assert trial.status.conditions[-1].type == "Succeeded"
            assert trial.status.observation.metrics[0].latest == trial.spec.parameter_assignments[0].value
            assert isinstance(trial.spec.parameter_assignments[0], katib.V1beta1ParameterAssignment)
            assert isinstance(trial.status.conditions[0], katib.V1beta1TrialCondition)
            job = trial.spec.run_spec
            assert (job["kind"], job["metadata"]["name"]) == ("Job", trial.metadata.name)
            words = job["spec"]["template"]["spec"]["containers"][0]["command"]
            assert words[-1] == trial.spec.parameter_assignments[0].value
        assert client.get_trial(trials[0].metadata.name).to_document() == trials[0].to_document()
        everywhere = {trial.metadata.name for trial in client.list_trials()}
        assert everywhere >= {trial.metadata.name for trial in trials}

    def test_details_of_those_that_succeeded(self, client, finished):
        details = client.get_success_trial_details(finished)
        assert [detail["name"] for detail in details] == [one.metadata.name for one in client.list_trials(finished)]
        assert {detail["parameter_assignments"][0].name for detail in details} == {"x"}
        assert {detail["metrics"][0].name for detail in details} == {"loss"}

    def test_the_best_one(self, client, finished):
        best = client.get_optimal_hyperparameters(finished)
        assert isinstance(best, katib.V1beta1OptimalTrial)
        values = {
            detail["name"]: float(detail["metrics"][0].latest) for detail in client.get_success_trial_details(finished)
        }
        assert values[best.best_trial_name] == min(values.values())
        assert float(best.parameter_assignments[0].value) == min(values.values())

    def test_suggestions_are_suggestions(self, client, finished):
        suggestion = client.get_suggestion(finished)
        assert isinstance(suggestion, katib.V1beta1Suggestion)
        assert suggestion.spec.algorithm.algorithm_name == "random"
        assert suggestion.status.suggestion_count == 3
        assert suggestion.status.suggestions[0].parameter_assignments[0].name == "x"
        assert [(one.type, one.status, one.reason) for one in suggestion.status.conditions] == [
            ("Created", "True", "SuggestionCreated"),
            ("Running", "False", "Suggestion is succeeded"),
            ("Succeeded", "True", "Experiment is succeeded"),
        ]
        listed = client.list_suggestions()
        assert {one.kind for one in listed} == {"Suggestion"}
        assert finished in [one.metadata.name for one in listed]

    def test_metrics_and_logs(self, client, finished):
        trial = client.list_trials(finished)[0]
        name, value = trial.metadata.name, trial.spec.parameter_assignments[0].value
        assert client.get_trial_metrics(name)[0].metric.value == value
        assert list(client.get_job_logs(finished, name)) == [f"loss={value}"]
        assert list(client.logs(name, follow=True)) == [f"loss={value}"]
        with pytest.raises(ValueError, match="name the experiment"):
            client.get_job_logs("", name)

    def test_logs_are_followed_until_the_trial_has_ended(self, client, quiet):
        name = next(NAMES)
        script = "print('first', flush=True)\nfor _ in range(5): print('ä', end='', flush=True); time.sleep(0.05)\nprint('loss=1')"
        client.create_experiment(experiment(name, script, trials=1))
        for thing in client.watch(name):
            if thing.kind == "Trial" and thing.status.conditions[-1].type == "Running":
                assert list(client.logs(thing.metadata.name, follow=True)) == ["first", "äääääloss=1"]
                break
        client.wait_for_experiment_condition(name, view=quiet)

    def test_a_watch_tells_everything_and_ends(self, client):
        name = next(NAMES)
        client.create_experiment(experiment(name))
        seen = {"Experiment": {}, "Trial": {}}
        for thing in client.watch(name):
            states = [condition.type for condition in thing.status.conditions]  # none yet of one that was just made
            seen[thing.kind].setdefault(thing.metadata.name, []).append(states[-1:])
        assert seen["Experiment"][name][-1] == ["Succeeded"]
        assert [states[-1] for states in seen["Trial"].values()] == [["Succeeded"]] * 3


class TestAnalyses:
    def test_a_table_has_types(self, client, finished):
        table = client.trials_dataframe(finished)
        assert list(table.index) == [0, 1, 2]
        assert list(table["state"]) == ["Succeeded"] * 3
        assert str(table["params.x"].dtype) == str(table["metrics.loss"].dtype) == "float64"
        assert (table["params.x"] == table["metrics.loss"]).all()
        assert (table["seconds"] >= 0).all()
        assert str(table["ended"].dt.tz) == "UTC"

    def test_a_study_of_optunas(self, client, finished):
        study = client.to_optuna(finished, reports=True)
        table = client.trials_dataframe(finished)
        assert study.best_value == table["metrics.loss"].min()
        assert [trial.params["x"] for trial in study.trials] == list(table["params.x"])
        assert study.metric_names == ["loss"]
        assert study.trials[0].intermediate_values == {0: study.trials[0].value}


def test_waiting_shows_how_it_stands(client, capsys):
    name = next(NAMES)
    client.create_experiment(experiment(name))
    client.wait_for_experiment_condition(name)
    shown = capsys.readouterr().out
    assert name in shown
    assert "Succeeded" in shown


LEAVES = """
    import sys
    import katib
    from katib.client.katib_client import KatibClient

    def objective(x):
        import time
        time.sleep(600)

    client = KatibClient(backend="local")
    client.tune("left", objective=objective, parameters={"x": katib.search.double(0, 1)}, objective_metric_name="loss")
    client.wait_for_experiment_condition("left", expected_condition="Running")
"""


def test_leaving_the_process_is_clean_and_said(tmp_path):
    script = tmp_path / "leaves.py"
    script.write_text(textwrap.dedent(LEAVES))
    environment = {**os.environ, "KATIB_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "experiment left is not over" in done.stderr
    assert "katib resume left" in done.stderr
    assert "Traceback" not in done.stderr
    with KatibClient(backend="local", home=Path(environment["KATIB_HOME"])) as client:
        assert client.is_experiment_running("left")
        client.resume_experiment("left")  # what it left running is found again, and ended with it
        client.delete_experiment("left")


def test_trainers_of_katib_are_refused_with_another_way(client):
    with pytest.raises(Unsupported, match=r"backend='kubernetes'.*write an objective"):
        client.tune("llm", model_provider_parameters=object(), resources_per_trial=katib.TrainerResources(1, 1))


def test_who_waits_for_what_no_process_drives_is_told_so(tmp_path, quiet, capsys, monkeypatch):
    monkeypatch.setattr("katib.client.waiting._SILENCE", 0.2)
    with KatibClient(backend="local", home=tmp_path) as first:
        first.create_experiment(experiment("left", "time.sleep(600)", trials=2))
        first.wait_for_experiment_condition("left", expected_condition="Running", view=quiet)
    capsys.readouterr()
    with KatibClient(backend="local", home=tmp_path) as second:
        with pytest.raises(TimeoutError, match=r"it is Running .* no process drives it: resume_experiment\('left'\)"):
            second.wait_for_experiment_condition("left", timeout=1, view=quiet)
        told = capsys.readouterr().err
        assert told.count("katib: nothing happens to experiment 'left': no process drives it") == 1
        second.resume_experiment("left")
        with pytest.raises(TimeoutError, match="It goes on; wait for it again"):
            second.wait_for_experiment_condition("left", timeout=1, view=quiet)
        assert capsys.readouterr().err == ""
        second.delete_experiment("left")
