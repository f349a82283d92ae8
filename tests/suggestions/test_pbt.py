"""PBT keeps the contract, takes over checkpoints together with hyperparameters, and needs no more than Katib's wire gives back."""

import random
import re
import time

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.space.parameter import Choice, Double, Grid
from katib.testing.algorithm_contract import CONDITIONAL, FINITE, MIXED, AlgorithmContract

LABEL = "pbt.suggestion.katib.kubeflow.org/"
SETTINGS = {"suggestion_trial_dir": "/opt/katib/data", "n_population": "5", "truncation_threshold": "0.2"}
RATE = {"name": "rate", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "1"}}


class TestPbt(AlgorithmContract):
    algorithm = "pbt"
    settings = SETTINGS
    bad_settings = {"no_such_setting": "1", "n_population": "4", "truncation_threshold": "1.5"}
    repeats = True
    exhaustive = False


def make(parameters=(RATE,), *, seed=1, maximize=False, name="contract", parallel=4, constraints=(), **settings):
    kind = type("Suite", (AlgorithmContract,), {"algorithm": "pbt", "settings": {**SETTINGS, **settings}})
    algorithm = kind().make(list(parameters), seed=seed, maximize=maximize, constraints=constraints)
    problem = type(algorithm.problem)(
        **{
            **{field: getattr(algorithm.problem, field) for field in algorithm.problem.__dataclass_fields__},
            "experiment_name": name,
            "parallel": parallel,
        }
    )
    return type(algorithm)(problem, algorithm.settings)


class World:
    """A trainer whose score grows with every good learning rate, on top of what its parent had.

    Args:
        wire: Only names, values and results come back, and trials without metrics do not, as from Katib's controller.
    """

    def __init__(self, algorithm, *, parallel=4, seed=1, failing=0.0, wire=False):
        self.algorithm, self.parallel, self.failing, self.wire = algorithm, parallel, failing, wire
        self.rng = random.Random(seed)
        self.trials, self.scores, self.issued = {}, {}, 0

    def history(self):
        known = list(self.trials.values())
        if self.wire:
            known = [
                PastTrial(
                    index,
                    trial.name,
                    trial.point,
                    trial.state,
                    trial.values,
                    None,
                    self.algorithm.labels_from_name(trial.name),
                )
                for index, trial in enumerate(t for t in known if t.state is not TrialState.METRICS_UNAVAILABLE)
            ]
        history = History(known)
        history.issued(self.issued)
        return history

    def running(self):
        return [trial for trial in self.trials.values() if trial.state.is_active]

    def ask(self):
        count = self.parallel - len(self.running())
        points = suggest(self.algorithm, self.history(), count)
        assert len(points) == count
        for point in points:
            name = self.algorithm.trial_name(point)
            assert name not in self.trials
            self.trials[name] = PastTrial(self.issued, name, point, TrialState.RUNNING, None, None, point.labels)
            self.issued += 1

    def end(self, trial):
        if self.rng.random() < self.failing:
            state = self.rng.choice([TrialState.FAILED, TrialState.KILLED, TrialState.METRICS_UNAVAILABLE])
            values = None
        else:
            state = TrialState.SUCCEEDED
            before = self.scores.get(trial.labels.get(LABEL + "parent"), 0.0)
            self.scores[trial.name] = before + 1 - abs(trial.point["rate"] - 0.2)
            values = (self.scores[trial.name],)
        self.trials[trial.name] = PastTrial(
            trial.index, trial.name, trial.point, state, values, None, dict(trial.labels)
        )

    def play(self, count):
        while self.issued < count:
            self.ask()
            self.end(self.rng.choice(self.running()))
        while self.running():
            self.end(self.running()[0])
        return self


def generation(trial):
    return int(trial.labels[LABEL + "generation"])


def test_generations_begin_with_the_checkpoint_of_the_one_before():
    world = World(make(maximize=True)).play(60)
    for trial in world.trials.values():
        parent = trial.labels.get(LABEL + "parent")
        if generation(trial) == 0:
            assert parent is None
        else:
            assert generation(world.trials[parent]) == generation(trial) - 1
    assert max(map(generation, world.trials.values())) >= 8


@pytest.mark.parametrize("maximize", [False, True])
def test_worst_member_takes_checkpoint_and_hyperparameters_of_the_best(maximize):
    algorithm, history = make(maximize=maximize, parallel=5), History()
    trials = AlgorithmContract.issue(history, suggest(algorithm, history, 5))
    for value, trial in enumerate(trials):
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, float(value))
    best, worst = (trials[4], trials[0]) if maximize else (trials[0], trials[4])
    for point in suggest(algorithm, history, 5):
        own = trials[int(point.labels[LABEL + "member"])]
        parent = best if own is worst else own
        assert point.labels[LABEL + "parent"] == parent.name
        rate = parent.point["rate"]
        assert point["rate"] in (pytest.approx(rate * 0.8), pytest.approx(min(rate * 1.2, 1)), rate * 1.2)


