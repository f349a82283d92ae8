"""What every algorithm promises, as tests.

A plug-in's whole test module can be::

class TestMine(AlgorithmContract):
    algorithm = "mine"
"""

from __future__ import annotations

import math
import pickle
import random
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.algorithm.algorithm import Algorithm
    from katib.space.point import Point

__all__ = ["AlgorithmContract"]

Parameters = "list[dict[str, Any]]"


def _range(name: str, kind: str, low: str, high: str, **more: str) -> dict[str, Any]:
    return {"name": name, "parameterType": kind, "feasibleSpace": {"min": low, "max": high, **more}}


def _choice(name: str, kind: str, *values: str) -> dict[str, Any]:
    return {"name": name, "parameterType": kind, "feasibleSpace": {"list": list(values)}}


FINITE = [
    _range("n", "int", "1", "4"),
    _range("s", "double", "0", "0.4", step="0.1"),
    _choice("d", "discrete", "8", "16", "4"),
    _choice("c", "categorical", "a", "b"),
]
"""120 points of every kind that has finitely many values."""

CONDITIONAL = [
    _choice("kind", "categorical", "tree", "net"),
    {**_range("depth", "int", "1", "6"), "condition": {"parameter": "kind", "in": ["tree"]}},
    {**_range("units", "int", "8", "64", step="8"), "condition": {"parameter": "kind", "in": ["net"]}},
    {**_range("drop", "double", "0", "0.5", step="0.25"), "condition": {"parameter": "units", "in": ["64"]}},
]

MIXED = [
    _range("lr", "double", "0.0001", "1", distribution="logUniform"),
    _range("x", "double", "-5", "5"),
    _range("bell", "double", "0", "10", distribution="normal"),
    _range("logbell", "double", "0.1", "10", distribution="logNormal"),
    *FINITE,
]


