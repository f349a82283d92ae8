"""What `hyperband` and `asha` have in common: settings, ladder, promotions, and that nothing is ever waited for in vain."""

import heapq
import math
import random
from collections import Counter
from statistics import mean
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.space.space import Space
from katib.testing.algorithm_contract import CONDITIONAL, MIXED, AlgorithmContract

BOTH = ["hyperband", "asha"]
X = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
LABEL = "katib.kubeflow.org/halving-"


def whole(name, low, high, **more):
    return {"name": name, "parameterType": "int", "feasibleSpace": {"min": str(low), "max": str(high), **more}}


def real(name, low, high, **more):
    return {"name": name, "parameterType": "double", "feasibleSpace": {"min": str(low), "max": str(high), **more}}


def one_of(name, *values, kind="discrete"):
    return {"name": name, "parameterType": kind, "feasibleSpace": {"list": list(values)}}


def suite(algorithm, **stated):
    stated = {"r_l": "9", "resource_name": "r", **stated}
    return type("Suite", (AlgorithmContract,), {"algorithm": algorithm, "settings": stated})()


def make(algorithm, parameters, *, seed=1, maximize=False, constraints=(), **stated):
    return suite(algorithm, **stated).make(parameters, seed=seed, maximize=maximize, constraints=constraints)


def ladder(algorithm, parameters, **stated):
    return list(make(algorithm, parameters, **stated)._ladder.values)


def play(algorithm, trials, *, parallel=1, seed=1, outcome=None):
    """Run trials in random order; ``outcome`` gives state and value, by default the value of x."""
    history, rng, running = History(), random.Random(seed), []
    issued = 0
    while issued < trials or running:
        if issued < trials:
            points = suggest(algorithm, history, parallel - len(running))
            running += AlgorithmContract.issue(history, points)
            issued += len(points)
        if not running:
            break
        trial = running.pop(rng.randrange(len(running)))
        state, value = outcome(trial, rng) if outcome else (TrialState.SUCCEEDED, trial.point["x"])
        AlgorithmContract.finish(history, trial, state, value)
    return history


def place(trial):
    return tuple(trial.labels[LABEL + key] for key in ("bracket", "rung", "configuration"))


def others(point, resource="r"):
    return {name: value for name, value in point.items() if name != resource}


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"r_l": "none"}, r"r_l must be a positive float number\."),
        ({"r_l": "-3"}, r"r_l must be a positive float number\."),
        ({"r_l": "nan"}, r"r_l must be a positive float number\."),
        ({"r_l": ""}, r"r_l and resource_name must be set\."),
        ({"resource_name": ""}, r"r_l and resource_name must be set\."),
        ({"resource_name": "q"}, r"value of resource_name setting must be in parameters\."),
        ({"resource_name": "c"}, "must be an int, a double or a discrete one"),
        ({"r_l": "10"}, "r_l must be a value of the parameter 'r', 1 to 9"),
        ({"r_l": "8.5"}, "r_l must be a value of the parameter 'r', 1 to 9"),
        ({"r_l": "1.7e308"}, "r_l must be a value of the parameter 'r', 1 to 9"),
        ({"r_l": "2"}, "no promotion fits"),
        ({"eta": "1e300"}, "no promotion fits"),
        ({"eta": "1"}, "'eta' must be more than 1"),
        ({"eta": "0.5"}, "'eta' must be more than 1"),
        ({"eta": "x"}, "'eta'"),
        ({"eta": "1.01"}, "more than 100 rungs"),
        ({"min_resource": "9"}, "min_resource must be from 1 to less than r_l"),
        ({"min_resource": "0.5"}, "min_resource must be from 1 to less than r_l"),
        ({"min_resource": "-1"}, "min_resource must be from 1 to less than r_l"),
        ({"random_state": "-1"}, "random_state"),
    ],
)
def test_setting_that_makes_no_sense_is_refused(algorithm, stated, said):
    with pytest.raises(InvalidInput, match=said):
        make(algorithm, [X, one_of("c", "1", "2", kind="categorical"), whole("r", 1, 9)], **stated)