def test_members_are_compared_with_others_of_their_age():
    """A member that is a generation ahead is better by that alone."""
    algorithm, history = make(maximize=True, parallel=1), History()
    trials = AlgorithmContract.issue(history, suggest(algorithm, history, 5))
    for trial in trials[:1]:
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, 1.0)
    (ahead,) = AlgorithmContract.issue(history, suggest(algorithm, history, 1))
    AlgorithmContract.finish(history, ahead, TrialState.SUCCEEDED, 100.0)
    AlgorithmContract.finish(history, trials[1], TrialState.SUCCEEDED, 2.0)
    (point,) = suggest(algorithm, history, 1)
    assert point.labels[LABEL + "member"] == "1"
    assert point.labels[LABEL + "parent"] == trials[1].name


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.KILLED, TrialState.METRICS_UNAVAILABLE])
def test_member_whose_trial_came_to_nothing_tries_again_from_its_parent(state):
    algorithm, history = make(maximize=True, parallel=5), History()
    trials = AlgorithmContract.issue(history, suggest(algorithm, history, 5))
    for value, trial in enumerate(trials):
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, float(value))
    second = AlgorithmContract.issue(history, suggest(algorithm, history, 5))
    AlgorithmContract.finish(history, second[2], state, None)
    (again,) = suggest(algorithm, history, 1)
    for label in ("generation", "member", "parent"):
        assert again.labels[LABEL + label] == second[2].labels[LABEL + label]
    assert again != second[2].point
    assert algorithm.trial_name(again) != algorithm.trial_name(second[2].point)


@pytest.mark.parametrize("wire", [False, True])
@pytest.mark.parametrize(("population", "parallel"), [(5, 1), (5, 3), (6, 6), (5, 12), (20, 4)])
def test_always_as_many_as_wanted_and_no_name_twice(wire, population, parallel):
    algorithm = make(n_population=str(population), parallel=parallel)
    world = World(algorithm, parallel=parallel, failing=0.3, wire=wire).play(120)
    members = {int(trial.labels[LABEL + "member"]) for trial in world.trials.values()}
    assert members == set(range(max(population, parallel)))


def test_more_than_the_population_may_run():
    algorithm, history = make(parallel=2), History()
    for _ in range(4):
        assert len(AlgorithmContract.issue(history, suggest(algorithm, history, 4))) == 4
    assert len({trial.labels[LABEL + "member"] for trial in history}) == 16


def test_wire_gives_the_same_search_as_labels():
    """Names carry all that is needed while no trial vanishes."""
    searches = [World(make(maximize=True), wire=wire).play(80) for wire in (False, True)]
    assert searches[0].trials == searches[1].trials


def test_trials_that_vanish_all_at_once_are_issued_anew_under_other_names():
    algorithm = make()
    first = suggest(algorithm, History(), 4)
    later = History()
    later.issued(4)
    second = suggest(algorithm, later, 4)
    names = [algorithm.trial_name(point) for point in (*first, *second)]
    assert len(set(names)) == 8
    assert {point.labels[LABEL + "generation"] for point in second} == {"0"}
    assert [algorithm.trial_name(point) for point in suggest(make(), later, 4)] == names[4:]


@pytest.mark.parametrize("wire", [False, True])
def test_population_does_better_than_the_same_trials_without_exploit(wire):
    wins = 0
    for seed in range(10):
        best = [
            max(
                World(make(maximize=True, seed=seed, truncation_threshold=share), seed=seed, wire=wire)
                .play(100)
                .scores.values()
            )
            for share in ("0.2", "0")
        ]
        wins += best[0] > best[1]
    assert wins >= 8


def test_resample_probability_draws_anew():
    algorithm, history = make(parallel=5, resample_probability="1"), History()
    trials = AlgorithmContract.issue(history, suggest(algorithm, history, 5))
    for trial in trials:
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, 1.0)
    moved = [
        point["rate"] / trials[int(point.labels[LABEL + "member"])].point["rate"]
        for point in suggest(algorithm, history, 5)
    ]
    assert all(share not in (pytest.approx(0.8), pytest.approx(1.2)) for share in moved)


def test_every_kind_of_parameter_moves_a_little_and_stays_in_its_range():
    space = make([*MIXED]).problem.space
    world = make([*MIXED], parallel=5)
    history = History()
    trials = AlgorithmContract.issue(history, suggest(world, history, 5))
    for trial in trials:
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, 1.0)
    for point in suggest(world, history, 5):
        before = trials[int(point.labels[LABEL + "member"])].point
        for parameter in space.parameters:
            old, new = before[parameter.name], point[parameter.name]
            if isinstance(parameter, Choice):
                order = sorted(parameter.choices, key=parameter.to_unit)
                assert abs(order.index(old) - order.index(new)) == 1
            elif isinstance(parameter, Grid):
                moved = abs(parameter.index_of(new) - parameter.index_of(old))
                assert 1 <= moved <= max(1, round(0.2 * abs(old) / float(parameter.step)))
            elif isinstance(parameter, Double):
                assert new != old
                assert new in (parameter.low, parameter.high) or abs(new / old) in (
                    pytest.approx(0.8),
                    pytest.approx(1.2),
                )


