"""The example of a package with plug-ins: built and installed as its users do, it is known everywhere and keeps the contracts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "examples" / "plugins" / "katib-plugin-example"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Where the package is installed; nothing is fetched."""
    folder = tmp_path_factory.mktemp("site")
    install = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--target", folder, PACKAGE]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *map(str, install)], check=True)
    return folder


@pytest.fixture
def plugged(katib, site):
    """``katib`` with the package installed."""
    katib.environment["PYTHONPATH"] = str(site)
    return katib


def test_without_the_package_its_names_are_unknown(katib):
    assert "latinhypercube" not in katib("algorithms").stdout
    told = katib("validate", PACKAGE / "experiment.yaml", code=2).stderr
    assert "spec.algorithm.algorithmName" in told
    assert "spec.earlyStopping.algorithmName" in told


def test_both_plug_ins_are_listed_and_explained(plugged):
    assert {"latinhypercube", "plateau"} <= set(plugged("algorithms", "-o", "name").stdout.split())
    assert "size" in plugged("algorithms", "latinhypercube").stdout
    told = plugged("algorithms", "plateau").stdout
    assert "patience" in told
    assert "latinhypercube" not in plugged("algorithms", "--early-stopping").stdout
    plugged("validate", PACKAGE / "experiment.yaml")


def test_experiment_runs_with_both(plugged):
    plugged("run", PACKAGE / "experiment.yaml")
    trials = plugged.get("trials", "plugin-example")["items"]
    assert len(trials) == 6
    for trial in trials:
        condition = plugged.condition(trial)
        assert condition["type"] == "EarlyStopped"
        assert "has not improved for 4 reports (plateau)" in condition["message"]
    floors = sorted(float(trial["spec"]["parameterAssignments"][0]["value"]) for trial in trials)
    assert [int(floor * 6) for floor in floors] == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_it_keeps_the_contracts_by_its_own_tests(site):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"],
        cwd=PACKAGE,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
