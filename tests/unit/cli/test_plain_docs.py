"""Docstrings as people read them at a prompt."""

import pytest

from katib.algorithm import registry
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
