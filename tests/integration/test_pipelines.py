"""An experiment as one step of a workflow: the examples compile with the engines' own tools, and what they start runs."""

import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml

from katib.client import pipeline_step

REPOSITORY = Path(__file__).parents[2]
PIPELINES = REPOSITORY / "examples" / "pipelines"
KUBEFLOW = PIPELINES / "kubeflow_pipeline.py"
ARGO = PIPELINES / "argo" / "workflow-template.yaml"
SWEEP = PIPELINES / "sweep" / "experiment.yaml"
TRAINER = REPOSITORY / "deploy" / "images" / "trial" / "train.py"


@pytest.fixture(scope="session")
def engines():
    """A Python with kfp and hera: KATIB_PIPELINES_PYTHON, or one that is made once, inside the environment of these tests."""
    given = os.environ.get("KATIB_PIPELINES_PYTHON")
    if given:
        return given
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"]["pipelines"]
    mark = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12]
    folder = Path(sys.prefix) / "share" / f"katib-workflow-engines-{mark}"
    python, done = folder / "bin" / "python", folder / "done"
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several workers one makes it
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True, timeout=120)
            pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-compile", "--retries=1"]
            try:
                # With a pip of its own: kfp's executor looks for it.
                subprocess.run([*pip, *wanted, "pip"], check=True, capture_output=True, text=True, timeout=240)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                pytest.skip(
                    f"kfp and hera cannot be installed here: {str(error.stderr or error).strip().splitlines()[-1]}"
                )
            done.touch()
    return str(python)


def sweep(*, trials=2, seconds=0, fail=0):
    """The example's experiment with the trainer where it is on this machine."""
    text = (
        SWEEP.read_text()
        .replace("/opt/app/train.py", str(TRAINER))
        .replace("algorithmName: tpe", "algorithmName: random")  # quicker
        .replace("maxTrialCount: 12", f"maxTrialCount: {trials}")
    )
    more = f"--seconds-per-epoch={seconds}\n                  - --fail-at-epoch={fail}\n                  - --epochs=5"
    assert "--epochs=5" in text
    text = text.replace("--epochs=5", more)
    return text.replace("parallelTrialCount: 3", "parallelTrialCount: 2").replace(
        "TrialCount: 3", f"TrialCount: {min(trials, 3)}"
    )


def run_step(katib, *arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "katib.client.pipeline_step", *map(str, arguments)],
        env={**katib.environment, "OMP_NUM_THREADS": "1"},
        cwd=katib.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def start_step(katib, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "katib.client.pipeline_step", *map(str, arguments)],
        env=katib.environment,
        cwd=katib.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    katib.started.append(process)
    return process


# -- Kubeflow Pipelines ----------------------------------------------------------------------------------------------


@pytest.fixture
def compiled(engines, tmp_path):
    target = tmp_path / "pipeline.yaml"
    subprocess.run([engines, KUBEFLOW, target], check=True, capture_output=True, timeout=120)
    return yaml.safe_load(target.read_text())


