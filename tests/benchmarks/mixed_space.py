"""Ten mixed parameters and a history of results on them: what calls are timed with, in-process and through gRPC.

The same seed and number give the same history, and a longer one begins with the shorter one.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any, Final

from katib.algorithm.history import History, PastTrial
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.api.experiment import Experiment
    from katib.space.point import Point

__all__ = ["MOST_EPOCHS", "PARAMETERS", "STARTED", "experiment_spec", "history", "settings_of"]

STARTED: Final = 1_700_000_000.0
"""When the first trial started; the others follow, ten seconds apart."""
MOST_EPOCHS: Final = 81


def _range(name: str, kind: str, low: str, high: str, **more: str) -> dict[str, Any]:
    return {"name": name, "parameterType": kind, "feasibleSpace": {"min": low, "max": high, **more}}


PARAMETERS: Final[list[dict[str, Any]]] = [
    _range("learning_rate", "double", "0.00001", "1", distribution="logUniform"),
    _range("weight_decay", "double", "0.0000001", "0.01", distribution="logUniform"),
    _range("epsilon", "double", "0.000000001", "0.001", distribution="logUniform"),
    _range("momentum", "double", "0.5", "0.99"),
    _range("dropout", "double", "0", "0.7"),
    _range("units", "int", "16", "1024"),
    _range("layers", "int", "1", "8"),
    _range("smoothing", "double", "0", "0.5", step="0.05"),
    {
        "name": "optimizer",
        "parameterType": "categorical",
        "feasibleSpace": {"list": ["sgd", "adam", "rmsprop", "lamb"]},
    },
    {"name": "activation", "parameterType": "categorical", "feasibleSpace": {"list": ["relu", "gelu", "tanh"]}},
]
_EPOCHS: Final = _range("epochs", "int", "1", str(MOST_EPOCHS))
_NEEDS: Final = {
    "hyperband": {"r_l": str(MOST_EPOCHS), "resource_name": "epochs"},
    "asha": {"r_l": str(MOST_EPOCHS), "resource_name": "epochs"},
}
"""Settings without which an algorithm refuses to begin; these two also need a parameter that says how long to train."""


def settings_of(algorithm: str) -> dict[str, str]:
    """Return the settings an algorithm cannot do without."""
    return dict(_NEEDS.get(algorithm, {}))


def experiment_spec(
    algorithm: str,
    settings: Mapping[str, str] | None = None,
    *,
    parameters: Sequence[dict[str, Any]] = PARAMETERS,
    parallel: int = 8,
) -> Experiment:
    """Return a validated, defaulted experiment that minimises ``loss``.

    Args:
        algorithm: Its name; `hyperband` and `asha` get the resource ``epochs`` as an eleventh parameter, `grid` steps for what
            is a continuum.
        settings: Of the algorithm, besides those it cannot do without.
        parameters: Of the space.
        parallel: How many trials run at a time.
    """
    stated = settings_of(algorithm) | dict(settings or {})
    asked = [*parameters, _EPOCHS] if algorithm in _NEEDS else list(parameters)
    if algorithm == "grid":
        asked = [_stepped(each) for each in asked]
    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "mixed", "namespace": "default", "uid": "mixed"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {
                "algorithmName": algorithm,
                "algorithmSettings": [{"name": name, "value": value} for name, value in stated.items()],
            },
            "parameters": asked,
            "parallelTrialCount": parallel,
        },
    }
    return with_defaults(parse_experiment(document))


def _stepped(parameter: dict[str, Any]) -> dict[str, Any]:
    space = parameter["feasibleSpace"]
    if parameter["parameterType"] != "double" or "step" in space:
        return parameter
    step = repr((float(space["max"]) - float(space["min"])) / 10)
    return {**parameter, "feasibleSpace": {"min": space["min"], "max": space["max"], "step": step}}


def history(trials: int, seed: int, experiment: Experiment | None = None) -> History:
    """Return so many finished trials, drawn like those of random search, without labels.

    Args:
        trials: How many.
        seed: Of their points and of the noise of their results.
        experiment: Whose space they are points of; one with ``PARAMETERS`` only by default. Where there are ``epochs``, three of
            four trials get a small number of them and the rest more, as successive halving would give.
    """
    space = Space.from_spec((experiment or experiment_spec("random")).spec)
    rng = random.Random(seed)
    past = History()
    for index in range(trials):
        point = space.sample(rng)
        if "epochs" in point:
            climbed = min(int(-math.log(1 - rng.random()) / math.log(3)), 4)
            point = space.point({**point, "epochs": 3**climbed})
        state = TrialState.SUCCEEDED
        past.record(PastTrial(index, f"mixed-{index}", point, state, (_loss(point, rng),), STARTED + 10.0 * index))
    return past


def _loss(point: Point, rng: random.Random) -> float:
    """Return something a model can learn: a bowl in the logarithms, one good optimiser, a little noise."""
    off = (
        0.1 * (math.log10(point["learning_rate"]) + 2.5) ** 2
        + 0.02 * (math.log10(point["weight_decay"]) + 4) ** 2
        + 0.5 * (point["momentum"] - 0.9) ** 2
        + 0.5 * (point["dropout"] - 0.2) ** 2
        + 0.1 * (point["layers"] / 8 - 0.5) ** 2
        + (0.0 if point["optimizer"] == "adam" else 0.05)
    )
    return 0.1 + off + rng.gauss(0, 0.005) + 0.3 / math.sqrt(point.get("epochs", MOST_EPOCHS))
