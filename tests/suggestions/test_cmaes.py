"""CMA-ES keeps the contract, is better than chance and no worse than the package it is built on, however its trials end."""

import heapq
import itertools
import math
import random
import statistics

import numpy as np
import pytest
from cmaes import CMA, CatCMAwM

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import AlgorithmContract


def doubles(count):
    return [
        {"name": f"x{number}", "parameterType": "double", "feasibleSpace": {"min": "-5", "max": "5"}}
        for number in range(count)
    ]


MIXED = [
    *doubles(2),
    {"name": "k", "parameterType": "int", "feasibleSpace": {"min": "-10", "max": "10"}},
    {"name": "m", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "30"}},
    {"name": "c", "parameterType": "categorical", "feasibleSpace": {"list": ["p", "q", "r", "s"]}},
    {"name": "d", "parameterType": "categorical", "feasibleSpace": {"list": ["u", "v", "w"]}},
    {"name": "e", "parameterType": "discrete", "feasibleSpace": {"list": ["1", "2", "4", "8"]}},
]
ONE_OF_EACH = [MIXED[0], MIXED[2], MIXED[4], MIXED[6]]


def sphere(point):
    return sum((x - place % 4 + 1.7) ** 2 for place, x in enumerate(point.values()))


def rosenbrock(point):
    x = [value / 2.5 for value in point.values()]
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x))


def mixed(point):
    return (
        (point["x0"] - 1.3) ** 2
        + (point["x1"] + 2 + 0.3 * point["x0"]) ** 2
        + 0.05 * (point["k"] - 4) ** 2
        + 0.02 * (point["m"] - 21) ** 2
        + {"p": 3, "q": 0, "r": 5, "s": 4}[point["c"]]
        + {"u": 0, "v": 2, "w": 2}[point["d"]]
        + abs(math.log2(float(point["e"])) - 2)
    )


TASKS = {
    "sphere-5": (doubles(5), sphere),
    "sphere-10": (doubles(10), sphere),
    "rosenbrock-5": (doubles(5), rosenbrock),
    "rosenbrock-10": (doubles(10), rosenbrock),
    "mixed": (MIXED, mixed),
}


def make(parameters, seed=1, algorithm="cmaes", *, maximize=False, constraints=(), **settings):
    texts = {name: str(value) for name, value in settings.items()}
    suite = type("Named", (AlgorithmContract,), {"algorithm": algorithm, "settings": texts})()
    return suite.make(parameters, seed=seed, maximize=maximize, constraints=constraints)


class Lab:
    """Runs trials, some at a time, which take a while each."""

    def __init__(self, seed=0, *, keeps_labels=True):
        self.history = History()
        self.chance = random.Random(seed)
        self.keeps_labels = keeps_labels
        self.running = []
        self.now = 0.0
        self.issued = []

    def start(self, points):
        for point in points:
            index = self.history.next_index
            labels = point.labels if self.keeps_labels else {}
            trial = PastTrial(index, f"t{index}", point, TrialState.RUNNING, None, None, labels)
            self.history.record(trial)
            self.issued.append(point)
            heapq.heappush(self.running, (self.now + self.chance.uniform(0.2, 1.8), index, trial))

    def end(self, value, state=TrialState.SUCCEEDED):
        self.now, _, trial = heapq.heappop(self.running)
        result = value(trial.point)
        values = None if result is None else (result,)
        state = TrialState.FAILED if result is None else state
        self.history.record(PastTrial(trial.index, trial.name, trial.point, state, values, None, trial.labels))
        return result

    def search(self, ask, value, trials, *, in_flight=1):
        """Return the best result, after keeping ``in_flight`` trials running all the time."""
        best = math.inf
        while len(self.history) < trials or self.running:
            if wanted := min(in_flight - len(self.running), trials - len(self.history)):
                points = suggest(ask(), self.history, wanted)
                assert len(points) == wanted
                self.start(points)
            result = self.end(value)
            best = best if result is None else min(best, result)
        return best


def best_of(algorithm, task, seed, *, trials=100, in_flight=1, keeps_labels=True, **settings):
    parameters, value = TASKS[task]
    instance = make(parameters, seed, algorithm, **settings)
    return Lab(seed, keeps_labels=keeps_labels).search(lambda: instance, value, trials, in_flight=in_flight)


