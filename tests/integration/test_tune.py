"""``tune()`` with real trials: a Python function in, its best arguments out, on this machine and over gRPC."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from experiments_served import ServedExperiments

import katib
from katib.api.base import ObjectMeta
from katib.client.katib_client import KatibClient
from katib.client.views.progress import progress_view
from katib.errors import Conflict, InvalidExperiment, InvalidInput, NotFound
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store


def quadratic(x, layers):
    return (x - 1) ** 2 + layers


SPACE = {"x": katib.search.double(-2, 2), "layers": katib.search.int(1, 3)}


@pytest.fixture(scope="module", params=["local", "grpc"])
def client(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        with KatibClient(backend="local", home=folder) as client:
            yield client
        return
    with pytest.MonkeyPatch.context() as patch:
        # `python` of a server's trials is the one of its machine.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        home = Home(folder)
        with (
            open_store(home.store_path) as store,
            LocalExperiments(home, store) as local,
            ServedExperiments(local) as server,
            KatibClient(address=server.address) as client,
        ):
            yield client


def tuned(client, objective, parameters, **settings):
    given = {"client": client, "progress": "none", "objective_type": "minimize", "max_trial_count": 4, "seed": 3}
    return katib.tune(objective, parameters, **{**given, **settings})


def test_the_best_of_a_function_is_returned_with_types(client):
    result = tuned(client, quadratic, SPACE, max_trial_count=6, parallel_trial_count=3)
    table = result.trials_dataframe()
    assert len(table) == len(result.trials) == 6
    assert result.best_value == table["metrics.objective"].min()
    best = result.best_parameters
    assert isinstance(best["x"], float)
    assert isinstance(best["layers"], int)
    assert result.best_value == quadratic(**best)
    assert result.to_optuna().best_value == result.best_value
    assert result.name.startswith("quadratic-")
    assert result.best_trial.name in result._repr_html_()


def test_what_is_returned_is_katibs_experiment_and_runs_in_the_background(client):
    created = client.tune(
        name="in-katibs-way",
        objective=quadratic,
        parameters=SPACE,
        objective_metric_name="loss",
        objective_type="minimize",
        max_trial_count=2,
        parallel_trial_count=2,
    )
    assert isinstance(created, katib.V1beta1Experiment)
    client.wait_for_experiment_condition("in-katibs-way", view=progress_view("none"))
    assert client.get_optimal_hyperparameters("in-katibs-way").observation.metrics[0].name == "loss"


def test_katibs_function_takes_a_dict_and_prints(client):
    def objective(parameters):
        for epoch in range(parameters["epochs"]):
            print(f"loss={parameters['x'] / (epoch + 1)} accuracy={epoch}")

    result = tuned(
        client,
        objective,
        {"x": katib.search.double(min=1, max=2), "epochs": 3},
        objective_metric_name="loss",
        additional_metric_names=["accuracy"],
    )
    table = result.trials_dataframe()
    assert list(table["metrics.accuracy"]) == [2.0] * 4
    assert list(table["metrics.loss"]) == pytest.approx([x / 3 for x in table["params.x"]])


def test_listed_values_come_as_what_was_listed_and_points_can_be_given(client):
    def objective(units, kind):
        assert isinstance(units, int)
        assert kind in (None, True, "word")
        return units if kind is None else 0

    result = tuned(
        client,
        objective,
        {"units": katib.search.discrete([8, 16]), "kind": katib.search.categorical([None, True, "word"])},
        objective_type="maximize",
        initial_trials=[{"units": 16, "kind": None}],
        max_trial_count=3,
    )
    assert result.best_parameters == {"units": 16, "kind": None}
    assert result.best_value == 16.0


def test_the_same_seed_tries_the_same(client):
    first, second = (tuned(client, quadratic, SPACE, algorithm_name="random") for _ in range(2))
    assert [record.assignments for record in first.trials] == [record.assignments for record in second.trials]


def test_variables_and_retries_reach_the_trials(client, tmp_path):
    def objective(x):
        import os
        from pathlib import Path

        seen = Path(os.environ["SEEN_BY_TRIALS"]) / str(x)
        if not seen.exists():
            seen.touch()
            raise RuntimeError("the first attempt")
        return x

    folder = tmp_path / "seen"
    folder.mkdir()
    result = tuned(
        client,
        objective,
        {"x": katib.search.double(0, 1)},
        env_per_trial={"SEEN_BY_TRIALS": folder},
        retries=1,
        max_trial_count=1,
    )
    assert result.best_value == float(result.trials[0].assignments[0][1])


def test_nan_is_a_measurement_and_never_the_best(client):
    def objective(x):
        return float("nan") if x == 0 else x

    result = tuned(client, objective, {"x": katib.search.discrete([0, 1, 2])}, algorithm_name="grid", max_trial_count=3)
    assert result.best_parameters == {"x": 1}
    assert len(result.trials) == 3


def test_a_sweep_that_fails_says_what_the_function_raised(client):
    def objective(x):
        raise ValueError(f"no luck with {x}")

    with pytest.raises(Conflict, match=r"(?s)is Failed.*ValueError: no luck with"):
        tuned(client, objective, {"x": katib.search.double(0, 1)}, max_failed_trial_count=0)


def test_nothing_is_submitted_where_something_is_missing(client):
    def objective(x):
        return x * SPACE

    before = len(client.list_experiments())
    with pytest.raises(InvalidInput, match="SPACE"):
        tuned(client, objective, {"x": katib.search.double(0, 1)})
    assert len(client.list_experiments()) == before


def test_workers_need_a_cluster(client):
    with pytest.raises(InvalidExperiment, match="needs Kubernetes"):
        tuned(client, quadratic, SPACE, resources_per_trial=katib.TrainerResources(2, 1, {"cpu": "1"}))


def test_the_end_of_time_stops_a_sweep_and_keeps_what_it_found(client):
    def objective(x):
        import time

        print(f"objective={x}", flush=True)
        time.sleep(600)

    result = tuned(client, objective, {"x": katib.search.double(0, 1)}, timeout=0.5, max_trial_count=2)
    assert result.experiment.status.conditions[-1].type == "Stopped"
    assert result.name in repr(result)


def test_a_sweep_whose_trials_all_fail_says_why_it_has_no_best(client):
    def broken(x):
        raise RuntimeError(f"of the function, which has {x:.0f}")

    result = tuned(client, broken, {"x": katib.search.double(0, 1)}, max_trial_count=2)
    assert result.experiment.status.trials_failed == 2
    with pytest.raises(NotFound, match=r"none has measured its objective\n.*of the function"):
        _ = result.best_parameters


def test_a_sweep_without_a_measurement_has_no_best():
    result = katib.TuneResult(katib.V1beta1Experiment(metadata=ObjectMeta(name="empty")), (), {})
    with pytest.raises(NotFound, match="no best trial"):
        _ = result.best_parameters


INTERRUPTED = """
    import katib
    from katib.client.katib_client import KatibClient

    def objective(x):
        import pathlib, time
        print("objective=1", flush=True)
        pathlib.Path("BEGUN").touch()
        time.sleep(600)

    with KatibClient(backend="local") as client:
        client.tune("interrupted", objective=objective, parameters={"x": katib.search.double(0, 1)}, max_trial_count=2)
        try:
            client.wait_for_experiment_condition("interrupted", timeout=None)
        except KeyboardInterrupt:
            print("running:", client.is_experiment_running("interrupted"))
            client.stop_experiment("interrupted", at_once=True)
            client.wait_for_experiment_condition("interrupted", expected_condition="Stopped")
