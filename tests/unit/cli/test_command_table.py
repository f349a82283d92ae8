"""The table from which ``katib --help`` is written says what the commands themselves say."""

import importlib
import inspect
from pathlib import Path

import pytest

import katib.cli.commands
from katib.cli.command_table import COMMANDS
from katib.cli.main import main


@pytest.mark.parametrize("name", COMMANDS)
def test_summary_is_the_first_line_of_the_commands_docstring(name):
    function = importlib.import_module(COMMANDS[name].module).command
    assert inspect.getdoc(function).split("\n", 1)[0] == COMMANDS[name].summary


def test_every_module_with_a_command_is_in_the_table():
    modules = {
        f"katib.cli.commands.{path.stem}"
        for path in Path(katib.cli.commands.__file__).parent.glob("*.py")
        if any(line.startswith("def command(") for line in path.read_text().splitlines())
    }
    assert modules == {line.module for line in COMMANDS.values()}


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert f"  {name} " in shown
        assert line.summary in shown


def test_no_arguments_show_the_help_and_are_no_fault(capsys):
    assert main([]) == 0
    bare = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == bare


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_shows_arguments_by_name_and_the_common_options(name, capsys):
    assert main([*name.split(), "-h"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: katib {name} [OPTIONS]" in shown
    assert "--namespace" in shown
    for clutter in ("{", "<str>", "list[", "...]...", "``"):
        assert clutter not in shown


def test_common_options_count_before_and_after_the_command(capsys, tmp_path):
    assert main(["--home", str(tmp_path / "home"), "-n", "a", "get", "-n", "b"]) == 0
    assert "no experiments in namespace b" in capsys.readouterr().err
    assert (tmp_path / "home" / "katib.db").exists()


def test_version_is_an_option_too(capsys):
    assert main(["--version"]) == 0
    asked = capsys.readouterr().out
    assert main(["version"]) == 0
    assert capsys.readouterr().out == asked
    assert asked.startswith("katib ")
