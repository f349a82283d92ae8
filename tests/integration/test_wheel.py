"""What is installed from a wheel is whole: also what is no Python."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TELL = """
import katib
from katib.api.trial_kind import trial_kinds
from katib.algorithm import registry
print(katib.__file__, len(trial_kinds()), len(registry.names()))
"""


def test_kinds_and_algorithms_are_found_in_a_wheel(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", TELL], cwd=tmp_path, env=environment, capture_output=True, check=True)
    file, kinds, algorithms = done.stdout.decode().split()
    assert Path(file).is_relative_to(site)
    assert int(kinds) == len(list(REPOSITORY.glob("trial_templates/*/profile.yaml")))
    assert int(algorithms) > 0
