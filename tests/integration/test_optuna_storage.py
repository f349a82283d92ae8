"""Optuna's studies in our store: many processes at once, what everybody else sees of them, and our experiments as studies."""

import json
import math
import os
import pickle
import runpy
import signal
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState as OptunaState

from katib.api.trial import TrialState
from katib.errors import Conflict
from katib.store import open_store
from katib.store.optuna import KatibStorage, facts
from katib.store.tracking.records import DEFAULT_PROJECT, ExperimentKind, Facts, Node, NodeKind
from katib.testing.database_servers import MariadbServer, PostgresqlServer

WORKER = Path(__file__).parent / "optuna_worker.py"
EXAMPLE = Path(__file__).parents[2] / "examples" / "optuna" / "minimise.py"
SERVERS = {"postgresql": PostgresqlServer, "mariadb": MariadbServer}


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "katib.db")


@pytest.fixture(params=["sqlite", *(name for name, kind in SERVERS.items() if not kind.missing())])
def any_place(request, tmp_path):
    if request.param == "sqlite":
        yield str(tmp_path / "katib.db")
        return
    server = request.getfixturevalue(request.param)
    url = server.new_store()
    yield url
    server.drop(url)


def study_in(place, name="study", **options):
    storage = KatibStorage(place, **options.pop("storage", {}))
    options.setdefault("sampler", optuna.samplers.RandomSampler(seed=1))
    return optuna.create_study(study_name=name, storage=storage, load_if_exists=True, **options)


def start(what, place, name="study"):
    return subprocess.Popen([sys.executable, WORKER, what, place, name], stdout=subprocess.PIPE, text=True)


# -- several processes ------------------------------------------------------------------------------------------------


def test_a_waiting_trial_is_started_by_exactly_one_of_many_processes(any_place):
    study = study_in(any_place)
    for x in range(30):
        study.enqueue_trial({"x": x})
    workers = [start("claim", any_place) for _ in range(4)]
    claimed = [json.loads(worker.communicate(timeout=120)[0]) for worker in workers]
    assert sorted(number for numbers in claimed for number in numbers) == list(range(30))
    assert {trial.state for trial in study.trials} == {OptunaState.RUNNING}


def test_processes_number_their_trials_without_gaps_and_a_warm_one_sees_them_all(any_place):
    study = study_in(any_place)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    workers = [start("tell", any_place) for _ in range(3)]
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=20)
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0, 0]
    for worker in workers:
        worker.stdout.close()
    trials = study.trials
    assert [trial.number for trial in trials] == list(range(81))
    assert all(trial.state == OptunaState.COMPLETE and trial.value == trial.params["x"] for trial in trials)
    fresh = optuna.load_study(study_name="study", storage=KatibStorage(any_place))
    assert fresh.trials == trials
    experiment = study._storage._tracking.find_searches().items[0]
    assert experiment.best == min(trial.value for trial in trials)


def test_the_trial_of_a_killed_process_is_failed_and_tried_again(place):
    study = study_in(place)
    victim = start("die", place)
    assert victim.wait(timeout=60) == -signal.SIGKILL
    victim.stdout.close()
    (abandoned,) = study.trials
    assert abandoned.state == OptunaState.RUNNING
    retry = optuna.storages.RetryFailedTrialCallback
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls heartbeats an experiment
        storage = KatibStorage(place, heartbeat_interval=1, grace_period=60, heartbeat_stale_trial_callback=retry())
        watching = optuna.load_study(study_name="study", storage=storage)
        optuna.storages.fail_stale_trials(watching)
        assert [trial.state for trial in study.trials] == [OptunaState.RUNNING]
        tracking = storage._tracking
        run = tracking.find_runs("run_name LIKE 'trial-%'").items[0]
        long_ago = int((datetime.now(UTC) - timedelta(seconds=90)).timestamp() * 1e6)
        tracking.set_facts(Node(NodeKind.RUN, run.id), Facts(properties={facts.HEARTBEAT: long_ago}))
        optuna.storages.fail_stale_trials(watching)
        optuna.storages.fail_stale_trials(watching)
    assert [trial.state for trial in study.trials] == [OptunaState.FAIL, OptunaState.WAITING]
    assert study.trials[1].params == abandoned.params