"""


def interrupted(tmp_path, script):
    """Run a script until a trial of it runs, press Ctrl-C, and return its exit code and what it printed from then on."""
    path = tmp_path / "interrupted.py"
    path.write_text(textwrap.dedent(script).replace("BEGUN", str(tmp_path / "begun")))
    environment = surroundings(KATIB_HOME=str(tmp_path / "home"), PYTHONUNBUFFERED="1")
    with subprocess.Popen(
        [sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            seen = ""
            while "Running" not in seen:
                line = process.stdout.readline()
                assert line, seen
                seen += line
            while not (tmp_path / "begun").exists():
                assert process.poll() is None, process.stdout.read()
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, rest


def test_ctrl_c_ends_the_waiting_and_not_the_experiment(tmp_path):
    code, rest = interrupted(tmp_path, INTERRUPTED)
    assert code == 0, rest
    assert "experiment interrupted goes on for as long as this process lives" in rest
    assert "running: True" in rest
    assert "is not over" not in rest


IN_ONE_CALL = """
    import katib

    def objective(x):
        import pathlib, time
        print("objective=1", flush=True)
        pathlib.Path("BEGUN").touch()
        time.sleep(600)

    katib.tune(objective, {"x": katib.search.double(0, 1)}, name="once", max_trial_count=2)
