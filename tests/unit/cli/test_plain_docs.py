"""Docstrings as people read them at a prompt."""

import json
import re

import pytest

from katib.algorithm import early_stoppers, registry
from katib.cli.counted import counted
from katib.cli.main import main
from katib.cli.plain_docs import plain


@pytest.mark.parametrize(
    ("docstring", "shown"),
    [
        ("needs a ``step`` for each double", "needs a step for each double"),
        ("see :class:`Random` and :meth:`~a.suggest`", "see Random and a.suggest"),
        ("`one` and `two`_", "one and two"),
        ("a ` alone and `` too", "a ` alone and `` too"),
        ("no marks", "no marks"),
    ],
)
def test_marks_are_taken_away(docstring, shown):
    assert plain(docstring) == shown


def test_no_algorithm_shows_the_marks_of_its_docstring(capsys):
    assert main(["algorithms"]) == 0
    shown = capsys.readouterr().out
    assert "`" not in shown
    for name in registry.names():
        assert f"\n{name} " in shown
    for name in early_stoppers.names():
        assert re.search(rf"^{name} +early stopper ", shown, re.MULTILINE)


def test_a_name_is_an_algorithms_first_and_points_to_the_early_stopper_of_the_same_name(capsys):
    assert main(["algorithms", "asha"]) == 0
    assert "katib algorithms asha --early-stopping" in capsys.readouterr().out
    assert main(["algorithms", "asha", "--early-stopping"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("asha: At each rung stop")
    assert "\nmin_resource " in shown
    assert main(["algorithms", "medianstop"]) == 0
    assert "\nmin_trials_required " in capsys.readouterr().out


@pytest.mark.parametrize("wanted", [[], ["--early-stopping"]])
def test_algorithms_and_early_stoppers_as_a_document(wanted, capsys):
    assert main(["algorithms", "-o", "json", *wanted]) == 0
    listed = [(item["kind"], item["name"]) for item in json.loads(capsys.readouterr().out)]
    expected = [] if wanted else [("algorithm", name) for name in registry.names()]
    assert listed == expected + [("early stopper", name) for name in early_stoppers.names()]
    assert main(["algorithms", "-o", "json", "medianstop"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "early stopper"


def test_unknown_early_stopper_is_answered_with_those_there_are(capsys):
    assert main(["algorithms", "medianstp", "--early-stopping"]) == 2
    assert "there are asha, medianstop; did you mean 'medianstop'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", registry.names())
def test_algorithm_is_explained_with_its_settings(name, capsys):
    assert main(["algorithms", name]) == 0
    shown = capsys.readouterr().out
    described = registry.describe(name)
    assert shown.startswith(f"{name}: ")
    assert "``" not in shown
    for setting in described.settings:
        assert f"\n{setting.name} " in shown


@pytest.mark.parametrize(("number", "said"), [(0, "0 trials"), (1, "1 trial"), (2, "2 trials")])
def test_counted(number, said):
    assert counted(number, "trial") == said