def test_the_kubeflow_pipeline_compiles_and_runs(compiled, engines, katib, tmp_path):
    tasks = compiled["root"]["dag"]["tasks"]
    handed = tasks["train"]["inputs"]["parameters"]["parameters"]["taskOutputParameter"]
    assert handed == {"producerTask": "search", "outputParameterKey": "best_parameters"}
    assert tasks["train"]["dependentTasks"] == ["search"]
    assert "enableCache" not in tasks["search"]["cachingOptions"]

    # The step as Kubeflow's launcher would start it.
    inputs = {"experiment": sweep(), "run": "a-run", "backend": "local", "timeout_seconds": "100.0"}
    outputs = {name: tmp_path / "out" / name for name in ("best_parameters", "best_value", "best_trial")}
    container = compiled["deploymentSpec"]["executors"]["exec-search"]["container"]
    assert container["command"] == ["python", "-m", "katib.client.pipeline_step"]
    places = {f"{{{{$.inputs.parameters['{name}']}}}}": value for name, value in inputs.items()}
    places |= {f"{{{{$.outputs.parameters['{name}'].output_file}}}}": str(path) for name, path in outputs.items()}
    run_step(katib, *(places.get(one, one) for one in container["args"]))
    best = json.loads(outputs["best_parameters"].read_text())
    assert type(best["lr"]) is float
    assert type(best["batch"]) is int
    [experiment] = katib.get("get", "experiments")["items"]
    optimum = experiment["status"]["currentOptimalTrial"]
    assert outputs["best_trial"].read_text() == optimum["bestTrialName"]
    assert float(outputs["best_value"].read_text()) == float(optimum["observation"]["metrics"][0]["min"])

    # The next step, by kfp's own executor.
    program = (
        "import json, sys; from kfp import local; local.init(local.SubprocessRunner(use_venv=False));"
        "import kubeflow_pipeline as p; print('left', p.train(parameters=json.loads(sys.argv[1]), steps=20).output)"
    )
    trained = subprocess.run(
        [engines, "-c", program, outputs["best_parameters"].read_text()],
        env={**os.environ, "PYTHONPATH": str(PIPELINES), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    assert 0 <= float(re.search(r"^left (\S+)$", trained.stdout, re.MULTILINE).group(1)) < 10


# -- Argo Workflows --------------------------------------------------------------------------------------------------

READS_AND_WRITES = """
import json, sys
from hera.workflows.models import WorkflowTemplate
print(json.dumps(json.loads(WorkflowTemplate.model_validate(json.load(sys.stdin)).model_dump_json(by_alias=True, exclude_none=True))))
"""


def test_argo_knows_every_field_of_the_template(engines):
    template = yaml.safe_load(ARGO.read_text())
    read = subprocess.run(
        [engines, "-c", READS_AND_WRITES],
        input=json.dumps(template),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout) == template  # what it does not know, it leaves out


def test_every_name_in_the_argo_template_is_there():
    spec = yaml.safe_load(ARGO.read_text())["spec"]
    templates = {one["name"]: one for one in spec["templates"]}
    assert spec["entrypoint"] in templates
    for template in templates.values():
        declared = {one["name"] for one in template.get("inputs", {}).get("parameters", [])}
        used = set(re.findall(r"inputs\.parameters\.([\w-]+)", json.dumps(template)))
        assert used == declared
    tasks = {task["name"]: task for task in templates[spec["entrypoint"]]["dag"]["tasks"]}
    for task in tasks.values():
        inputs = templates[task["template"]]["inputs"]["parameters"]
        given = {one["name"] for one in task["arguments"]["parameters"]}
        assert {one["name"] for one in inputs if "value" not in one} <= given
        for producer, output in re.findall(r"tasks\.([\w-]+)\.outputs\.parameters\.([\w-]+)", json.dumps(task)):
            assert producer in task["depends"]
            assert output in {one["name"] for one in templates[tasks[producer]["template"]]["outputs"]["parameters"]}
    accounts = [
        one for one in yaml.safe_load_all((ARGO.parent / "access.yaml").read_text()) if one["kind"] == "ServiceAccount"
    ]
    assert [one["metadata"]["name"] for one in accounts] == [spec["serviceAccountName"]]


def test_the_steps_of_the_argo_template_run(katib, tmp_path):
    server = katib.start("up", "--address", "127.0.0.1:0", "--no-http")
    katib.environment["KATIB_SERVER"] = server.stdout.readline().split()[2]
    templates = {one["name"]: one for one in yaml.safe_load(ARGO.read_text())["spec"]["templates"]}
    search, train = templates["search"], templates["train"]
    written = "/tmp/katib"  # noqa: S108 - in the container
    assert search["container"]["command"] == ["python", "-m", "katib.client.pipeline_step"]
    values = {
        "inputs.parameters.experiment": sweep(),
        "inputs.parameters.namespace": "team",
        "inputs.parameters.backend": "grpc",
        "inputs.parameters.timeout-seconds": "100",
        "workflow.uid": "5f1d",
    }
    arguments = [
        values.get(one.strip("{}"), one) if one.startswith("{{") else one for one in search["container"]["args"]
    ]
    run_step(katib, *(one.replace(written, str(tmp_path / "out")) for one in arguments))
    paths = {one["name"]: one["valueFrom"]["path"] for one in search["outputs"]["parameters"]}
    handed = {name: Path(path.replace(written, str(tmp_path / "out"))).read_text() for name, path in paths.items()}
    assert set(handed) == {"best-parameters", "best-value", "best-trial"}

    best = json.loads(handed["best-parameters"])
    filled = [
        re.sub(
            r"\{\{=jsonpath\(inputs\.parameters\.best, '\$\.(\w+)'\)\}\}", lambda found: str(best[found.group(1)]), one
        )
        for one in train["container"]["args"]
    ]
    trained = subprocess.run([sys.executable, TRAINER, *filled], capture_output=True, text=True, timeout=60, check=True)
    assert "epoch=20 loss=" in trained.stdout


# -- the step itself -------------------------------------------------------------------------------------------------


def test_a_step_that_starts_again_takes_up_its_experiment(katib, tmp_path):
    given = ["--backend", "local", "--experiment", sweep(trials=3, seconds=0.1), "--run", "7"]
    first = start_step(katib, *given)
    home = Path(katib.home)
    deadline = time.monotonic() + 60
    while not (first.poll() is not None or list(home.glob("**/*.log"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.kill()
    first.wait()
    told = run_step(
        katib, *given, "--best-parameters", tmp_path / "best", "--experiment-name", tmp_path / "name"
    ).stdout
    assert "was begun by an earlier start" in told
    name = (tmp_path / "name").read_text()
    assert name.startswith("sweep-")
    experiment = katib.get("get", "experiment", name)
    assert experiment["status"]["trialsSucceeded"] == 3
    assert set(json.loads((tmp_path / "best").read_text())) == {"lr", "batch"}
    # A third time there is nothing left to do, and the answer is the same.
    before = (tmp_path / "best").read_text()
    run_step(katib, *given, "--best-parameters", tmp_path / "again")
    assert (tmp_path / "again").read_text() == before


def test_an_experiment_that_fails_is_the_step_s_failure(katib, tmp_path):
    text = sweep(trials=4, fail=1).replace("maxFailedTrialCount: 3", "maxFailedTrialCount: 1")
    told = run_step(
        katib, "--backend", "local", "--experiment", text, "--best-value", tmp_path / "value", code=4
    ).stderr
    assert "is Failed, not Succeeded" in told
    assert "failing at epoch 1, as told" in told
    assert not (tmp_path / "value").exists()


@pytest.mark.parametrize("how", ["cancelled", "late"])
def test_a_step_that_is_cancelled_or_late_stops_its_experiment(katib, how):
    given = ["--backend", "local", "--experiment", sweep(trials=50, seconds=5)]
    if how == "late":
        told = run_step(katib, *given, "--timeout", "2", code=124).stderr
        assert "has not succeeded within 2 s and was stopped" in told
    else:
        step = start_step(katib, *given)
        line = step.stdout.readline()
        while "Running" not in line:
            assert line
            line = step.stdout.readline()
        step.send_signal(signal.SIGTERM)
        rest, _ = step.communicate(timeout=120)
        assert "stopping experiment sweep" in rest
        assert step.returncode != 0
    stopped = katib.get("get", "experiment", "sweep")
    assert katib.condition(stopped)["type"] == "Stopped"
    # Without --run, an experiment of the name may be anybody's: it is left alone.
    assert "sweep" in run_step(katib, *given, code=4).stderr
    assert katib.get("get", "experiment", "sweep")["status"] == stopped["status"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a: [", "not valid YAML"),
        ("kind: Experiment", "needs metadata.name"),
        ("metadata: {name: a}\n---\nmetadata: {name: b}", "has to be one document"),
        ("@/nowhere/at/all.yaml", "cannot be read"),
        ("@sweep.yaml", "maxTrialCount"),
    ],
)
def test_what_is_no_experiment_is_refused_with_its_fault(text, wrong, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KATIB_HOME", str(tmp_path / "home"))
    Path("sweep.yaml").write_text(sweep().replace("maxTrialCount: 2", "maxTrialCount: 0"))
    assert pipeline_step.main(["--backend", "local", "--experiment", text]) == 2
    assert wrong in capsys.readouterr().err
