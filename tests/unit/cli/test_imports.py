"""What must not be loaded before it is needed, seen from a Python of its own."""

import json
import subprocess
import sys

import pytest

HEAVY = {"numpy", "scipy", "grpc", "sqlalchemy", "kubernetes", "optuna", "skopt", "sklearn", "pandas"}

HELP = """
import sys
from katib.cli.main import main
main(["--help"])
"""
GET = """
import sys
from katib.cli.main import main
main(["--home", sys.argv[1], "get"])
"""


def loaded(program, *arguments):
    """Return the modules a program has loaded when it is done."""
    told = "import json, sys; sys.stderr.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{told}", *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_import_katib_loads_nothing_of_others():
    modules = loaded("import katib")
    assert not modules & {*HEAVY, "pydantic", "yaml", "typer", "rich"}


def test_help_loads_no_command_and_nothing_heavy():
    modules = loaded(HELP)
    assert "katib.cli.main" in modules
    assert not modules & {*HEAVY, "pydantic", "yaml", "rich"}
    assert not {
        name for name in modules if name.startswith(("katib.api", "katib.engine", "katib.local", "katib.store"))
    }


def test_get_loads_what_reading_needs(tmp_path):
    modules = loaded(GET, str(tmp_path / "home"))
    assert "sqlalchemy" in modules
    unneeded = HEAVY - {"sqlalchemy"} | {
        "rich",
        "yaml",
        "alembic",
        "suggestions",
        "katib.local.driver",
        "katib.runners.process",
    }
    assert not modules & unneeded


@pytest.mark.parametrize("word", ["algorithms", "version"])
def test_list_of_algorithms_loads_none_of_them(word):
    modules = loaded(f"from katib.cli.main import main; main(['{word}'])")
    assert not modules & HEAVY
    assert not {name for name in modules if name.startswith("suggestions.")}
