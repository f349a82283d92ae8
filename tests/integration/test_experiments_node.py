"""Another language: Node's gRPC client runs a whole search, from the proto file alone."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from experiments_served import ServedExperiments

from katib.access import Identity, Role
from katib.errors import Unauthenticated
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store

HERE = Path(__file__).parent
PROTO = HERE.parents[1] / "proto" / "katib" / "v1" / "experiment.proto"
FILES = ("package.json", "package-lock.json", ".npmrc", "search.js")
NODE = shutil.which("node")
NPM = shutil.which("npm")
ALREADY_EXISTS, NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED = 6, 5, 3, 7

pytestmark = pytest.mark.skipif(not (NODE and NPM), reason="node and npm are not installed")


class OnlyNode:
    """Knows one caller."""

    asks_others = False

    def identity(self, token):
        if token != "of-node":  # noqa: S105 - it opens nothing
            raise Unauthenticated("nobody has this token")
        return Identity("node", {"team-a": Role.WRITE})


@pytest.fixture
def program(tmp_path):
    """The program with what it needs, installed as its lock says."""
    folder = tmp_path / "node"
    folder.mkdir()
    for name in FILES:
        shutil.copy(HERE / "node" / name, folder / name)
    done = subprocess.run(
        [
            NPM,
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefer-offline",
            "--fetch-retries=1",
            "--fetch-timeout=20000",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if any(word in done.stderr for word in ("ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT", "EAI_AGAIN", "ENOTCACHED")):
        pytest.skip("npm cannot reach a registry")
    assert done.returncode == 0, done.stderr
    return folder / "search.js"


def test_a_search_from_node(program, tmp_path):
    home = Home(tmp_path / "home")
    with (
        open_store(home.store_path) as store,
        LocalExperiments(home, store) as experiments,
        ServedExperiments(experiments, authenticator=OnlyNode()) as server,
    ):
        done = subprocess.run(
            [NODE, program, server.address, PROTO, "of-node"],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        trials = {trial.name: trial for trial in experiments.trials("team-a", "from-node")}
    found = json.loads(done.stdout)
    assert found["states"] == ["SUCCEEDED", "SUCCEEDED"]
    seen = found["seen"]
    assert seen.keys() == trials.keys()
    assert len(seen) == 10
    for name, trial in trials.items():
        assert seen[name]["state"] == f"TRIAL_{trial.state.name}"
        assert {key: float(value) for key, value in trial.assignments if key != "optimizer"} == {
            key: value for key, value in seen[name]["values"].items() if key != "optimizer"
        }
    assert found["counts"]["succeeded"] == 9
    assert found["counts"]["failed"] == 1
    well = {name: each["loss"] for name, each in seen.items() if each["state"] == "TRIAL_SUCCEEDED"}
    assert found["best"]["name"] == min(well, key=well.get)
    assert found["told"].count("synced") == 1
    assert found["told"].count("trial") >= 10
    codes = [refusal["code"] for refusal in found["refusals"]]
    assert codes == [ALREADY_EXISTS, NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED]
    assert all(refusal["text"] and refusal["details"] for refusal in found["refusals"])
    assert "max_trial_count" in found["refusals"][2]["text"]
