"""An algorithm is one file: dropped in, it is known everywhere; broken, it is named and in nobody's way."""

import subprocess
import sys
import textwrap

import pytest

from katib.algorithm import registry
from katib.algorithm.algorithm import Algorithm
from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.errors import AlgorithmError, InvalidInput

CENTRE = '''
"""A file as its author writes it."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.errors import Problem


class Centre(Algorithm, name="centre"):
    """Always the middle of the space.

    Good for nothing but a test;
    and it says so in two lines.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``centre``."""

        repeats: PositiveInt = 1
        """How often the middle is given
        for each point that is wanted."""
        mode: Literal["exact", "near"] = "exact"
        """Where the middle is."""
        label: str
        """Required, to have one."""
        weight: float | None = None

    @classmethod
    def validate(cls, problem, settings):
        if problem.max_trials is None:
            yield Problem("spec.maxTrialCount", "is required for centre")

    def suggest(self, history, count):
        return [self.problem.space.from_unit([0.5] * self.problem.space.dimension)] * count
'''


def test_shipped_algorithms_are_listed_with_one_line_each():
    assert {"random", "grid", "sobol"} <= set(registry.names())
    assert registry.names() == sorted(registry.names())
    summaries = registry.summaries()
    assert list(summaries) == registry.names()
    assert all(line.endswith((".", ":")) or "from " in line or len(line) > 10 for line in summaries.values())


def test_file_that_is_dropped_in_is_listed_described_checked_and_asked(drop, experiment):
    assert "centre" not in registry.names()
    drop("centre_search.py", CENTRE)
    assert "centre" in registry.names()
    assert registry.summaries()["centre"] == "Always the middle of the space."
    described = registry.describe("centre")
    assert (described.name, described.summary) == ("centre", "Always the middle of the space.")
    assert described.details == "Good for nothing but a test;\nand it says so in two lines."
    assert [(each.name, each.type, each.default) for each in described.settings] == [
        ("repeats", "int", "1"),
        ("mode", "exact | near", "exact"),
        ("label", "str", "required"),
        ("weight", "float", ""),
    ]
    assert described.settings[0].description == "How often the middle is given for each point that is wanted."
    good = experiment("centre", [("label", "x")], maxTrialCount=5)
    assert registry.problems(good) == []
    assert [dict(point) for point in suggest(registry.create(good, 1), History(), 2)] == [{"n": 5, "c": "b"}] * 2
    bad = experiment("centre", [("repeats", "0"), ("mod", "near")])
    assert [problem.path for problem in registry.problems(bad)] == [
        "spec.algorithm.algorithmSettings[0].value",
        "spec.algorithm.algorithmSettings",
        "spec.algorithm.algorithmSettings[1].name",
    ]
    assert [problem.path for problem in registry.problems(experiment("centre", [("label", "x")]))] == [
        "spec.maxTrialCount"
    ]


def test_algorithm_of_another_package_is_found_by_its_entry_point(offer, experiment):
    offer(elsewhere="suggestions.random_search:RandomSearch")
    assert "elsewhere" in registry.names()
    assert registry.summaries()["elsewhere"] == "from suggestions.random_search:RandomSearch"
    assert len(suggest(registry.create(experiment("elsewhere"), 1), History(), 2)) == 2


@pytest.fixture(autouse=True)
def _names_stay():
    """An entry point renames the class it loads; ours is used by other tests."""
    yield
    registry.get("random").name = "random"


def test_our_own_names_cannot_be_taken(offer):
    offer(random="nowhere:Nothing")
    assert registry.get("random").__module__ == "suggestions.random_search"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_package.module:Class", "ModuleNotFoundError"),
        ("json:NoSuchThing", "AttributeError"),
        ("json:dumps", "is no subclass of katib.algorithm.algorithm.Algorithm"),
        ("json:JSONDecoder", "is no subclass of katib.algorithm.algorithm.Algorithm"),
    ],
)
def test_broken_package_is_named_and_in_nobodys_way(offer, experiment, value, said):
    offer(broken=value)
    with pytest.raises(AlgorithmError, match=said) as caught:
        registry.get("broken")
    assert "'broken'" in str(caught.value)
    assert value in str(caught.value)
    (problem,) = registry.problems(experiment("broken"))
    assert problem.path == "spec.algorithm.algorithmName"
    assert "'broken'" in problem.message
    assert "broken" in registry.names()
    assert registry.problems(experiment("random")) == []


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("def (", "mine", "SyntaxError"),
        (b"x = '\xff'", "mine", "SyntaxError"),
        ("\0", "mine", "(SyntaxError|ValueError)"),
        (
            "from katib.algorithm.algorithm import Algorithm\nimport no_such\nclass A(Algorithm, name='broken'): ...",
            "broken",
            "no_such",
        ),
        ("1 / 0\nclass A(Algorithm, name='broken'): ...", "broken", "ZeroDivisionError"),
        ("class A(Algorithm, name='broken'): ...", "broken", "NameError"),
        (
            "class Algorithm: __init_subclass__ = lambda *_, **__: None\nclass A(Algorithm, name='broken'): ...",
            "broken",
            "no subclass",
        ),
    ],
)
def test_broken_file_is_named_and_in_nobodys_way(drop, experiment, text, name, said):
    drop("mine.py", text)
    assert name in registry.names()
    assert name in registry.summaries()
    with pytest.raises(AlgorithmError, match=said) as caught:
        registry.get(name)
    assert "suggestions.mine" in str(caught.value)
    assert len(registry.problems(experiment(name))) == 1
    assert registry.problems(experiment("random")) == []
    assert registry.describe("sobol").summary


