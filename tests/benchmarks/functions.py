"""Functions of the literature with known optima, as search spaces in Katib's words: what the quality of a search is measured on.

They are public, so an algorithm may be tuned on them; what it is worth has to be asked of functions it never saw. Where the literature
puts the optimum into the middle of the box or on a round number, it is moved (as in the CEC contests), because an algorithm that
begins in the middle would find it by accident.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from katib.space.point import Point

__all__ = ["FUNCTIONS", "Function"]


@dataclass(frozen=True, slots=True)
class Function:
    """Something to minimise.

    Attributes:
        name: With its number of dimensions.
        regimes: What makes it hard, in the words of the table.
        parameters: Its space as Katib parameters.
        optimum: Its smallest value.
        true: Its value at a point, without noise.
        noise: Standard deviation of what is observed.
        fails: Whether a trial at a point fails.
    """

    name: str
    regimes: tuple[str, ...]
    parameters: list[dict[str, Any]]
    optimum: float
    true: Callable[[Point], float]
    noise: float = 0.0
    fails: Callable[[Point], bool] = lambda _: False

    def observed(self, point: Point, rng: random.Random) -> float | None:
        """Return what a trial reports, or None when it fails."""
        if self.fails(point):
            return None
        return self.true(point) + (rng.gauss(0, self.noise) if self.noise else 0.0)


def _reals(dimension: int, low: float, high: float) -> list[dict[str, Any]]:
    space = {"min": repr(low), "max": repr(high)}
    return [
        {"name": f"x{place}", "parameterType": "double", "feasibleSpace": dict(space)} for place in range(dimension)
    ]


def _whole(name: str, low: int, high: int, **more: str) -> dict[str, Any]:
    return {"name": name, "parameterType": "int", "feasibleSpace": {"min": str(low), "max": str(high), **more}}


def _one_of(name: str, *values: str) -> dict[str, Any]:
    return {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": list(values)}}


def _vector(point: Point) -> list[float]:
    return [point[name] for name in point]


def _on_vector(function: Callable[[Sequence[float]], float]) -> Callable[[Point], float]:
    return lambda point: function(_vector(point))


@cache
def _shift(dimension: int, reach: float) -> tuple[float, ...]:
    """Return where an optimum is moved to: the same place in every run."""
    rng = random.Random(f"optimum/{dimension}")
    return tuple(rng.uniform(-reach, reach) for _ in range(dimension))


@cache
def _rotation(dimension: int) -> Any:
    matrix, _ = np.linalg.qr(np.random.default_rng(dimension).normal(size=(dimension, dimension)))
    return matrix


def branin(x: Sequence[float]) -> float:
    """Branin (1972), in the form of Dixon and Szegö (1978): three equal optima of .397887, x in [-5, 10] x [0, 15]."""
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return (x[1] - b * x[0] ** 2 + c * x[0] - 6) ** 2 + 10 * (1 - t) * math.cos(x[0]) + 10


_HARTMANN_ALPHA: Final = (1.0, 1.2, 3.0, 3.2)
_HARTMANN_A: Final = (
    (10, 3, 17, 3.5, 1.7, 8),
    (0.05, 10, 17, 0.1, 8, 14),
    (3, 3.5, 1.7, 10, 17, 8),
    (17, 8, 0.05, 10, 0.1, 14),
)
_HARTMANN_P: Final = (
    (0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886),
    (0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991),
    (0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650),
    (0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381),
)


def hartmann(x: Sequence[float]) -> float:
    """Hartmann (1973), six dimensions, in the form of Dixon and Szegö (1978): -3.32237, x in [0, 1]."""
    total = 0.0
    for alpha, a, p in zip(_HARTMANN_ALPHA, _HARTMANN_A, _HARTMANN_P, strict=True):
        total += alpha * math.exp(-sum(w * (v - c) ** 2 for w, v, c in zip(a, x, p, strict=True)))
    return -total


def rosenbrock(x: Sequence[float]) -> float:
    """Rosenbrock (1960): a curved valley, not separable, ill-conditioned; 0 at (1, ..., 1)."""
    return sum(100 * (after - before**2) ** 2 + (1 - before) ** 2 for before, after in itertools.pairwise(x))


def ellipsoid(x: Sequence[float]) -> float:
    """Rotated ellipsoid of condition 10^6 (Hansen, Finck, Ros and Auger, 2009, f10 without its oscillation), moved; 0."""
    dimension = len(x)
    turned = _rotation(dimension) @ (np.asarray(x) - _shift(dimension, 3.5))
    return float((10.0 ** (6 * np.arange(dimension) / (dimension - 1)) * turned**2).sum())


def ackley(x: Sequence[float]) -> float:
    """Ackley (1987), moved: a funnel with many small dents; 0."""
    moved = [value - centre for value, centre in zip(x, _shift(len(x), 20.0), strict=True)]
    root = math.sqrt(sum(value**2 for value in moved) / len(moved))
    waves = sum(math.cos(2 * math.pi * value) for value in moved) / len(moved)
    return -20 * math.exp(-0.2 * root) - math.exp(waves) + 20 + math.e


def rastrigin(x: Sequence[float]) -> float:
    """Rastrigin (1974), in the form of Mühlenbein, Schomisch and Born (1991), moved: separable, 10^n local optima; 0."""
    moved = [value - centre for value, centre in zip(x, _shift(len(x), 3.5), strict=True)]
    return sum(value**2 - 10 * math.cos(2 * math.pi * value) + 10 for value in moved)


def levy(x: Sequence[float]) -> float:
    """Levy and Montalvo (1985): multimodal along one valley; 0 at (1, ..., 1)."""
    w = [1 + (value - 1) / 4 for value in x]
    middle = sum((v - 1) ** 2 * (1 + 10 * math.sin(math.pi * v + 1) ** 2) for v in w[:-1])
    return math.sin(math.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)


def styblinski_tang(x: Sequence[float]) -> float:
    """Styblinski and Tang (1990): separable, 2^n local optima; -39.16617 a dimension."""
    return sum(value**4 - 16 * value**2 + 5 * value for value in x) / 2


def powers(x: Sequence[float]) -> float:
    """Sum of different powers (Hansen et al., 2009, f14, not rotated), moved: unimodal, separable, flat at its bottom; 0."""
    last = len(x) - 1
    moved = [abs(value - centre) for value, centre in zip(x, _shift(len(x), 3.5), strict=True)]
    return math.sqrt(sum(value ** (2 + 4 * place / last) for place, value in enumerate(moved)))


def bird(x: Sequence[float]) -> float:
    """Mishra's bird (Mishra, 2006), of which only a disc counts: -106.7645, x in [-10, 0] x [-6.5, 0]."""
    return (
        math.sin(x[1]) * math.exp((1 - math.cos(x[0])) ** 2)
        + math.cos(x[0]) * math.exp((1 - math.sin(x[1])) ** 2)
        + (x[0] - x[1]) ** 2
    )


