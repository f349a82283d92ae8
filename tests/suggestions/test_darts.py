"""DARTS keeps the contract and tells the training program its search space in Katib's words, in every call the same."""

import json

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import AlgorithmContract


def operation(kind, *sizes):
    space = {"list": list(sizes)}
    return {
        "operationType": kind,
        "parameters": [{"name": "filter_size", "parameterType": "categorical", "feasibleSpace": space}],
    }


NETWORK = {
    "graphConfig": {"numLayers": 8},
    "operations": [
        operation("separable_convolution", "3", "5"),
        operation("max_pooling", "3"),
        operation("skip_connection", "3"),
    ],
}
OLD_PROGRAM = {"num_epochs": 50, "w_lr": 0.025, "w_lr_min": 0.001, "w_momentum": 0.9, "w_weight_decay": 3e-4}


class TestDarts(AlgorithmContract):
    algorithm = "darts"
    settings = {"num_epochs": "1"}
    bad_settings = {"num_epochs": "0", "batch_size": "-1", "w_lr": "fast"}
    network = NETWORK
    repeats = True


def make(network=NETWORK, **settings):
    kind = type("Suite", (AlgorithmContract,), {"algorithm": "darts", "settings": settings, "network": network})
    return kind().make([])


def read(text):
    """What Katib's training programs do with the texts."""
    return json.loads(text.replace("'", '"'))


def test_point_tells_the_operations_the_layers_and_every_setting():
    (point,) = suggest(make(), History(), 1)
    assert list(point) == ["algorithm-settings", "search-space", "num-layers"]
    assert point["search-space"] == (
        "['separable_convolution_3x3', 'separable_convolution_5x5', 'max_pooling_3x3', 'skip_connection']"
    )
    assert point["num-layers"] == "8"
    settings = read(point["algorithm-settings"])
    assert len(settings) == 14
    assert settings.items() >= OLD_PROGRAM.items()


def test_settings_go_on_as_they_were_written_and_unknown_ones_too():
    (point,) = suggest(make(num_epochs="3", w_lr="1e-2", batch_size="None", cutout="16"), History(), 1)
    settings = read(point["algorithm-settings"])
    assert settings["num_epochs"] == "3"
    assert settings["w_lr"] == "1e-2"
    assert settings["batch_size"] is None
    assert settings["cutout"] == "16"


def test_second_call_answers_as_the_first():
    algorithm, history = make(), History()
    first = suggest(algorithm, history, 1)
    AlgorithmContract.issue(history, first)
    assert suggest(algorithm, history, 2) == first * 2


@pytest.mark.parametrize(
    ("network", "path"),
    [
        ({"graphConfig": {}, "operations": NETWORK["operations"]}, "spec.nasConfig.graphConfig.numLayers"),
        ({"graphConfig": {"numLayers": 2}, "operations": []}, "spec.nasConfig.operations"),
        (
            {"graphConfig": {"numLayers": 2}, "operations": [operation("it's", "3")]},
            "spec.nasConfig.operations[0].operationType",
        ),
        (
            {
                "graphConfig": {"numLayers": 2},
                "operations": [
                    {
                        "operationType": "conv",
                        "parameters": [
                            {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "2"}}
                        ],
                    }
                ],
            },
            "spec.nasConfig.operations[0].parameters",
        ),
    ],
)
def test_outline_that_cannot_be_told_is_refused_with_its_place(network, path):
    with pytest.raises(InvalidInput) as caught:
        make(network)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_quotes_in_a_setting_are_refused():
    with pytest.raises(InvalidInput, match="quotes"):
        make(comment="it's")
