"""A command line that means nothing: exit code 2, one sentence, and where to look."""

import pytest

from katib.cli.main import main


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("trails", "error: there is no command 'trails'; did you mean 'trials'?\n"),
        ("qqq", "error: there is no command 'qqq'; katib --help lists the commands\n"),
        ("get --outptu json", "error: no such option: --outptu; did you mean '--output'?\nsee: katib get --help\n"),
        ("--nonsense", "error: no such option: --nonsense\nsee: katib --help\n"),
        ("logs", "error: missing argument 'TRIAL'\nsee: katib logs --help\n"),
        ("run", "error: say which file; katib init writes one to start from\n"),
        ("validate", "error: say which file; katib init writes one to start from\n"),
        ("run a b --name c", "error: --name is for one experiment, and here are 2 files\n"),
        ("get -w -o json", "error: --watch prints tables or names: leave -o away, or --watch\n"),
        ("get exp -e x", "error: --experiment goes with trials: katib get trials -e x\n"),
        ("describe", "error: say what: katib describe NAME, or katib describe trial NAME\n"),
        ("algorithms grd", "did you mean 'grid'?\n"),
        ("init -a rondom", "did you mean 'random'?\n"),
        ("init --name A_b", "error: --name 'A_b': must be at most 40 lower-case letters"),
        ("wait x --for Succeded", "did you mean 'Succeeded'?\n"),
        ("trials x --state succeded", "did you mean 'Succeeded'?\n"),
        ("trials x --limit 0", "error: invalid value for '--limit': must be at least 1\nsee: katib trials --help\n"),
        (
            "run x --parallel two",
            "error: invalid value for '--parallel': must be a whole number\nsee: katib run --help\n",
        ),
        ("wait x --timeout 3x", "'3x' is not a duration"),
    ],
)
def test_wrong_command_line(line, said, capsys, tmp_path):
    assert main(["--home", str(tmp_path / "home"), *line.split()]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_wrong_value_is_named_with_what_is_allowed(capsys):
    assert main(["get", "-o", "xml"]) == 2
    shown = capsys.readouterr().err
    assert "'xml'" in shown
    assert "'yaml'" in shown
    assert "Value error" not in shown


def test_hostile_words_reach_the_terminal_as_escapes(capsys):
    assert main(["\x1b]0;gotcha\x07"]) == 2
    assert main(["get", "--\x1b[2J"]) == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "gotcha" in shown