def test_another_process_sees_every_change_of_a_trial(place):
    one, other = study_in(place), study_in(place)
    trial = one.ask()
    assert [seen.state for seen in other.trials] == [OptunaState.RUNNING]
    trial.suggest_float("x", 0, 1)
    trial.report(0.5, 1)
    trial.set_user_attr("note", [1])
    (seen,) = other.trials
    assert (seen.params, seen.intermediate_values, seen.user_attrs) == (trial.params, {1: 0.5}, {"note": [1]})
    other.tell(trial.number, 3.0)
    assert one.trials[0].value == 3.0
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        trial.set_user_attr("late", 1)


def test_a_study_that_another_process_deletes_is_gone(place):
    one, other = study_in(place), study_in(place)
    one.ask()
    assert len(other.trials) == 1
    optuna.delete_study(study_name="study", storage=one._storage)
    assert other.trials == []
    with pytest.raises(KeyError):
        other.ask()
    again = study_in(place)
    assert again._study_id != one._study_id
    assert again.trials == []


def test_a_storage_goes_to_another_process_by_its_url_only(place):
    study = study_in(place)
    study.ask()
    copied = pickle.loads(pickle.dumps(study._storage))  # noqa: S301 - made here
    assert copied.get_n_trials(study._study_id) == 1
    with open_store(place) as store, pytest.raises(TypeError, match="URL"):
        pickle.dumps(KatibStorage(store))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_opens_the_store_again(place):
    study = study_in(place)
    study.ask()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forking beside threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            study.ask()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert [trial.number for trial in study.trials] == [0, 1]


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_choices_come_back_as_what_they_were(place):
    choices = [None, True, 2, 1.5, "1", "true", "null", float("inf"), "a\x00b", "😀"]
    distribution = CategoricalDistribution(choices)
    study = study_in(place)
    for index in range(len(choices)):
        study.add_trial(
            optuna.trial.create_trial(
                params={"c": choices[index]}, distributions={"c": distribution}, value=float(index)
            )
        )
    fresh = optuna.load_study(study_name="study", storage=KatibStorage(place))
    for trial, choice in zip(fresh.trials, choices, strict=True):
        assert type(trial.params["c"]) is type(choice)
        assert trial.params["c"] == choice
        assert trial.distributions["c"] == distribution


def test_a_step_that_is_reported_again_has_the_last_value_even_an_earlier_one(place):
    study = study_in(place)
    trial = study.ask()
    for value in (0.3, 0.2, 0.3, math.nan, -math.inf, 0.3):
        study._storage.set_trial_intermediate_value(trial._trial_id, 4, value)
        fresh = KatibStorage(place).get_trial(trial._trial_id).intermediate_values
        assert repr(fresh) == repr({4: value})


def test_every_state_has_one_of_ours_and_comes_back(place):
    study = study_in(place)
    states = {
        OptunaState.COMPLETE: TrialState.SUCCEEDED,
        OptunaState.PRUNED: TrialState.EARLY_STOPPED,
        OptunaState.FAIL: TrialState.FAILED,
        OptunaState.WAITING: TrialState.CREATED,
        OptunaState.RUNNING: TrialState.RUNNING,
    }
    for state in states:
        study.add_trial(optuna.trial.create_trial(state=state, value=1.0 if state == OptunaState.COMPLETE else None))
    storage = KatibStorage(place)
    assert [trial.state for trial in storage.get_all_trials(study._study_id)] == list(states)
    runs = storage._tracking.find_runs("", "index ASC", parts=()).items
    assert [run.state for run in runs if run.index is not None] == list(states.values())