def best_of_package(task, seed, trials=100):
    """The package in the loop of its own documentation."""
    parameters, value = TASKS[task]
    best, told = math.inf, []
    if task == "mixed":
        ranges = [list(range(-10, 11)), list(range(31)), [0, 1, 2, 3]]
        optimiser = CatCMAwM(x_space=[[-5, 5]] * 2, z_space=ranges, c_space=[4, 3], seed=seed)
    else:
        names = [parameter["name"] for parameter in parameters]
        bounds = np.tile([-5.0, 5.0], (len(names), 1))
        optimiser = CMA(mean=np.zeros(len(names)), sigma=10 / 6, bounds=bounds, seed=seed)
    for _ in range(trials):
        drawn = optimiser.ask()
        if task == "mixed":
            letters = {"c": "pqrs"[drawn.c[0].argmax()], "d": "uvw"[drawn.c[1].argmax()]}
            numbers = {"x0": drawn.x[0], "x1": drawn.x[1], "k": drawn.z[0], "m": drawn.z[1]}
            point = {**numbers, **letters, "e": str(2 ** int(drawn.z[2]))}
        else:
            point = dict(zip(names, drawn, strict=True))
        told.append((drawn, value(point)))
        best = min(best, told[-1][1])
        if len(told) == optimiser.population_size:
            optimiser.tell(told)
            told = []
    return best


class TestCmaEs(AlgorithmContract):
    algorithm = "cmaes"
    bad_settings = {
        "no_such_setting": "1",
        "random_state": "-1",
        "sigma": "-0.1",
        "restart_strategy": "lipop",
        "popsize": "3",
    }

    @pytest.mark.parametrize(
        "parameters",
        [doubles(1), [MIXED[4]], [MIXED[6]], [MIXED[2]], [{**MIXED[2], "feasibleSpace": {"min": "3", "max": "3"}}]],
        ids=["double", "categorical", "discrete", "int", "one value"],
    )
    def test_any_single_parameter_is_enough(self, parameters):
        lab = Lab()
        algorithm = make(parameters)
        while len(lab.history) < 30 and (points := suggest(algorithm, lab.history, 3)):
            lab.start(points)
            while lab.running:
                lab.end(lambda point: len(repr(point)))
        assert len(set(lab.issued)) == len(lab.issued) == min(algorithm.problem.space.cardinality or 30, 30)

    def test_katibs_settings_are_accepted(self):
        for strategy in ("ipop", "bipop", "none", "None", ""):
            make(doubles(2), restart_strategy=strategy, sigma="0", random_state="0")

    def test_several_objectives_are_refused(self):
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "two"},
            "spec": {
                "objectives": [
                    {"type": "minimize", "objectiveMetricName": "loss"},
                    {"type": "minimize", "objectiveMetricName": "size"},
                ],
                "algorithm": {"algorithmName": "cmaes"},
                "parameters": doubles(2),
            },
        }
        with pytest.raises(InvalidInput, match="one objective"):
            registry.create(with_defaults(parse_experiment(document)), 1)

    def test_the_search_begins_around_the_middle(self):
        points = [suggest(make(doubles(3), seed), History(), 8) for seed in range(20)]
        means = [statistics.mean(point[f"x{n}"] for some in points for point in some) for n in range(3)]
        assert all(abs(mean) < 0.5 for mean in means)
        narrow = suggest(make(doubles(3), sigma=0.01), History(), 8)
        assert all(abs(x) < 0.5 for point in narrow for x in point.values())

    def test_maximising_is_minimising_the_negative(self):
        down, up = (make(doubles(3), maximize=maximize) for maximize in (False, True))
        labs = [Lab(), Lab()]
        labs[0].search(lambda: down, sphere, 60)
        labs[1].search(lambda: up, lambda point: -sphere(point), 60)
        assert labs[0].issued == labs[1].issued