@pytest.mark.parametrize("algorithm", BOTH)
def test_resource_may_neither_be_conditional_nor_condition_others(algorithm):
    switch = one_of("c", "a", "b", kind="categorical")
    conditional = {**whole("r", 1, 9), "condition": {"parameter": "c", "in": ["a"]}}
    with pytest.raises(InvalidInput, match="must have a value in every point"):
        make(algorithm, [switch, conditional])
    child = {**X, "condition": {"parameter": "r", "in": ["9"]}}
    with pytest.raises(InvalidInput, match="'x' must not depend on 'r'"):
        make(algorithm, [whole("r", 1, 9), child])


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize("eta", ["0", "-2", "3", ""])
def test_eta_of_zero_and_less_is_the_default_as_in_katib(algorithm, eta):
    assert ladder(algorithm, [X, whole("r", 1, 81)], r_l="81", eta=eta) == [1, 3, 9, 27, 81]


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize(
    ("resource", "stated", "values"),
    [
        (whole("r", 1, 9), {"r_l": "9"}, [1, 3, 9]),
        (whole("r", 0, 100), {"r_l": "100"}, [1, 3, 11, 33, 100]),
        (whole("r", 1, 243), {"r_l": "243"}, [1, 3, 9, 27, 81, 243]),
        (whole("r", 1, 1000), {"r_l": "1000", "eta": "10"}, [1, 10, 100, 1000]),
        (whole("r", 10, 90), {"r_l": "90"}, [10, 30, 90]),
        (whole("r", 1, 91, step="10"), {"r_l": "91"}, [1, 21, 91]),
        (whole("r", 1, 10), {"r_l": "10", "eta": "1.5"}, [1, 2, 4, 6, 10]),
        (whole("r", 1, 81), {"r_l": "81", "min_resource": "5"}, [9, 27, 81]),
        (real("r", 0.1, 1), {"r_l": "1", "eta": "2"}, [0.125, 0.25, 0.5, 1.0]),
        (real("r", 0, 1), {"r_l": "1", "eta": "2", "min_resource": "0.25"}, [0.25, 0.5, 1.0]),
        (real("r", 0, 1, step="0.1"), {"r_l": "1", "eta": "2", "min_resource": "0.2"}, [0.2, 0.5, 1.0]),
        (one_of("r", "16", "1", "4", "64"), {"r_l": "64", "eta": "4"}, ["1", "4", "16", "64"]),
        (one_of("r", "1", "5", "50"), {"r_l": "50"}, ["1", "5", "50"]),
    ],
)
def test_ladder_keeps_to_the_values_of_the_resource(algorithm, resource, stated, values):
    expected = [pytest.approx(value) if isinstance(value, float) else value for value in values]
    assert ladder(algorithm, [X, resource], **stated) == expected
    made = make(algorithm, [X, resource], **stated)
    assert {trial.point["r"] for trial in play(made, 150, parallel=4)} <= set(made._ladder.values)


def test_shared_module_is_no_algorithm():
    assert not [name for name in registry.names() if "halving" in name]


# -- promotions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize("maximize", [False, True])
def test_promoted_configuration_differs_in_its_resource_only(algorithm, maximize):
    history = play(make(algorithm, [*MIXED, X, whole("r", 1, 9)], maximize=maximize), 120, parallel=5)
    by_name = {trial.name: trial for trial in history}
    promoted = [trial for trial in history if trial.labels[LABEL + "rung"] != "0"]
    assert len(promoted) > 20
    for trial in promoted:
        parent = by_name[trial.labels[LABEL + "parent"]]
        assert others(parent.point) == others(trial.point)
        assert trial.point["r"] == 3 * parent.point["r"]
        assert place(parent)[2] == place(trial)[2]
    sign = -1 if maximize else 1
    low = mean(sign * trial.point["x"] for trial in history if trial.point["r"] == 1)
    assert mean(sign * trial.point["x"] for trial in promoted) < low - 0.2


