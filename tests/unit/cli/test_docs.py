"""docs/cli.md says what the code does."""

import re
from pathlib import Path

import pytest

from katib.cli.command_table import COMMANDS
from katib.cli.exit_codes import EXIT_CODES
from katib.cli.lazy_group import ENVIRONMENT
from katib.cli.main import main
from katib.cli.options import Output

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def rows(section):
    """Return the cells of the tables of one section."""
    text = re.split(rf"^## {re.escape(section)}$", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def part_of(name):
    """Return what is said about one command."""
    return re.split(rf"^\*\*`katib {name}\b", TEXT, flags=re.MULTILINE)[1].split("\n**`katib ")[0].split("\n## ")[0]


def test_every_command_is_there_under_its_heading_and_no_other():
    found = []
    for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        title = section.split("\n", 1)[0]
        found += [(title, name) for name in re.findall(r"^\*\*`katib ([a-z]+(?:[ -][a-z]+)*)", section, re.MULTILINE)]
    assert found == [(line.section, name) for name, line in COMMANDS.items()]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_named(name, capsys):
    main([*name.split(), "--help"])
    help_text = capsys.readouterr().out.split("Common options:")[0]
    own = set(re.findall(r"(?<!\S)(--[a-z-]+)", help_text))
    said = part_of(name)
    missing = {option for option in own if option not in said}
    assert missing <= ({"--output"} if "-o" in said else set())
    known = {*own, "--max-trials", "--version", "--replace"}
    assert set(re.findall(r"`(?:-\w`/`)?(--[a-z-]+)", said)) <= known


def test_environment_is_what_the_code_reads():
    assert [row[0].strip("`") for row in rows("Environment")] == list(ENVIRONMENT)
    read = set()
    for path in [*(ROOT / "katib" / "cli").rglob("*.py"), ROOT / "katib" / "local" / "home.py"]:
        text = path.read_text(encoding="utf-8")
        read |= set(re.findall(r"(?:environ(?:\.get\(|\[)|envvar=)\"([A-Z_]+)\"", text))
    assert read - {"PATH", "TERM", "XDG_DATA_HOME"} == set(ENVIRONMENT)


def test_exit_codes_are_those_of_the_code():
    assert {int(code): meaning for code, meaning in rows("Exit codes")} == EXIT_CODES


def test_forms_are_those_of_the_option():
    assert re.findall(r"`(\w+)`", " ".join(row[0] for row in rows("The forms of `-o`"))) == [
        form.value for form in Output
    ]


def test_common_options_are_those_of_every_command(capsys):
    main(["version", "--help"])
    shown = capsys.readouterr().out.split("Common options:")[1]
    said = " ".join(row[0] for row in rows("Options of every command"))
    assert set(re.findall(r"--[a-z-]+", said)) == set(re.findall(r"--[a-z-]+", shown))