class TestQuality:
    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("in_flight", [1, 8])
    def test_is_clearly_better_than_random_search(self, task, in_flight):
        ours = [best_of("cmaes", task, seed, in_flight=in_flight) for seed in range(12)]
        random_search = [best_of("random", task, seed) for seed in range(12)]
        ratios = [math.log10(a / b) for a, b in zip(ours, random_search, strict=True)]
        assert sum(ratio < 0 for ratio in ratios) >= 10
        assert statistics.mean(ratios) < -0.35

    @pytest.mark.parametrize("task", TASKS)
    def test_is_no_worse_than_the_package_in_a_plain_loop(self, task):
        ours = [best_of("cmaes", task, seed) for seed in range(16)]
        package = [best_of_package(task, seed) for seed in range(16)]
        assert statistics.mean(map(math.log10, ours)) < statistics.mean(map(math.log10, package)) + 0.25

    @pytest.mark.parametrize("task", ["sphere-5", "mixed"])
    def test_a_controller_that_loses_labels_does_little_harm(self, task):
        ours = [best_of("cmaes", task, seed, in_flight=4, keeps_labels=False) for seed in range(12)]
        random_search = [best_of("random", task, seed) for seed in range(12)]
        assert statistics.mean(math.log10(a / b) for a, b in zip(ours, random_search, strict=True)) < -0.35

    @pytest.mark.parametrize("task", ["sphere-5", "mixed"])
    def test_failing_trials_are_no_obstacle(self, task):
        parameters, value = TASKS[task]

        def fails_on_one_side(point):
            return None if point["x0"] > 1 and point["x1"] < 4 else value(point)

        ours, chance = [], []
        for seed in range(12):
            for algorithm, results in (("cmaes", ours), ("random", chance)):
                instance = make(parameters, seed, algorithm)
                lab = Lab(seed)
                results.append(lab.search(lambda instance=instance: instance, fails_on_one_side, 100, in_flight=4))
                assert len(set(lab.issued)) == 100
        assert statistics.mean(math.log10(a / b) for a, b in zip(ours, chance, strict=True)) < -0.25


class TestState:
    @pytest.mark.parametrize("parameters", [doubles(3), ONE_OF_EACH], ids=["continuous", "mixed"])
    @pytest.mark.parametrize("keeps_labels", [True, False])
    @pytest.mark.parametrize("settings", [{}, {"restart_strategy": "ipop", "popsize": "4"}], ids=["plain", "restarts"])
    def test_rebuilt_equals_kept_while_trials_end_in_any_order(self, parameters, keeps_labels, settings):
        warm = make(parameters, **settings)
        lab = Lab(3, keeps_labels=keeps_labels)

        def value(point):
            return None if lab.chance.random() < 0.2 else round(sum(map(len, map(str, point.values()))) / 8)

        while len(lab.history) < 150:
            points = suggest(warm, lab.history, 7 - len(lab.running))
            fresh = suggest(make(parameters, **settings), lab.history, 7 - len(lab.running))
            assert [(p, p.labels) for p in points] == [(p, p.labels) for p in fresh]
            lab.start(points)
            for _ in range(lab.chance.randint(1, 5)):
                lab.end(value)
        assert len(set(lab.issued)) == len(lab.issued)

    @pytest.mark.parametrize("parameters", [doubles(3), ONE_OF_EACH], ids=["continuous", "mixed"])
    def test_late_results_do_not_rewrite_what_was_drawn_before_them(self, parameters):
        algorithm = make(parameters)
        lab = Lab(5)
        lab.search(lambda: algorithm, lambda point: len(repr(point)), 60, in_flight=6)
        complete = algorithm._rebuilt(lab.history)
        again = make(parameters)._rebuilt(lab.history)
        assert (again.generation, again.used) == (complete.generation, complete.used)
        assert suggest(make(parameters), lab.history, 3) == suggest(algorithm, lab.history, 3)

    def test_an_instance_that_another_has_overtaken_goes_on_as_that_one_did(self):
        parameters = doubles(3)
        left, right = make(parameters), make(parameters)
        lab = Lab(2)
        lab.start(suggest(left, lab.history, 12))
        for _ in range(8):
            lab.end(sphere)
        suggest(left, lab.history, 1)  # the answer is lost
        for _ in range(2):
            lab.end(sphere)
        lab.start(suggest(right, lab.history, 4))
        for _ in range(4):
            lab.end(sphere)
        assert (
            suggest(left, lab.history, 4) == suggest(right, lab.history, 4) == suggest(make(parameters), lab.history, 4)
        )

    def test_an_instance_may_serve_other_histories_in_between(self):
        algorithm = make(ONE_OF_EACH)
        lab, other = Lab(1), Lab(2)
        other.search(lambda: algorithm, lambda point: -len(repr(point)), 40)
        lab.search(lambda: algorithm, lambda point: len(repr(point)), 40)
        assert suggest(algorithm, other.history, 2) == suggest(make(ONE_OF_EACH), other.history, 2)
        assert suggest(algorithm, lab.history, 2) == suggest(make(ONE_OF_EACH), lab.history, 2)

    def test_a_trial_that_never_ends_holds_nothing_up(self):
        algorithm = make(doubles(5))
        lab = Lab()
        lab.start(suggest(algorithm, lab.history, 1))
        stuck = lab.running.pop()
        best = lab.search(lambda: algorithm, sphere, 151)
        assert best < 0.5
        assert stuck[2].name in {trial.name for trial in lab.history.running()}

    @pytest.mark.parametrize("parameters", [doubles(1), ONE_OF_EACH[:2]], ids=["continuous", "mixed"])
    def test_points_from_far_away_do_not_blow_a_converged_search_up(self, parameters):
        """Once all that it draws was tried, new points come from elsewhere."""
        algorithm = make(parameters, seed=1)
        lab = Lab()
        lab.search(lambda: algorithm, lambda point: (point["x0"] - 1) ** 2 + point.get("k", 0) ** 2, 700)
        optimiser = algorithm._state.optimiser
        drawn = [algorithm._coding.unit(optimiser.draw(seed))[0] for seed in range(9)]
        assert max(abs(unit - 0.6) for unit in drawn) < 0.01

    def test_labels_that_someone_else_wrote_are_survived(self):
        names = ("katib.kubeflow.org/cmaes-drawn", "katib.kubeflow.org/cmaes-passed-over")
        for texts in (("x", "y"), ("999999999.1.1", "f" * 60), ("0.1.7", "f" * 60), ("1.1.1", "-1"), ("2.0.x", "0")):
            lab = Lab()
            algorithm = make(ONE_OF_EACH)
            for _ in range(6):
                points = [
                    p.labelled(**dict(zip(names, texts, strict=True))) for p in suggest(algorithm, lab.history, 4)
                ]
                lab.start(points)
                while lab.running:
                    lab.end(lambda point: len(repr(point)))
            assert len(set(lab.issued)) == 24

    def test_a_point_that_was_not_what_was_drawn_counts_as_what_it_is(self):
        """Another processor may round the same draw differently."""
        algorithm = make(ONE_OF_EACH)
        lab = Lab()
        space = algorithm.problem.space
        for number in range(160):
            drawn = suggest(algorithm, lab.history, 1)[0]
            labels = dict(drawn.labels)
            lab.start([space.point(space.sample(random.Random(number)), labels)] if number < 60 else [drawn])
            lab.end(lambda point: (point["x0"] - 3) ** 2 + abs(point["k"]) + (point["c"] != "q"))
        assert abs(statistics.mean(point["x0"] for point in lab.issued[-20:]) - 3) < 1