def _out_of_disc(point: Point) -> bool:
    return (point["x0"] + 5) ** 2 + (point["x1"] + 5) ** 2 >= 25


def _beyond_slope(point: Point) -> bool:
    """Whether a point is below a plane that passes near the optimum of Ackley's function: so is a third of the box."""
    centre = _shift(5, 20.0)
    return sum(point[f"x{place}"] - centre[place] for place in range(3)) < -4.0


def _camel(x: float, y: float) -> float:
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2


def _beale(x: float, y: float) -> float:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def func_2c(point: Point) -> float:
    """Two categories choose which functions of two numbers are added (after Func-2C of Ru et al., 2020): -.206326.

    The choices are Rosenbrock / 300, six-hump camel / 10 and Beale / 50 on [-2, 2]^2; further values of the second one are
    Beale too, so that it has values that make no difference.
    """
    x, y = point["x0"], point["x1"]
    bases = {
        "rosenbrock": rosenbrock((x, y)) / 300,
        "camel": _camel(x, y) / 10,
        "beale": _beale(x, y) / 50,
    }
    second = point["second"]
    return bases[point["first"]] + bases[second if second in bases else "beale"]


_ARITIES: Final = (2, 4, 8, 16)


def mixed_integer(point: Point) -> float:
    """Ellipsoid of condition 10^3, separable, with two variables each of 2, 4, 8, 16 and infinitely many values; 0.

    The construction is that of the suite bbob-mixint (Tušar, Brockhoff and Hansen, 2019): whole numbers stand for equal steps of
    [-4, 4], and the optimum is on one of them.
    """
    total, dimension = 0.0, 2 * len(_ARITIES) + 2
    for place in range(dimension):
        weight = 10 ** (3 * ((3 * place) % dimension) / (dimension - 1))
        if place < 2 * len(_ARITIES):
            arity = _ARITIES[place // 2]
            best = (3 * place + 1) % arity
            off = (point[f"n{place}"] - best) * 8 / (arity - 1)
        else:
            off = point[f"x{place}"] - _shift(10, 3.5)[place]
        total += weight * off**2
    return total


_OPTIMIZERS: Final = {"sgd": 0.02, "adam": 0.0, "rmsprop": 0.05, "lamb": 0.1}
_ACTIVATIONS: Final = {"relu": 0.01, "gelu": 0.0, "tanh": 0.04}


def tuning(point: Point) -> float:
    """The usual hyperparameters of a network: logarithms, whole numbers, steps and categories that interact; 0. Ours.

    The best learning rate depends on the optimizer and the batch size, as Goyal et al. (2017) report; dropout pays in wide
    networks only.
    """
    rate, decay = math.log10(point["learning_rate"]), math.log10(point["weight_decay"])
    best_rate = (-1.0 if point["optimizer"] == "sgd" else -3.0) + math.log10(point["batch"] / 64) / 2
    width = math.log2(point["units"])
    best_dropout = 0.25 if width >= 8 else 0.0
    total = (
        0.15 * (rate - best_rate) ** 2
        + 0.03 * (decay + 4.3) ** 2
        + 0.05 * (width - 8.6) ** 2
        + 0.4 * (point["dropout"] - best_dropout) ** 2
        + 0.02 * abs(point["layers"] - 5)
        + 0.03 * abs(math.log2(point["batch"] / 64))
        + _OPTIMIZERS[point["optimizer"]]
        + _ACTIVATIONS[point["activation"]]
    )
    return 1 - math.exp(-total)


_TUNING_SPACE: Final = [
    {
        "name": "learning_rate",
        "parameterType": "double",
        "feasibleSpace": {"min": "0.00001", "max": "1", "distribution": "logUniform"},
    },
    {
        "name": "weight_decay",
        "parameterType": "double",
        "feasibleSpace": {"min": "0.0000001", "max": "0.01", "distribution": "logUniform"},
    },
    _whole("units", 16, 1024, distribution="logUniform"),
    _whole("batch", 16, 512, distribution="logUniform"),
    _whole("layers", 1, 12),
    {"name": "dropout", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "0.75", "step": "0.05"}},
    _one_of("optimizer", *_OPTIMIZERS),
    _one_of("activation", *_ACTIVATIONS),
]
_TUNING_OPTIMUM: Final = 1 - math.exp(-0.05 * (math.log2(388) - 8.6) ** 2)
"""388 is the whole number of units next to the best."""
_HARTMANN_OPTIMUM: Final = -3.32236801141551
_BOX: Final = (-5.0, 5.0)


