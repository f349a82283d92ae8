"""ENAS keeps the contract, speaks Katib's language, learns from each network's own result, and never repeats one."""

import json
import random
import time

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import AlgorithmContract


def choice(name, *values, kind="categorical"):
    return {"name": name, "parameterType": kind, "feasibleSpace": {"list": list(values)}}


def operation(kind, *parameters):
    return {"operationType": kind, "parameters": list(parameters)}


def network(layers, *operations):
    return {
        "graphConfig": {"numLayers": layers, "inputSizes": [32, 32, 3], "outputSizes": [10]},
        "operations": list(operations),
    }


KATIB = network(
    8,
    operation("convolution", choice("filter_size", "3", "5"), choice("num_filter", "32", "48"), choice("stride", "1")),
    operation(
        "separable_convolution",
        choice("filter_size", "3"),
        choice("depth_multiplier", "1", "2", kind="discrete"),
    ),
    operation(
        "reduction",
        choice("reduction_type", "max_pooling"),
        {
            "name": "pool_size",
            "parameterType": "int",
            "feasibleSpace": {"min": "2", "max": "3", "step": "1"},
        },
    ),
)
SMALL = network(3, operation("dense", choice("units", "1", "2", "4", "8")))
BIG = network(5, *SMALL["operations"])
FAST = {"controller_learning_rate": "0.005", "controller_temperature": "None", "controller_train_steps": "10"}


class TestEnas(AlgorithmContract):
    algorithm = "enas"
    settings = {"controller_train_steps": "5"}
    bad_settings = {"no_such_setting": "1", "controller_hidden_size": "0", "controller_baseline_decay": "1.5"}
    network = KATIB


def make(nas=KATIB, *, seed=1, maximize=True, **settings):
    kind = type("Suite", (AlgorithmContract,), {"algorithm": "enas", "settings": settings, "network": nas})
    return kind().make([], seed=seed, maximize=maximize)


def read(text):
    """What Katib's training programs do with the texts."""
    return json.loads(text.replace("'", '"'))


def test_points_are_read_by_katibs_training_programs():
    for point in suggest(make(), History(), 5):
        assert list(point) == ["architecture", "nn_config"]
        layers, config = read(point["architecture"]), read(point["nn_config"])
        assert [len(layer) for layer in layers] == list(range(1, 9))
        assert list(config) == ["num_layers", "input_sizes", "output_sizes", "embedding"]
        assert (config["num_layers"], config["input_sizes"], config["output_sizes"]) == (8, [32, 32, 3], [10])
        assert config["embedding"].keys() == {str(layer[0]) for layer in layers}
        for name, each in config["embedding"].items():
            assert list(each) == ["opt_id", "opt_type", "opt_params"]
            assert each["opt_id"] == int(name)


def test_operations_are_numbered_as_katib_does():
    assert make()._operations == [
        ("convolution", {"filter_size": "3", "num_filter": "32", "stride": "1"}),
        ("convolution", {"filter_size": "3", "num_filter": "48", "stride": "1"}),
        ("convolution", {"filter_size": "5", "num_filter": "32", "stride": "1"}),
        ("convolution", {"filter_size": "5", "num_filter": "48", "stride": "1"}),
        ("separable_convolution", {"filter_size": "3", "depth_multiplier": 1.0}),
        ("separable_convolution", {"filter_size": "3", "depth_multiplier": 2.0}),
        ("reduction", {"reduction_type": "max_pooling", "pool_size": 2}),
        ("reduction", {"reduction_type": "max_pooling", "pool_size": 3}),
    ]


def reward(point):
    layers = read(point["architecture"])
    return float(layers[1][0] == 2) + 0.3 * float(layers[2][1] == 1)


def play(algorithm, trials, *, parallel=4, seed=0, score=reward):
    history, rng = History(), random.Random(seed)
    while len(history) < trials:
        for trial in AlgorithmContract.issue(history, suggest(algorithm, history, parallel)):
            AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, score(trial.point) + rng.gauss(0, 0.1))
    return [score(trial.point) for trial in history]


def test_controller_learns_which_networks_are_good():
    """Operation 2 in the second layer is good: a quarter of random networks have it."""
    means = []
    for seed in range(4):
        scores = play(make(BIG, seed=seed, **FAST), 60, parallel=6, seed=seed)
        means.append(sum(scores[-18:]) / 18)
    assert min(means) > 0.8, means  # chance is 0.25 + 0.15


def test_less_is_better_when_it_is_minimised():
    scores = play(make(BIG, maximize=False, **FAST), 60, parallel=6)
    assert sum(scores[-18:]) / 18 < 0.2


def test_every_network_once_and_then_none():
    tiny = network(2, operation("dense", choice("units", "1", "2")))
    algorithm, history = make(tiny, **FAST), History()
    seen = []
    while points := suggest(algorithm, history, 3):
        for trial in AlgorithmContract.issue(history, points):
            AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, float(trial.index))
            seen.append(trial.point)
    assert len(seen) == len(set(seen)) == 8


def test_a_controller_that_is_sure_still_gives_something_new():
    sure = {"controller_learning_rate": "1", "controller_tanh_const": "None", "controller_temperature": "None"}
    assert len(play(make(SMALL, controller_train_steps="20", **sure), 40)) == 40


def test_texts_that_are_no_architecture_are_no_lesson_and_no_harm():
    algorithm, history = make(SMALL), History()
    texts = [
        "",
        "[]",
        "[[0],[1,0],[9,0,0]]",
        "[[0],[1,2],[1,0,0]]",
        "[[true],[1,0],[1,0,0]]",
        "{",
        "[" * 5000,
        "[[0],0,1]",
    ]
    points = [algorithm.problem.space.point({"architecture": text, "nn_config": ""}) for text in texts]
    for trial in AlgorithmContract.issue(history, points):
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, 1.0)
    assert len(suggest(algorithm, history, 4)) == 4


@pytest.mark.parametrize(
    ("nas", "paths"),
    [
        (
            {"graphConfig": {}, "operations": SMALL["operations"]},
            ["spec.nasConfig.graphConfig." + field for field in ("inputSizes", "outputSizes", "numLayers")],
        ),
        (network(3), ["spec.nasConfig.operations"]),
        (network(65, operation("a", choice("b", "1"))), ["spec.nasConfig.graphConfig.numLayers"]),
        (network(2, operation("it's", choice('"', "'"))), ["spec.nasConfig.operations[0].operationType",
            "spec.nasConfig.operations[0].parameters[0].name",
            "spec.nasConfig.operations[0].parameters[0].feasibleSpace.list[0]"]),
        (
            network(
                2,
                operation(
                    "a", *({"name": f"p{i}", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "999"}} for i in range(5))
                ),
            ),
            ["spec.nasConfig.operations"],
        ),
    ],
)  # fmt: skip
def test_outline_that_cannot_be_searched_is_refused_with_its_place(nas, paths):
    with pytest.raises(InvalidInput) as caught:
        make(nas)
    assert [problem.path for problem in caught.value.problems] == paths


def test_settings_may_be_turned_off():
    off = dict.fromkeys(("temperature", "tanh_const", "entropy_weight", "skip_weight"), "None")
    assert len(play(make(SMALL, **{f"controller_{name}": value for name, value in off.items()}), 12)) == 12


def test_one_thousand_trials(record_property):
    history, rng = History(), random.Random(0)
    for trial in AlgorithmContract.issue(history, suggest(make(), history, 1000)):
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, rng.random())
    began = time.perf_counter()
    assert len(suggest(make(), history, 4)) == 4
    record_property("seconds", time.perf_counter() - began)