class TestRestarts:
    @staticmethod
    def late_points(strategy):
        """Search a bowl with a flat bottom, and return how far from it the last points are."""
        algorithm = make(doubles(2), restart_strategy=strategy)
        lab = Lab()
        lab.search(lambda: algorithm, lambda point: max(sphere(point), 0.5), 500)
        return sorted(sphere(point) for point in lab.issued[-300:])

    def test_a_restart_leaves_the_place_where_the_search_had_converged(self):
        stays = self.late_points("none")
        assert stays[-10] < 3
        for strategy in ("ipop", "bipop"):
            assert self.late_points(strategy)[-10] > 6

    def test_populations_grow_with_ipop_and_alternate_with_bipop(self):
        sizes = {}
        for strategy in ("ipop", "bipop"):
            algorithm = make(doubles(2), restart_strategy=strategy)
            lab, seen = Lab(), []
            for _ in range(1500):
                lab.start(suggest(algorithm, lab.history, 1))
                lab.end(lambda _: 1.0)
                state = algorithm._state
                if state.run == len(seen):
                    seen.append(state.popsize)
            sizes[strategy] = seen
        assert sizes["ipop"][:4] == [6, 12, 24, 48]
        assert sizes["bipop"][:2] == [6, 12]
        assert min(sizes["bipop"][2:]) < 12


class TestConstraintsAndConditions:
    def test_constraints_hold_also_where_the_search_wants_to_leave_them(self):
        algorithm = make(doubles(3), constraints=("x0 + x1 < -6",))
        lab = Lab()
        lab.search(lambda: algorithm, lambda point: -point["x0"] - point["x1"], 60)
        assert max(point["x0"] + point["x1"] for point in lab.issued) < -6
        assert min(-point["x0"] - point["x1"] for point in lab.issued) < 6.5

    def test_the_better_branch_is_found(self):
        parameters = [
            {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["tree", "net"]}},
            {**doubles(1)[0], "condition": {"parameter": "kind", "in": ["tree"]}},
            {**doubles(2)[1], "condition": {"parameter": "kind", "in": ["net"]}},
        ]
        algorithm = make(parameters)
        lab = Lab()
        best = lab.search(lambda: algorithm, lambda p: 3 + p["x0"] ** 2 if "x0" in p else (p["x1"] - 2) ** 2, 80)
        assert best < 0.05
        assert sum(point["kind"] == "net" for point in lab.issued[-20:]) > 12