@pytest.mark.parametrize(
    ("low", "high", "step"), [("0", "0", None), ("-1", "1", None), ("0", "10", None), ("0", "9", "1")]
)
def test_zero_and_the_ends_of_a_range_are_no_traps(low, high, step):
    feasible = {"min": low, "max": high, **({"step": step} if step else {})}
    algorithm = make([{"name": "x", "parameterType": "double", "feasibleSpace": feasible}, RATE], parallel=1)
    values = [trial.point["x"] for trial in World(algorithm, parallel=1).play(200).trials.values()]
    assert low == high or len(set(values)) > 8
    assert all(float(low) <= value <= float(high) for value in values)


def test_huge_ranges_of_integers_cost_nothing():
    wide = {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "0", "max": str(10**15)}}
    assert len(World(make([wide, RATE])).play(50).trials) >= 50


def test_conditional_parameters_come_and_go_with_what_they_depend_on():
    algorithm = make([*CONDITIONAL, RATE], resample_probability="0.3")
    kinds = {frozenset(trial.point) for trial in World(algorithm).play(150).trials.values()}
    assert len(kinds) == 3


def test_constraints_hold_when_all_neighbours_are_forbidden():
    only = {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}}
    algorithm = make([only, RATE], constraints=("n == 5", "rate == 0.25 or rate > 0"))
    assert {trial.point["n"] for trial in World(algorithm).play(30).trials.values()} == {5}


def test_small_space_is_no_end():
    tiny = {"name": "rate", "parameterType": "categorical", "feasibleSpace": {"list": ["0.1"]}}
    algorithm, history = make([tiny]), History()
    for _ in range(5):
        for trial in AlgorithmContract.issue(history, suggest(algorithm, history, 4)):
            AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, 1.0)
    assert len(history) == 20


def test_initial_trials_are_members_and_parents():
    algorithm, history = make(FINITE, maximize=True, parallel=2), History()
    points = [algorithm.problem.space.sample(random.Random(seed)) for seed in range(3)]
    for value, trial in enumerate(AlgorithmContract.issue(history, points)):
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, float(value))
    born = suggest(algorithm, history, 4)
    assert [point.labels[LABEL + "member"] for point in born] == ["3", "4", "0", "1"]
    assert [point.labels.get(LABEL + "parent") for point in born] == [None, None, "t2", "t1"]


@pytest.mark.parametrize("name", ["a", "a" * 40, "x" * 300, "Some Experiment_1", "---", "", "trial-", "a" * 45 + "-b"])
def test_names_are_labels_of_dns_and_carry_what_is_lost(name):
    algorithm, history = make(name=name), History()
    for point in suggest(algorithm, history, 4):
        made = algorithm.trial_name(point)
        assert re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", made)
        told = algorithm.labels_from_name(made)
        assert {LABEL + "generation", LABEL + "member"} == told.keys()
        assert told.items() <= dict(point.labels).items()
    assert algorithm.trial_name(point.labelled(**{LABEL + "generation": "9" * 9})).endswith("-m3-" + made[-8:])


@pytest.mark.parametrize(
    "name", ["", "other", "pbt-4f6b1a9c", "x-g-m-12345678", "x-g1-m2-1234567z", "x-g1-m2-12345678-"]
)
def test_names_of_others_tell_nothing(name):
    assert make().labels_from_name(name) == {}


@pytest.mark.parametrize(
    "labels", [{"generation": "-1", "member": "x"}, {"generation": "1" * 40}, {"member": "99999999999"}]
)
def test_strange_labels_do_no_harm(labels):
    algorithm, history = make(), History()
    point = algorithm.problem.space.sample(random.Random(0))
    history.record(
        PastTrial(
            0, "t", point, TrialState.SUCCEEDED, (1.0,), None, {LABEL + name: text for name, text in labels.items()}
        )
    )
    assert len(suggest(algorithm, history, 4)) == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"suggestion_trial_dir": "", "n_population": ""},
            "Required params missing: suggestion_trial_dir, n_population",
        ),
        ({"n_population": "4"}, r"Param\(n_population\) should be >= 5"),
        ({"n_population": "100000000"}, "at most 10000 members"),
        ({"resample_probability": "2"}, "resample_probability"),
        ({"suggestion_trial_dir": "data"}, "absolute path"),
        ({"suggestion_trial_dir": "/"}, "absolute path"),
        ({"suggestion_trial_dir": "/a/../b"}, "absolute path"),
    ],
)
def test_settings_are_refused_with_katibs_words(settings, said):
    with pytest.raises(InvalidInput, match=said):
        make(**settings)


def test_one_thousand_trials(record_property):
    algorithm = make()
    world = World(algorithm).play(1000)
    history = world.history()
    began = time.perf_counter()
    assert len(suggest(make(), history, 4)) == 4
    record_property("seconds", time.perf_counter() - began)