CRASHING = """
from katib.algorithm.algorithm import Algorithm

class Crashing(Algorithm, name="crashing"):
    '''Breaks in one of its methods.'''

    def __init__(self, problem, settings):
        super().__init__(problem, settings)
        if problem.seed == 13:
            raise KeyError("unlucky")

    @classmethod
    def validate(cls, problem, settings):
        if problem.max_trials == 13:
            raise RuntimeError("unlucky too")
        return ()

    def suggest(self, history, count):
        raise OSError("out of luck")
"""


def test_crash_of_a_plug_in_names_it(drop, experiment):
    drop("crashing.py", CRASHING)
    (problem,) = registry.problems(experiment("crashing", maxTrialCount=13))
    assert problem.message == "algorithm 'crashing' failed to check the experiment: RuntimeError: unlucky too"
    with pytest.raises(AlgorithmError, match="'crashing' cannot begin: KeyError: 'unlucky'"):
        registry.create(experiment("crashing"), 13)
    with pytest.raises(OSError, match="out of luck"):
        suggest(registry.create(experiment("crashing"), 1), History(), 1)


def test_files_without_an_algorithm_are_passed_over(drop):
    before = registry.names()
    drop("nothing.py", "class Other: ...\nclass Base(Algorithm): ...\nclass Odd(Algorithm, name=compute()): ...\nx = 1")
    drop("notes.txt", "class A(Algorithm, name='text'): ...")
    assert registry.names() == before


def test_unknown_name_is_answered_with_what_there_is_and_what_was_meant(experiment):
    (problem,) = registry.problems(experiment("rando"))
    assert problem.path == "spec.algorithm.algorithmName"
    assert "grid" in problem.message
    assert problem.hint == "did you mean 'random'?"
    for ask in (registry.get, registry.describe):
        with pytest.raises(InvalidInput, match="is no algorithm"):
            ask("rando")
    with pytest.raises(InvalidInput, match="is no algorithm"):
        registry.create(experiment("rando"), 1)


def test_experiment_without_an_algorithm_is_told_so(experiment):
    made = experiment("")
    assert [problem.path for problem in registry.problems(made)] == ["spec.algorithm.algorithmName"]
    made.spec.algorithm = None
    assert [problem.path for problem in registry.problems(made)] == ["spec.algorithm"]
    with pytest.raises(InvalidInput):
        registry.create(made, 1)


@pytest.mark.parametrize("name", registry.names())
def test_every_algorithm_explains_itself_and_every_setting(name):
    described = registry.describe(name)
    assert described.summary.endswith(".") or ":" in described.summary
    assert all(setting.description and setting.type for setting in described.settings)
    assert issubclass(registry.get(name), Algorithm)


def test_listing_imports_no_algorithm_and_no_numeric_library():
    code = """
        import sys
        from katib.algorithm import registry
        assert "random" in registry.names() and registry.summaries()["sobol"]
        heavy = {"numpy", "scipy", "optuna", "cmaes", "skopt", "sklearn", "grpc", "sqlalchemy", "kubernetes", "yaml", "re2", "gjson"}
        print(sorted(heavy & sys.modules.keys()), [name for name in sys.modules if name.startswith("suggestions.")])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("rando", [], "unknown algorithm name rando"),
        ("random", [("seed", "1")], "unknown setting seed for algorithm random"),
        ("random", [("random_state", "-1")], "random_state should be great or equal than zero"),
        ("tpe", [("gamma", "1")], "gamma should be in the range of (0, 1)"),
        ("tpe", [("prior_weight", "0")], "prior_weight should be great than zero"),
        ("bayesianoptimization", [("n_initial_points", "-1")], "n_initial_points should be great or equal than zero"),
        ("hyperband", [("r_l", "9")], "r_l and resource_name must be set."),
        ("hyperband", [("r_l", "-9"), ("resource_name", "n")], "r_l must be a positive float number."),
        ("hyperband", [("r_l", "9"), ("resource_name", "m")], "value of resource_name setting must be in parameters."),
    ],
)
def test_katib_texts_word_for_word(experiment, name, settings, text):
    assert [problem.katib_text for problem in registry.problems(experiment(name, settings))] == [text]
