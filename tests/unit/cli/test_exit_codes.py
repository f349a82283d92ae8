"""Every way to end has a code, and every code a meaning."""

import re

import pytest

from katib import errors
from katib.api.base import Condition
from katib.api.experiment import ExperimentStatus
from katib.cli.driving import exit_code_of
from katib.cli.exit_codes import EXIT_CODES, EXPERIMENT_FAILED, INTERNAL, OK
from katib.cli.main import main


def all_errors(kind=errors.KatibError):
    return {kind, *(below for child in kind.__subclasses__() for below in all_errors(child))}


@pytest.mark.parametrize("kind", sorted(all_errors() - {errors.KatibError}, key=lambda kind: kind.__name__))
def test_every_error_has_a_code_with_a_meaning(kind):
    assert EXIT_CODES[kind.exit_code]


def test_codes_are_such_that_a_shell_can_tell_them_apart():
    assert list(EXIT_CODES) == sorted(EXIT_CODES)
    assert all(0 <= code <= 255 for code in EXIT_CODES)
    assert {OK, EXPERIMENT_FAILED, INTERNAL} <= set(EXIT_CODES)
    own = {code for code in EXIT_CODES if code not in {OK, EXPERIMENT_FAILED, INTERNAL}}
    # What is not named for others is never raised.
    raised = {kind for kind in all_errors() - {errors.KatibError} if not kind.__name__.startswith("_")}
    assert own == {kind.exit_code for kind in raised}


def test_help_tells_all_of_them(capsys):
    main(["--help"])
    section = capsys.readouterr().out.split("Exit codes:")[1]
    assert {int(code) for code in re.findall(r"^  (\d+) ", section, re.MULTILINE)} == set(EXIT_CODES)


@pytest.mark.parametrize(
    ("kind", "code"), [("Succeeded", 0), ("Failed", 1), ("Stopped", 130), ("Running", 0), (None, 0)]
)
def test_end_of_an_experiment_is_the_end_of_its_run(kind, code):
    conditions = [Condition(type=kind, status="True")] if kind else []
    assert exit_code_of(ExperimentStatus(conditions=conditions)) == code
    assert exit_code_of(None) == 0
