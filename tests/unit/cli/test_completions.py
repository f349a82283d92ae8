"""What is offered after TAB. Never an error: someone is typing."""

from types import SimpleNamespace

import pytest

from katib.algorithm import registry
from katib.cli.completions import (
    complete_algorithms,
    complete_experiments,
    complete_plugins,
    complete_references,
    complete_trials,
)


@pytest.fixture
def context(tmp_path):
    """Make the context of a command line so far."""

    def context(*references, home=None, above=tmp_path, **params):
        above = SimpleNamespace(params={"home": str(above), "namespace": None}, parent=None)
        if home is not None:
            params["home"] = str(home)
        return SimpleNamespace(params={"references": references, **params}, parent=above)

    return context


def test_experiments_of_the_namespace(context, stored):
    for name in ("digits", "digits-two", "other"):
        stored(name=name)
    stored(name="digits-of-theirs", namespace="team")
    assert complete_experiments(context(), "dig") == ["digits", "digits-two"]
    assert complete_experiments(context(namespace="team"), "") == ["digits-of-theirs"]


def test_option_nearest_to_the_cursor_counts(context, stored, tmp_path):
    stored(name="here")
    assert complete_experiments(context(above="/nowhere/at/all", home=tmp_path), "") == ["here"]


def test_trials_newest_first(context, stored, specimens):
    stored(*[specimens.trial(index) for index in range(300)])
    offered = complete_trials(context(), "exp-")
    assert len(offered) == 200
    assert offered[0] == specimens.trial(299).name
    assert complete_trials(context(), "exp-t0000299") == [specimens.trial(299).name]
    assert complete_trials(context(), "nothing") == []


def test_kinds_and_names(context, stored, specimens):
    stored(specimens.trial(0), name="exp")
    assert complete_references(context(), "") == ["experiments", "trials", "suggestions", "exp"]
    assert complete_references(context(), "tr") == ["trials"]
    assert complete_references(context("trial"), "") == [specimens.trial(0).name]
    assert complete_references(context("experiments"), "") == ["exp"]


def test_algorithms_with_a_line_about_each(context):
    offered = dict(complete_algorithms(context(), ""))
    assert list(offered) == registry.names()
    assert "`" not in "".join(offered.values())
    assert list(dict(complete_algorithms(context(), "rand"))) == ["random"]
    assert list(dict(complete_plugins(context(), "med"))) == ["medianstop"]
    names = [name for name, _ in complete_plugins(context(), "")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("complete", [complete_experiments, complete_trials, complete_references])
def test_no_store_is_no_offer_and_no_new_folder(complete, context, tmp_path):
    home = tmp_path / "none"
    offered = complete(context("trial", home=home), "x")
    assert offered == []
    assert not home.exists()


def test_broken_store_is_no_error(context, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "katib.db").write_text("this is no database")
    assert complete_experiments(context(home=tmp_path / "home"), "") == []