@pytest.mark.parametrize("algorithm", BOTH)
def test_constraint_on_the_resource_skips_a_promotion_and_nothing_else(algorithm):
    parameters = [X, whole("b", 1, 9), whole("r", 1, 9)]
    history = play(make(algorithm, parameters, constraints=("b * r <= 27",)), 120, parallel=4)
    assert len(history) == 120
    full = [trial for trial in history if trial.point["r"] == 9]
    assert full
    assert all(trial.point["b"] <= 3 for trial in full)
    assert any(trial.point["b"] > 3 for trial in history)


@pytest.mark.parametrize("algorithm", BOTH)
def test_level_no_configuration_may_begin_at(algorithm):
    history = play(make(algorithm, [X, whole("r", 1, 9)], constraints=("r >= 3",)), 20, parallel=4)
    assert len(history) == (20 if algorithm == "hyperband" else 0)
    assert all(trial.point["r"] >= 3 for trial in history)


@pytest.mark.parametrize("algorithm", BOTH)
def test_conditions_hold_on_every_rung(algorithm):
    history = play(
        make(algorithm, [*CONDITIONAL, whole("r", 1, 9)]),
        60,
        parallel=3,
        outcome=lambda trial, _: (TrialState.SUCCEEDED, float(len(trial.point["kind"]))),
    )
    assert max(Counter(trial.point["r"] for trial in history)) == 9


@pytest.mark.parametrize("algorithm", BOTH)
def test_result_out_of_bounds_is_worse_than_any_within(algorithm):
    made, history = make(algorithm, [X, whole("r", 1, 3)], r_l="3"), History()
    trials = AlgorithmContract.issue(history, suggest(made, history, 3))
    for trial, value in zip(trials, [0.0, 1.0, 2.0], strict=True):
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, value)
        ended = history[trial.name]
        history.record(type(ended)(**{**{n: getattr(ended, n) for n in ended.__slots__}, "feasible": value > 0}))
    (point,) = suggest(made, history, 1)
    assert point.labels[LABEL + "parent"] == "t1"


@pytest.mark.parametrize("algorithm", BOTH)
def test_early_stopped_trial_with_a_value_competes_with_it(algorithm):
    made, history = make(algorithm, [X, whole("r", 1, 3)], r_l="3"), History()
    states = [TrialState.SUCCEEDED, TrialState.EARLY_STOPPED, TrialState.FAILED]
    for trial, state, value in zip(
        AlgorithmContract.issue(history, suggest(made, history, 3)), states, [1.0, 0.5, None], strict=True
    ):
        AlgorithmContract.finish(history, trial, state, value)
    (point,) = suggest(made, history, 1)
    assert point.labels[LABEL + "parent"] == "t1"


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "labels",
    [
        {},
        {LABEL + "rung": "0", LABEL + "bracket": "9" * 30, LABEL + "configuration": "0"},
        {LABEL + "rung": "x"},
        {LABEL + "rung": "0"},
        {LABEL + "rung": "99"},
    ],
)
def test_trials_of_the_users_own_take_part_and_are_not_repeated(algorithm, labels):
    made = make(algorithm, [whole("x", 1, 3), whole("r", 1, 3)], r_l="3")
    history, space = History(), made.problem.space
    full = {LABEL + "bracket": "0", LABEL + "configuration": "0", **labels} if "99" in str(labels) else labels
    (own,) = AlgorithmContract.issue(history, [space.point({"x": 1, "r": 1}, full)])
    AlgorithmContract.finish(history, own, TrialState.SUCCEEDED, 0.0)
    points = suggest(made, history, 2)
    assert sorted(point["x"] for point in points) == [2, 3]


@pytest.mark.parametrize("algorithm", BOTH)
def test_finite_space_ends_with_somebody_fully_trained(algorithm):
    made = make(algorithm, [whole("x", 1, 4), whole("r", 1, 27)], r_l="27")
    history = play(made, 1000, parallel=3)
    assert {trial.point["x"] for trial in history} == {1, 2, 3, 4}
    assert next(trial.point["x"] for trial in history if trial.point["r"] == 27) <= 2
    assert len(history) < 17
    assert suggest(made, history, 5) == []