"""


def test_ctrl_c_in_one_call_stops_the_sweep(tmp_path):
    code, rest = interrupted(tmp_path, IN_ONE_CALL)
    assert code == -signal.SIGINT, rest
    assert "experiment once is stopped; `katib resume once` goes on with it" in rest
    with KatibClient(backend="local", home=tmp_path / "home") as client:
        assert client.get_experiment("once").status.conditions[-1].type == "Stopped"
        assert client.get_experiment("once").status.trials_running == 0


IN_KATIBS_WAY = """
    import katib

    def profit(given):
        import math
        print(f"profit={math.sin(given['price']) * int(given['pieces'])}")

    space = {"price": katib.search.double(min=0.1, max=3.0, step=0.1), "pieces": katib.search.int(min=1, max=5)}
    katib_client = katib.KatibClient(namespace="team-a")
    katib_client.tune(
        name="profit",
        objective=profit,
        parameters=space,
        objective_metric_name="profit",
        max_trial_count=6,
        resources_per_trial={"cpu": "2"},
    )
    katib_client.wait_for_experiment_condition(name="profit")
    print([one.name for one in katib_client.get_optimal_hyperparameters("profit").parameter_assignments])
"""


def test_what_was_written_for_katibs_client_runs_with_one_import_changed(tmp_path):
    script = tmp_path / "katibs.py"
    script.write_text(textwrap.dedent(IN_KATIBS_WAY))
    assert ran(script, KATIB_HOME=str(tmp_path / "home")) == "['price', 'pieces']"


REPOSITORY = Path(__file__).parents[2]


def surroundings(**more):
    """The environment of somebody who has said nothing about where experiments run."""
    said = {"KATIB_SERVER", "KUBECONFIG"}
    return {**{name: value for name, value in os.environ.items() if name not in said}, "NO_COLOR": "1", **more}


def ran(script, *arguments, **environment):
    """Run a script as people do; returns its last line."""
    done = subprocess.run(
        [sys.executable, "-W", "error", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=surroundings(**environment),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_example_runs_here_and_against_a_server_with_one_argument_changed(katib, tmp_path):
    script = REPOSITORY / "examples" / "python" / "sweep.py"
    here = ran(script, "--trials", "6", KATIB_HOME=str(tmp_path / "here"))
    assert here.startswith("best loss ")
    server = katib.start("up", "--no-http", "--address", "127.0.0.1:0")
    address = re.search(r" on (\S+) \(", server.stdout.readline())[1]
    there = ran(script, "--trials", "6", "--backend", "grpc", KATIB_SERVER=address)
    assert there.startswith("best loss ")
    server.terminate()
    assert server.wait(60) == 0
    (experiment,) = katib.get("get", "experiments")["items"]
    assert experiment["status"]["trialsSucceeded"] == 6


def test_the_first_example_of_the_documentation_runs(tmp_path):
    text = (REPOSITORY / "docs" / "python-client.md").read_text()
    script = tmp_path / "first.py"
    script.write_text(re.search(r"```python\n(import katib\n.*?)```", text, re.DOTALL)[1])
    last = ran(script, KATIB_HOME=str(tmp_path / "home"))
    assert re.match(r"\{'x': .*, 'layers': 1\} 1\.", last), last