class AlgorithmContract:
    """Inherit it and set ``algorithm``; the other attributes say what an algorithm needs or cannot do."""

    algorithm: ClassVar[str]
    settings: ClassVar[dict[str, str]] = {}
    bad_settings: ClassVar[dict[str, str]] = {"no_such_setting": "1"}
    always: ClassVar[list[dict[str, Any]]] = []
    """Parameters it cannot do without, added to every space of these tests."""
    continuous: ClassVar[bool] = True
    """Whether parameters may be a continuum."""
    conditional: ClassVar[bool] = True
    exhaustive: ClassVar[bool] = True
    """Whether it visits every point of a finite space before it ends."""
    repeats: ClassVar[bool] = False
    """Whether the same point may come again, because a trial is more than its point (a checkpoint, say)."""
    network: ClassVar[dict[str, Any] | None] = None
    """The ``nasConfig`` of an algorithm that takes no parameters; tests about kinds of parameters are left out then."""

    # -- what the tests are made of ---------------------------------------------------------------------------------

    def make(
        self,
        parameters: list[dict[str, Any]],
        *,
        seed: int = 1,
        maximize: bool = False,
        constraints: tuple[str, ...] = (),
    ) -> Algorithm:
        """Return a fresh instance on these parameters."""
        spec = {
            "objective": {"type": "maximize" if maximize else "minimize", "objectiveMetricName": "loss"},
            "algorithm": {
                "algorithmName": self.algorithm,
                "algorithmSettings": [{"name": name, "value": value} for name, value in self.settings.items()],
            },
            "constraints": [{"expression": text} for text in constraints],
            "parallelTrialCount": 4,
        }
        if self.network is None:
            spec["parameters"] = [*parameters, *self.always]
        else:
            spec["nasConfig"] = self.network
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "contract"},
            "spec": spec,
        }
        return registry.create(with_defaults(parse_experiment(document)), seed)

    @staticmethod
    def issue(history: History, points: list[Point]) -> list[PastTrial]:
        """Record points as running trials."""
        issued = []
        for point in points:
            index = history.next_index
            trial = PastTrial(index, f"t{index}", point, TrialState.RUNNING, None, float(index), point.labels)
            history.record(trial)
            issued.append(trial)
        return issued

    @staticmethod
    def finish(history: History, trial: PastTrial, state: TrialState, value: float | None) -> None:
        """Record a trial's end."""
        values = None if value is None else (value,)
        history.record(PastTrial(trial.index, trial.name, trial.point, state, values, trial.started, trial.labels))

    def search(
        self, make: Callable[[], Algorithm], calls: int, *, count: int = 2, fresh_each_call: bool = False
    ) -> list[Point]:
        """Run some calls with results that depend on the point only, and return all points."""
        history = History()
        algorithm = make()
        issued: list[Point] = []
        for _ in range(calls):
            if fresh_each_call:
                algorithm = make()
            points = suggest(algorithm, history, count)
            # A point is stored as text; what comes back has to be the same point.
            assert [algorithm.problem.space.parse(point.assignments()) for point in points] == points
            issued += points
            for trial in self.issue(history, points):
                self.finish(
                    history, trial, TrialState.SUCCEEDED, random.Random(repr(sorted(trial.point.items()))).random()
                )
        return issued

    @property
    def space(self) -> list[dict[str, Any]]:
        """The richest space this algorithm can do; without meaning where it takes a network."""
        return MIXED if self.continuous else FINITE

    def needs(self, *, parameters: bool = False, new_points: bool = False) -> None:
        """Leave a test out that says nothing about this algorithm."""
        if parameters and self.network is not None:
            pytest.skip(f"{self.algorithm} takes a network, not parameters")
        if new_points and self.repeats:
            pytest.skip(f"{self.algorithm} may try the same point again")

    # -- the promises -------------------------------------------------------------------------------------------------

    def test_points_are_in_the_space(self) -> None:
        """``suggest`` checks every one."""
        assert len(self.search(lambda: self.make(self.space), 10, count=3)) == 30

    def test_same_seed_same_points(self) -> None:
        """Nothing but problem, history, count and seed matters."""
        first = self.search(lambda: self.make(self.space, seed=5), 6)
        assert first == self.search(lambda: self.make(self.space, seed=5), 6)

    def test_fresh_instance_answers_as_a_warm_one(self) -> None:
        """The process may be replaced between any two calls."""
        warm = self.search(lambda: self.make(self.space), 8)
        assert warm == self.search(lambda: self.make(self.space), 8, fresh_each_call=True)

    def test_instance_survives_pickling(self) -> None:
        """It may be sent to a worker process."""
        algorithm = pickle.loads(pickle.dumps(self.make(self.space)))  # noqa: S301 - our own bytes
        assert suggest(algorithm, History(), 2) == suggest(self.make(self.space), History(), 2)

    def test_history_is_only_read(self) -> None:
        """What an algorithm is given is not its own."""
        history = History()
        trials = self.issue(history, suggest(self.make(self.space), history, 3))
        before = (list(history), history.next_index, history.distinct_points)
        suggest(self.make(self.space), history, 3)
        assert (list(history), history.next_index, history.distinct_points) == before
        assert len(trials) == 3

    def test_no_points_when_none_are_wanted(self) -> None:
        """A count of nothing is no error."""
        assert suggest(self.make(self.space), History(), 0) == []

    def test_no_point_twice_while_there_are_others(self) -> None:
        """Running, failed and finished points alike are not asked again."""
        self.needs(new_points=True)
        history = History()
        algorithm = self.make(FINITE)
        states = [
            TrialState.RUNNING,
            TrialState.FAILED,
            TrialState.KILLED,
            TrialState.SUCCEEDED,
            TrialState.EARLY_STOPPED,
        ]
        issued: list[Point] = []
        for call in range(15):
            points = suggest(algorithm, history, 4)
            issued += points
            for place, trial in enumerate(self.issue(history, points)):
                state = states[(call + place) % len(states)]
                if state is not TrialState.RUNNING:
                    has_value = state in (TrialState.SUCCEEDED, TrialState.EARLY_STOPPED)
                    self.finish(history, trial, state, 0.5 if has_value else None)
        assert len(issued) == len(set(issued))
        assert len(issued) == 60 or self.network is not None

    def test_finite_space_ends(self) -> None:
        """All of it, once, and then nothing."""
        self.needs(parameters=True)
        if not self.exhaustive:
            pytest.skip(f"{self.algorithm} does not visit every point")
        history = History()
        algorithm = self.make(FINITE)
        seen: set[Point] = set()
        while points := suggest(algorithm, history, 7):
            assert not seen & set(points)
            seen |= set(points)
            for trial in self.issue(history, points):
                self.finish(history, trial, TrialState.SUCCEEDED, 1.0)
        assert len(seen) == 120

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0])
    def test_strange_results_do_no_harm(self, value: float) -> None:
        """NaN and infinities happen; the search goes on."""
        history = History()
        algorithm = self.make(self.space)
        for _ in range(6):
            for trial in self.issue(history, suggest(algorithm, history, 2)):
                self.finish(history, trial, TrialState.SUCCEEDED, value)
        assert len(history) == 12

    @pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.KILLED, TrialState.METRICS_UNAVAILABLE])
    def test_search_without_any_result_goes_on(self, state: TrialState) -> None:
        """A broken trainer is not the algorithm's fault."""
        history = History()
        algorithm = self.make(self.space)
        for _ in range(8):
            for trial in self.issue(history, suggest(algorithm, history, 2)):
                self.finish(history, trial, state, None)
        assert len(history) == 16

    def test_many_trials_may_be_running(self) -> None:
        """Nothing has ended yet and more is asked for."""
        history = History()
        algorithm = self.make(self.space)
        for _ in range(5):
            self.issue(history, suggest(algorithm, history, 3))
        assert len(history.running()) == 15

    @pytest.mark.parametrize("maximize", [False, True])
    def test_one_parameter_is_enough(self, maximize: bool) -> None:  # noqa: FBT001 - a test's parameter
        """The smallest problem, in both directions."""
        self.needs(parameters=True)
        one = [_range("n", "int", "1", "50")]
        points = self.search(lambda: self.make(one, maximize=maximize), 5)
        assert len(points) == 10
        assert len(set(points)) == 10 or self.repeats

    def test_twenty_parameters_are_not_too_many(self) -> None:
        """A wide problem."""
        self.needs(parameters=True)
        wide = [_range(f"n{index}", "int", "0", "9") for index in range(20)]
        assert len(self.search(lambda: self.make(wide), 4)) == 8

    def test_conditional_parameters_have_values_only_where_they_are_active(self) -> None:
        """``suggest`` refuses any other point."""
        self.needs(parameters=True)
        if not self.conditional:
            pytest.skip(f"{self.algorithm} refuses conditional parameters")
        points = self.search(lambda: self.make(CONDITIONAL), 8)
        assert len(points) == 16
        assert len(set(points)) == 16 or self.repeats  # 6 trees, 7 nets, and 3 more with dropout
        assert {point["kind"] for point in points} == {"tree", "net"}

    def test_constraints_hold(self) -> None:
        """``suggest`` refuses any other point."""
        self.needs(parameters=True)
        pair = [_range("a", "int", "1", "20"), _range("b", "int", "1", "20")]
        points = self.search(lambda: self.make(pair, constraints=("a < b", "a + b <= 20")), 8)
        assert len(points) == 16

    def test_unknown_setting_is_refused_by_name(self) -> None:
        """With the list of those there are."""
        experiment = self.make(self.space)
        assert type(experiment).name == self.algorithm
        for name, value in self.bad_settings.items():
            with pytest.raises(Exception, match=name) as caught:
                self.with_setting(name, value)
            assert type(caught.value).__name__ == "InvalidInput"

    def with_setting(self, name: str, value: str) -> None:
        """Make an instance with one setting more."""
        changed = type("Changed", (type(self),), {"settings": {**self.settings, name: value}})()
        changed.make(self.space)