def test_studies_may_have_any_name(place):
    for name in ("", "x" * 300, "x" * 299 + "y", "a\nb", "ordinary"):
        study = study_in(place, name)
        study.ask()
        assert study.study_name == name
    assert len(optuna.get_all_study_names(KatibStorage(place))) == 5
    for name in ("", "x" * 300, "ordinary"):
        assert len(optuna.load_study(study_name=name, storage=KatibStorage(place)).trials) == 1


def test_an_attribute_that_is_no_json_is_refused_as_by_optuna(place):
    study = study_in(place)
    trial = study.ask()
    for target in (study, trial):
        with pytest.raises(TypeError, match="no JSON"):
            target.set_user_attr("a", object())


# -- what everybody else sees -----------------------------------------------------------------------------------------


def test_a_study_is_an_experiment_whose_trials_are_found_by_numbers(place):
    study = study_in(place, directions=["minimize", "maximize"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls names an experiment
        study.set_metric_names(["loss", "accuracy"])

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("flag", [True, None])
        return x, 1 - x

    study.optimize(objective, n_trials=12)
    with open_store(place) as store:
        tracking = store.tracking("default")
        project = tracking.project_named(DEFAULT_PROJECT)
        experiment = tracking.search_named(project.id, "study")
        assert (experiment.kind, experiment.objective, experiment.objective_type, experiment.trials) == (
            ExperimentKind.OPTUNA,
            "loss",
            "minimize",
            12,
        )
        found = tracking.find_runs("params.x < 0.5 AND metrics.accuracy > 0.5", "metrics.loss ASC").items
        expected = sorted(trial.values[0] for trial in study.trials if trial.params["x"] < 0.5)
        assert [run.metrics[0].value for run in found] == expected
        assert {parameter.text for run in found for parameter in run.parameters if parameter.name == "flag"} <= {
            "true",
            "null",
        }


def test_the_best_value_of_the_experiment_follows(place):
    study = study_in(place, direction="maximize")
    with open_store(place) as store:
        tracking = store.tracking("default")
        for value, best in ((1.0, 1.0), (0.5, 1.0), (3.0, 3.0)):
            study.tell(study.ask(), value)
            assert tracking.find_searches().items[0].best == best


def test_namespaces_and_projects_do_not_see_each_other(place):
    study = study_in(place)
    trial = study.ask()
    for other in (KatibStorage(place, namespace="other"), KatibStorage(place, project="other")):
        assert other.get_all_studies() == []
        with pytest.raises(KeyError):
            other.get_all_trials(study._study_id)
        with pytest.raises(KeyError):
            other.get_trial(trial._trial_id)
        assert optuna.create_study(study_name="study", storage=other)._study_id != study._study_id


# -- experiments that we drive ----------------------------------------------------------------------------------------

SPACE = """\
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.0001", max: "1", distribution: logUniform}}
    - {name: drop, parameterType: double, feasibleSpace: {min: "0", max: "1", step: "0.25"}}
    - {name: depth, parameterType: int, feasibleSpace: {min: "1", max: "9"}}
    - {name: width, parameterType: discrete, feasibleSpace: {list: ["16", "32"]}}
    - {name: kind, parameterType: categorical, feasibleSpace: {list: [adam, sgd]}}
"""
TRAIN = """\
import os, sys
lr, drop = float(sys.argv[1]), float(sys.argv[2])
for step in range(3):
    print(f"loss={lr + drop + 1 / (step + 1)}")
print("speed=7")
sys.exit(sys.argv[3] == "3")
"""
EXPERIMENT = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {{name: driven}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss, additionalMetricNames: [speed]}}
  algorithm: {{algorithmName: random}}
  parallelTrialCount: 2
  maxTrialCount: 6
  maxFailedTrialCount: 6
  seed: 3
  parameters:
{space}
  trialTemplate:
    primaryContainerName: main
    trialParameters:
      - {{name: lr, reference: lr}}
      - {{name: drop, reference: drop}}
      - {{name: depth, reference: depth}}
      - {{name: width, reference: width}}
      - {{name: kind, reference: kind}}
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        backoffLimit: 0
        template:
          spec:
            restartPolicy: Never
            containers:
              - name: main
                image: none
                command: [python, train.py, "${{trialParameters.lr}}", "${{trialParameters.drop}}", "${{trialParameters.depth}}",
                          "${{trialParameters.width}}", "${{trialParameters.kind}}"]
"""


@pytest.fixture
def driven(katib):
    """Return the store in which an experiment of ours has ended."""
    (katib.folder / "train.py").write_text(TRAIN)
    path = katib.folder / "driven.yaml"
    path.write_text(EXPERIMENT.format(space=SPACE))
    katib("run", path)
    return katib.home / "katib.db"


def test_an_experiment_of_ours_is_a_study_that_can_be_read(katib, driven):
    storage = KatibStorage(driven)
    study_in(driven, "another")
    assert sorted(optuna.get_all_study_names(storage)) == ["another", "driven"]
    study = optuna.load_study(study_name="driven", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert study.metric_names == ["loss"]
    trials = study.trials
    assert [trial.number for trial in trials] == list(range(6))
    shown = {trial["metadata"]["name"]: trial for trial in katib.get("trials", "driven")["items"]}
    values = []
    for trial in trials:
        assert trial.distributions == {
            "lr": FloatDistribution(0.0001, 1, log=True),
            "drop": FloatDistribution(0, 1, step=0.25),
            "depth": IntDistribution(1, 9),
            "width": CategoricalDistribution([16.0, 32.0]),
            "kind": CategoricalDistribution(["adam", "sgd"]),
        }
        assert all(
            distribution._contains(distribution.to_internal_repr(trial.params[name]))
            for name, distribution in trial.distributions.items()
        )
        failed = trial.params["depth"] == 3
        assert trial.state == (OptunaState.FAIL if failed else OptunaState.COMPLETE)
        assert list(trial.intermediate_values) == [0, 1, 2]
        if not failed:
            assert trial.value == trial.intermediate_values[2]
            assert trial.user_attrs == {"speed": 7.0}
            assert trial.datetime_start < trial.datetime_complete
            values.append(trial.value)
    assert len(shown) == len(trials)
    assert study.best_value == min(values)


def test_an_experiment_of_ours_is_not_changed_by_optuna(driven):
    study = optuna.load_study(study_name="driven", storage=KatibStorage(driven))
    before = study.trials
    for change in (
        study.ask,
        lambda: study.set_user_attr("a", 1),
        lambda: study.enqueue_trial({"lr": 0.1}),
        lambda: study._storage.set_trial_user_attr(before[0]._trial_id, "a", 1),
        lambda: study._storage.set_trial_state_values(before[0]._trial_id, OptunaState.FAIL),
        lambda: study._storage.record_heartbeat(before[0]._trial_id),
        lambda: optuna.delete_study(study_name="driven", storage=study._storage),
    ):
        with pytest.raises(Conflict, match="driven by Katib"):
            change()
    assert study.trials == before


def test_plots_are_drawn_of_both_kinds(driven):
    ours = optuna.load_study(study_name="driven", storage=KatibStorage(driven))
    theirs = study_in(driven, "theirs")

    def objective(trial):
        for step in range(3):
            trial.report(step, step)
        return trial.suggest_float("lr", 0, 1) + trial.suggest_int("depth", 1, 3)

    theirs.optimize(objective, n_trials=8)
    for study in (ours, theirs):
        complete = sum(trial.state == OptunaState.COMPLETE for trial in study.trials)
        history = optuna.visualization.plot_optimization_history(study)
        assert len(history.data[0].y) == complete
        for plot in (
            optuna.visualization.plot_slice,
            optuna.visualization.plot_contour,
            optuna.visualization.plot_parallel_coordinate,
            optuna.visualization.plot_intermediate_values,
            optuna.visualization.plot_edf,
            optuna.visualization.plot_timeline,
            optuna.visualization.plot_param_importances,
        ):
            assert plot(study).data


def test_the_example_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(tmp_path / "katib.db")])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    out = capsys.readouterr().out
    assert "20 trials" in out
    assert "beside it: minimise" in out