FUNCTIONS: Final = (
    Function(
        "branin-2",
        ("continuous", "multimodal"),
        [{**_reals(1, -5, 10)[0], "name": "x0"}, {**_reals(1, 0, 15)[0], "name": "x1"}],
        0.397887357729739,
        _on_vector(branin),
    ),
    Function("hartmann-6", ("continuous", "multimodal"), _reals(6, 0, 1), _HARTMANN_OPTIMUM, _on_vector(hartmann)),
    Function("rosenbrock-5", ("continuous", "ill-conditioned"), _reals(5, -5, 10), 0.0, _on_vector(rosenbrock)),
    Function("rastrigin-5", ("continuous", "multimodal"), _reals(5, -5.12, 5.12), 0.0, _on_vector(rastrigin)),
    Function("ellipsoid-10", ("continuous", "ill-conditioned"), _reals(10, *_BOX), 0.0, _on_vector(ellipsoid)),
    Function("ackley-10", ("continuous", "multimodal"), _reals(10, -32.768, 32.768), 0.0, _on_vector(ackley)),
    Function("powers-20", ("continuous",), _reals(20, *_BOX), 0.0, _on_vector(powers)),
    Function(
        "styblinski-tang-20",
        ("continuous", "multimodal"),
        _reals(20, *_BOX),
        -39.16616570377142 * 20,
        _on_vector(styblinski_tang),
    ),
    Function(
        "func-2c-4",
        ("mixed",),
        [
            _one_of("first", "rosenbrock", "camel", "beale"),
            _one_of("second", "rosenbrock", "camel", "beale", "beale2", "beale3"),
            *_reals(2, -2, 2),
        ],
        -0.2063256907,
        func_2c,
    ),
    Function(
        "mixed-integer-10",
        ("mixed",),
        [*(_whole(f"n{place}", 0, _ARITIES[place // 2] - 1) for place in range(8)), *_reals(10, *_BOX)[8:]],
        0.0,
        mixed_integer,
    ),
    Function("tuning-8", ("mixed",), _TUNING_SPACE, _TUNING_OPTIMUM, tuning),
    Function("noisy-hartmann-6", ("noisy",), _reals(6, 0, 1), _HARTMANN_OPTIMUM, _on_vector(hartmann), noise=0.3),
    Function("noisy-levy-5", ("noisy",), _reals(5, -10, 10), 0.0, _on_vector(levy), noise=3.0),
    Function("noisy-tuning-8", ("noisy", "mixed"), _TUNING_SPACE, _TUNING_OPTIMUM, tuning, noise=0.05),
    Function(
        "failing-bird-2",
        ("failing",),
        [{**_reals(1, -10, 0)[0], "name": "x0"}, {**_reals(1, -6.5, 0)[0], "name": "x1"}],
        -106.76453674926468,
        _on_vector(bird),
        fails=_out_of_disc,
    ),
    Function(
        "failing-ackley-5",
        ("failing",),
        _reals(5, -32.768, 32.768),
        0.0,
        _on_vector(ackley),
        fails=_beyond_slope,
    ),
)