@pytest.mark.parametrize("algorithm", BOTH)
def test_resource_alone_is_one_configuration(algorithm):
    history = play(make(algorithm, [whole("r", 1, 9)]), 100, outcome=lambda *_: (TrialState.SUCCEEDED, 1.0))
    assert [trial.point["r"] for trial in history] == [1, 3, 9]


# -- whatever happens -----------------------------------------------------------------------------------------------------

OUTCOMES = [
    (TrialState.SUCCEEDED, "value"),
    (TrialState.SUCCEEDED, "value"),
    (TrialState.SUCCEEDED, "value"),
    (TrialState.SUCCEEDED, math.nan),
    (TrialState.EARLY_STOPPED, "value"),
    (TrialState.EARLY_STOPPED, None),
    (TrialState.FAILED, None),
    (TrialState.KILLED, None),
    (TrialState.METRICS_UNAVAILABLE, None),
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 12), st.just(0.0)),
        st.tuples(st.just("end"), st.sampled_from(range(len(OUTCOMES))), st.floats(0, 1)),
        st.tuples(st.just("end"), st.just(0), st.floats(0, 1)),
    ),
    min_size=20,
    max_size=120,
)


def without_labels(history):
    """What Katib's controller sends."""
    fields = [name for name in PastTrial.__slots__ if name != "labels"]
    return History(PastTrial(**{name: getattr(trial, name) for name in fields}) for trial in history)


