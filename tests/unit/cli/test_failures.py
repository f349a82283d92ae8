"""Errors become sentences, never tracebacks."""

import errno
import re
from pathlib import Path

import pytest

import katib.cli.commands.version
from katib.cli.failures import explain
from katib.cli.main import main
from katib.errors import (
    AlgorithmError,
    Conflict,
    InvalidExperiment,
    InvalidInput,
    NotFound,
    Problem,
    RunnerError,
    StoreUnavailable,
)


@pytest.fixture(autouse=True)
def no_debug(monkeypatch, tmp_path):
    monkeypatch.delenv("KATIB_DEBUG", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NotFound("no such thing"), 3, "error: no such thing\n"),
        (Conflict("taken"), 4, "error: taken\n"),
        (AlgorithmError("broke"), 7, "error: broke\n"),
        (RunnerError("cannot start"), 8, "error: cannot start\n"),
        (StoreUnavailable("the disk is full"), 10, "error: the disk is full\n"),
        (InvalidInput("say what"), 2, "error: say what\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 8, "error: /x/y: No space left on device\n"),
        (OSError(errno.EIO, "Input/output error"), 8, "error: cannot read or write: Input/output error\n"),
    ],
)
def test_sentence_and_code(error, code, said, capsys):
    assert explain(error) == code
    assert capsys.readouterr().err == said


def test_every_problem_is_a_line(capsys):
    problems = [Problem("spec.a", "is wrong", 1, "did you mean 'b'?", 7), Problem("", "is empty")]
    assert explain(InvalidExperiment(problems)) == 2
    assert capsys.readouterr().err == ("error: spec.a (line 7): is wrong (got 1); did you mean 'b'?\nerror: is empty\n")


def test_message_cannot_steer_the_terminal(capsys):
    explain(NotFound("no \x1b[2J\u202e"))
    assert capsys.readouterr().err == "error: no \\x1b[2J\\u202e\n"


@pytest.fixture
def broken(monkeypatch):
    """Make ``katib version`` fail in a way nobody planned for."""

    def fail():
        raise LookupError("not planned")

    monkeypatch.setattr(katib.cli.commands.version, "sentence", fail)


@pytest.mark.usefixtures("broken")
def test_fault_of_our_own_is_one_sentence_and_its_traceback_a_file(capsys, tmp_path):
    assert main(["version"]) == 70
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "LookupError: not planned" in said
    assert "Traceback" not in said
    kept = Path(re.search(r"the details are in (\S+)\n", said).group(1))
    assert kept.parent == tmp_path
    assert "Traceback" in kept.read_text()
    assert "not planned" in kept.read_text()


@pytest.mark.usefixtures("broken")
def test_traceback_is_shown_where_it_was_asked_for(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KATIB_DEBUG", "1")
    assert main(["version"]) == 70
    assert "Traceback" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("broken")
def test_nowhere_to_write_a_traceback_is_said_and_no_second_fault(capsys, monkeypatch):
    def refuse(**_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert main(["version"]) == 70
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "KATIB_DEBUG=1" in said


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, 0), (SystemExit, 0), (RecursionError, 70)]
)
def test_other_ends(raised, code, monkeypatch):
    def fail():
        raise raised

    monkeypatch.setattr(katib.cli.commands.version, "sentence", fail)
    assert main(["version"]) == code
