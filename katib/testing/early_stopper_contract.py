"""What every early stopper promises, as tests.

A plug-in's whole test module can be::

class TestMine(EarlyStopperContract):
    early_stopper = "mine"
"""

from __future__ import annotations

import copy
import math
import pickle
import random
from array import array
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from katib.algorithm import early_stoppers
from katib.algorithm.history import History, PastTrial
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from katib.algorithm.early_stopper import EarlyStopper

__all__ = ["EarlyStopperContract"]

_REPORTS = 30
Curves = dict[str, "Sequence[float]"]


class EarlyStopperContract:
    """Inherit it and set ``early_stopper``; the other attributes say what an early stopper needs or does."""

    early_stopper: ClassVar[str]
    settings: ClassVar[dict[str, str]] = {}
    bad_settings: ClassVar[dict[str, str]] = {"no_such_setting": "1"}
    compares: ClassVar[bool] = True
    """Whether it compares trials with each other, so that the best one is spared and one far behind all others is stopped."""

    # -- what the tests are made of ---------------------------------------------------------------------------------

    def make(self, more_settings: Mapping[str, str] | None = None, *, maximize: bool = False) -> EarlyStopper:
        """Return a fresh instance."""
        settings = {**self.settings, **(more_settings or {})}
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "contract"},
            "spec": {
                "objective": {"type": "maximize" if maximize else "minimize", "objectiveMetricName": "loss"},
                "algorithm": {"algorithmName": "random"},
                "earlyStopping": {
                    "algorithmName": self.early_stopper,
                    "algorithmSettings": [{"name": name, "value": value} for name, value in settings.items()],
                },
                "parameters": [
                    {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
                ],
            },
        }
        return early_stoppers.create(with_defaults(parse_experiment(document)), 1)

    @staticmethod
    def history(stopper: EarlyStopper, states: Iterable[TrialState]) -> History:
        """Return a history of trials ``t0``, ``t1`` ... in these states."""
        space, chance, history = stopper.problem.space, random.Random(1), History()
        for index, state in enumerate(states):
            history.record(PastTrial(index, f"t{index}", space.sample(chance), state, None, float(index)))
        return history

    @staticmethod
    def curve(level: float, reports: int = _REPORTS) -> list[float]:
        """Return a curve that falls to a level."""
        return [level + math.exp(-step / 5) for step in range(reports)]

    def crowd(self, *, finished: int = 12, running: int = 4) -> tuple[list[TrialState], Curves]:
        """Return the states and curves of trials that ended, ``t0`` the best of all, and of some that run."""
        chance = random.Random(3)
        states = [TrialState.SUCCEEDED] * finished + [TrialState.RUNNING] * running
        curves: Curves = {
            f"t{index}": self.curve(chance.uniform(1, 2), _REPORTS if index < finished else chance.randint(1, _REPORTS))
            for index in range(len(states))
        }
        curves["t0"] = self.curve(0)
        return states, curves

    def answers(
        self, stopper: EarlyStopper, states: list[TrialState], curves: Mapping[str, Sequence[float]]
    ) -> tuple[list[Any], list[Any]]:
        """Return the rules, and the verdict on every trial that runs and has a curve."""
        history = self.history(stopper, states)
        rules = stopper.rules(history, curves)
        assert isinstance(rules, list)
        for rule in rules:
            assert isinstance(rule, EarlyStoppingRule)
            float(rule.value)
        verdicts = [stopper.verdict(history, curves, trial.name) for trial in history.running() if trial.name in curves]
        for verdict in verdicts:
            assert verdict is None or (verdict and "\n" not in verdict and not verdict.endswith("."))
        return rules, verdicts

    # -- the promises -------------------------------------------------------------------------------------------------

    def test_nothing_is_known_and_nothing_is_stopped(self) -> None:
        """No trials, or none that has reported anything."""
        assert self.answers(self.make(), [], {}) == ([], [])
        assert self.answers(self.make(), [TrialState.RUNNING] * 5, {}) == ([], [])
        assert self.answers(self.make(), [TrialState.SUCCEEDED] * 5, {}) == ([], [])
        assert self.make().verdict(History(), {"t0": [1.0]}, "t0") is None

    def test_fresh_instance_answers_as_a_warm_one(self) -> None:
        """While curves grow and trials end; the process may be replaced between any two calls."""
        states, curves = self.crowd()
        warm = self.make()
        for reports in range(1, _REPORTS + 1, 3):
            now = {name: curve[:reports] for name, curve in curves.items()}
            ended = [state if reports > index * 3 else TrialState.RUNNING for index, state in enumerate(states)]
            assert self.answers(warm, ended, now) == self.answers(self.make(), ended, now)

    def test_trial_that_is_run_again_is_judged_by_its_new_curve(self) -> None:
        """Under the same name another curve begins."""
        states, curves = self.crowd()
        warm = self.make()
        self.answers(warm, states, curves)
        again = {name: self.curve(9 - index) for index, name in enumerate(curves)}
        assert self.answers(warm, states, again) == self.answers(self.make(), states, again)

    def test_instance_survives_pickling(self) -> None:
        """It may be sent to a worker process."""
        states, curves = self.crowd()
        stopper = self.make()
        wanted = self.answers(stopper, states, curves)
        assert self.answers(pickle.loads(pickle.dumps(stopper)), states, curves) == wanted  # noqa: S301 - our own bytes

    def test_what_it_is_given_is_only_read(self) -> None:
        """History and curves are not its own."""
        states, curves = self.crowd()
        stopper, before = self.make(), copy.deepcopy(curves)
        history = self.history(stopper, states)
        trials = list(history)
        stopper.rules(history, curves)
        for name in curves:
            stopper.verdict(history, curves, name)
        assert (curves, list(history)) == (before, trials)

    def test_any_sequence_of_numbers_is_a_curve(self) -> None:
        """A list, a tuple or an array says the same."""
        states, curves = self.crowd()
        wanted = self.answers(self.make(), states, curves)
        for kind in (tuple, lambda curve: array("d", curve)):
            assert self.answers(self.make(), states, {name: kind(curve) for name, curve in curves.items()}) == wanted

    def test_both_directions_are_the_same(self) -> None:
        """What is large when large is good is stopped like what is small when small is good."""
        states, curves = self.crowd()
        up: Curves = {name: [-value for value in curve] for name, curve in curves.items()}
        down_rules, down = self.answers(self.make(), states, curves)
        up_rules, upward = self.answers(self.make(maximize=True), states, up)
        assert [verdict is None for verdict in down] == [verdict is None for verdict in upward]
        assert [float(rule.value) for rule in down_rules] == [-float(rule.value) for rule in up_rules]
        turned = {"greater": "less", "less": "greater", "equal": "equal"}
        assert [rule.comparison for rule in down_rules] == [turned[rule.comparison] for rule in up_rules]

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0])
    @pytest.mark.parametrize("everywhere", [False, True])
    def test_strange_reports_do_no_harm(self, value: float, everywhere: bool) -> None:  # noqa: FBT001 - a test's parameter
        """NaN and infinities happen, once or always."""
        states, curves = self.crowd()
        for place, name in enumerate(curves):
            if everywhere or place % 2:
                curves[name] = [value if everywhere or not step % 3 else each for step, each in enumerate(curves[name])]
        for maximize in (False, True):
            rules, _ = self.answers(self.make(maximize=maximize), states, curves)
            assert all(math.isfinite(float(rule.value)) for rule in rules)

    def test_every_state_may_have_a_curve_or_none(self) -> None:
        """Trials fail, are killed and stopped with half a curve; curves of others may still be there."""
        states, curves = self.crowd()
        mixed = [list(TrialState)[index % len(TrialState)] for index in range(len(states))]
        for name in ("t1", "t5", "t13"):
            del curves[name]
        self.answers(self.make(), mixed, {**curves, "t2": [], "of another time": self.curve(1)})

    def test_best_trial_is_spared(self) -> None:
        """However early it is asked about."""
        if not self.compares:
            pytest.skip(f"{self.early_stopper} does not compare trials")
        states, curves = self.crowd()
        best = f"t{len(states) - 1}"
        for reports in range(1, _REPORTS):
            now = {**curves, best: self.curve(-1, reports)}
            history = self.history(self.make(), states)
            assert self.make().verdict(history, now, best) is None

    def test_trial_far_behind_is_stopped_in_the_end(self) -> None:
        """And the reason can be read."""
        if not self.compares:
            pytest.skip(f"{self.early_stopper} does not compare trials")
        states, curves = self.crowd()
        last = f"t{len(states) - 1}"
        curves[last] = self.curve(1_000)
        history = self.history(self.make(), states)
        verdict = self.make().verdict(history, curves, last)
        assert verdict
        assert "loss" in verdict

    def test_unknown_setting_is_refused_by_name(self) -> None:
        """With the list of those there are."""
        assert type(self.make()).name == self.early_stopper
        for name, value in self.bad_settings.items():
            with pytest.raises(InvalidInput, match=name):
                self.make({name: value})