def check_promotion(algorithm, history, point, eta=3):
    """Its parent has ended with a value among the best of its rung, and for hyperband the whole rung has ended."""
    bracket, rung = point.labels[LABEL + "bracket"], int(point.labels[LABEL + "rung"]) - 1
    parent = history[point.labels[LABEL + "parent"]]
    members = [trial for trial in history if place(trial)[:2] == (bracket, str(rung))]
    ended = [trial for trial in members if not trial.state.is_active]
    assert parent in ended
    assert parent.is_measured
    assert others(parent.point) == others(point)
    better = [trial for trial in ended if trial.is_measured and trial.values < parent.values]
    if algorithm == "hyperband":
        assert members == ended
        assert len(better) < max(len(members) // eta, 1)
    else:
        assert len(better) < max(len(ended) // eta, 1 if not history.running() else 0)


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize("finite", [False, True])
@settings(max_examples=20, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 99))
def test_any_order_any_request_any_failure(algorithm, finite, steps, seed):
    parameters = [whole("x", 1, 7) if finite else X, whole("r", 1, 9)]
    warm = make(algorithm, parameters, seed=seed)
    history, running, rng, seen = History(), [], random.Random(seed), set()

    def ask(count):
        made = 0
        original = Space.point

        def counted(*arguments):
            nonlocal made
            made += 1
            return original(*arguments)

        with mock.patch.object(Space, "point", counted):
            points = suggest(warm, history, count)
        assert made <= 60 * (count + 1) + len(history) + (2500 if finite else 0)
        again = suggest(make(algorithm, parameters, seed=seed), history, count)
        assert [(point, point.labels) for point in again] == [(point, point.labels) for point in points]
        assert suggest(make(algorithm, parameters, seed=seed), without_labels(history), count) == points
        if not finite:
            assert len(points) == count
        for point in points:
            assert point not in seen
            seen.add(point)
            if point.labels[LABEL + "rung"] == "0":
                new = others(point)
                assert all(others(trial.point) != new for trial in history)
            else:
                check_promotion(algorithm, history, point)
        running.extend(AlgorithmContract.issue(history, points))
        return points

    def end(kind, number):
        trial = running.pop(rng.randrange(len(running)))
        state, value = OUTCOMES[kind]
        AlgorithmContract.finish(history, trial, state, number if value == "value" else value)

    for what, which, number in steps:
        if what == "ask":
            ask(which)
        elif running:
            end(which, number)
    while running:
        end(0, rng.random())
    if not finite:
        assert len(ask(5)) == 5
        return
    for _ in range(60):
        while running:
            end(0, rng.random())
        if not ask(5):
            break
    assert not running
    assert {point["x"] for point in seen} == set(range(1, 8))


def changed(trial, **fields):
    return PastTrial(**{**{name: getattr(trial, name) for name in PastTrial.__slots__}, **fields})


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize("seed", range(12))
def test_warm_instance_answers_as_a_fresh_one_whatever_becomes_of_the_history(algorithm, seed):
    parameters = [whole("x", 1, 60), whole("r", 1, 9)]
    warm, rng, trials = make(algorithm, parameters), random.Random(seed), {}
    loses_labels = seed % 3

    def add(history, points):
        for place, point in enumerate(points):
            index = history.next_index + place
            labels = point.labels if loses_labels == 0 or (loses_labels == 1 and rng.random() < 0.5) else {}
            trials[f"t{index}"] = PastTrial(index, f"t{index}", point, TrialState.RUNNING, None, 0.0, labels)

    for _ in range(40):
        history = History(trials.values())
        points = suggest(warm, history, 3)
        again = suggest(make(algorithm, parameters), history, 3)
        assert [(point, point.labels) for point in points] == [(point, point.labels) for point in again]
        add(history, points)
        for name in rng.sample(sorted(trials), min(3, len(trials))):
            trials[name] = changed(trials[name], state=TrialState.SUCCEEDED, values=(rng.random(),))
        surprise = rng.random()
        if surprise < 0.1:
            del trials[rng.choice(sorted(trials))]
        elif surprise < 0.2:  # the user's own, or one that says it is where another one is
            own = warm.problem.space.point({"x": rng.randint(1, 60), "r": rng.choice([1, 2, 3, 9])})
            add(History(trials.values()), [own.labelled(**rng.choice(list(trials.values())).labels)])
        elif surprise < 0.3:
            name = rng.choice(sorted(trials))
            trials[name] = changed(trials[name], labels={**trials[name].labels, LABEL + "bracket": "7"})
        elif surprise < 0.4:
            name = rng.choice(sorted(trials))
            trials[name] = changed(trials[name], state=TrialState.FAILED, values=None)


@pytest.mark.parametrize("algorithm", BOTH)
@pytest.mark.parametrize("labelled", [False, True])
def test_warm_instance_reads_only_what_has_changed(algorithm, labelled):
    made = make(algorithm, [X, whole("r", 1, 9)])
    history = play(make(algorithm, [X, whole("r", 1, 9)]), 200, parallel=4)
    history = history if labelled else without_labels(history)
    running = AlgorithmContract.issue(history, suggest(made, history, 4))
    if not labelled:
        running = [changed(trial, labels={}) for trial in running]
        for trial in running:
            history.record(trial)
    suggest(made, history, 4)
    AlgorithmContract.finish(history, running[1], TrialState.SUCCEEDED, 0.5)
    with mock.patch.object(made._visits, "_visit", wraps=made._visits._visit) as reading:
        suggest(made, history, 1)
    assert reading.call_count == 1


@pytest.mark.parametrize("algorithm", BOTH)
def test_asking_for_many_is_asking_often(algorithm):
    made, history = (
        make(algorithm, [*MIXED, X, whole("r", 1, 9)]),
        play(make(algorithm, [*MIXED, X, whole("r", 1, 9)]), 40, parallel=8),
    )
    at_once = suggest(made, history, 12)
    one_by_one = []
    for _ in range(12):
        points = suggest(made, history, 1)
        AlgorithmContract.issue(history, points)
        one_by_one += points
    assert at_once == one_by_one


@pytest.mark.parametrize("algorithm", BOTH)
def test_search_in_which_everything_fails_goes_on(algorithm):
    made = make(algorithm, [X, whole("r", 1, 9)])
    history = play(made, 100, parallel=4, outcome=lambda *_: (TrialState.FAILED, None))
    assert len(history) == 100
    assert {trial.labels[LABEL + "rung"] for trial in history} == {"0"}


# -- is it any good ---------------------------------------------------------------------------------------------------------

R = 81
TASK = [
    real("lr", 0.0001, 1, distribution="logUniform"),
    real("decay", 0.00001, 0.1, distribution="logUniform"),
    whole("width", 16, 512, distribution="logUniform"),
    real("dropout", 0, 0.8),
    one_of("optimizer", "sgd", "adam", "rmsprop", kind="categorical"),
]


class Trainer:
    """Learning curves: a power law from 1 to where the configuration ends, some slow, with noise that shrinks as training goes on."""

    def __init__(self, seed):
        rng = random.Random(seed)
        self.lr, self.decay = rng.uniform(-3.2, -0.8), rng.uniform(-4.5, -1.5)
        self.width, self.dropout = rng.uniform(1.5, 2.6), rng.uniform(0.05, 0.6)
        self.optimizer = dict(zip(("sgd", "adam", "rmsprop"), rng.sample([0.0, 0.04, 0.1], 3), strict=True))
        self.seed = seed

    def loss(self, point, epochs, *, noisy):
        off = (
            0.5 * (math.log10(point["lr"]) - self.lr) ** 2
            + 0.08 * (math.log10(point["decay"]) - self.decay) ** 2
            + 0.4 * (math.log10(point["width"]) - self.width) ** 2
            + 0.6 * (point["dropout"] - self.dropout) ** 2
        )
        end = 0.05 + 0.9 * (1 - math.exp(-(off + self.optimizer[point["optimizer"]])))
        # The smaller the steps the slower it learns, so that curves cross.
        slowness = 1.5 * 10 ** (0.35 * max(0.0, -1 - math.log10(point["lr"])))
        value = end + (1 - end) * (1 + epochs / slowness) ** -1.2
        if noisy:
            rng = random.Random(repr((self.seed, sorted(others(point, "r").items()), epochs)))
            value += rng.gauss(0, 0.02) / math.sqrt(epochs)
        return value


def train(algorithm, seed, budget, workers=8):
    """Spend epochs with workers in virtual time; returns true loss of what is recommended, first full training, end."""
    trainer = Trainer(seed)
    if algorithm == "random":
        stated = type("Full", (AlgorithmContract,), {"algorithm": "random", "settings": {}})()
        made = stated.make(TASK, seed=seed)
    else:
        made = make(algorithm, [*TASK, whole("r", 1, R)], seed=seed, r_l=str(R))
    history, queue, now, spent, first = History(), [], 0.0, 0, math.inf
    pace = random.Random(seed)
    while True:
        if spent < budget and len(queue) < workers:
            for trial in AlgorithmContract.issue(history, suggest(made, history, workers - len(queue))):
                epochs = trial.point.get("r", R)
                spent += epochs
                heapq.heappush(queue, (now + epochs * pace.uniform(0.7, 1.4), trial.index, trial, epochs))
        if not queue:
            break
        now, _, trial, epochs = heapq.heappop(queue)
        if epochs == R:
            first = min(first, now)
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, trainer.loss(trial.point, epochs, noisy=True))
    best = min(history.measured(), key=lambda trial: trial.values)
    return trainer.loss(best.point, R, noisy=False), first, now


BUDGET = 10 * R
SEEDS = range(24)


@pytest.fixture(scope="module")
def trained():
    return {name: [train(name, seed, BUDGET) for seed in SEEDS] for name in ("random", *BOTH)}


@pytest.mark.parametrize("algorithm", BOTH)
def test_halving_finds_better_configurations_than_full_training_with_the_same_epochs(trained, algorithm):
    ours, full = ([loss for loss, *_ in trained[name]] for name in (algorithm, "random"))
    assert mean(ours) < 0.75 * mean(full)
    assert sum(one < other for one, other in zip(ours, full, strict=True)) >= 2 / 3 * len(SEEDS)


def test_asha_has_a_fully_trained_configuration_sooner_and_hyperband_leaves_no_worker_idle(trained):
    first = {name: mean(sooner for _, sooner, _ in trained[name]) for name in BOTH}
    assert first["asha"] < first["hyperband"]
    end = {name: mean(end for *_, end in trained[name]) for name in BOTH}
    assert end["hyperband"] < 1.1 * end["asha"]
