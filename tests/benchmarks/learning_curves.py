"""Learning curves of made-up networks, and eight workers who train them in virtual time: what schedulers are measured on.

Our own design. A task is a bowl in the hyperparameters, moved and scaled by the task's number, and a curve that leads down to it:

- Curves are power laws or stretched exponentials, as reported for real networks (Domhan et al., 2015); which one depends on the
  optimizer. How fast they fall depends on the configuration, and on the learning rate in particular: small steps arrive later and,
  down to a point, lower. So curves cross, more in some tasks than in others, and early losses may deceive.
- What a trial reports is noisy, less so the longer it was trained; the same training reports the same.
- An epoch takes as long as the network is wide, and a little more or less from trial to trial.

Virtual time goes from one end of a trial to the next; a free worker asks at once. The clock of the real machine only measures what a
scheduler needs to decide.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import mixed_space

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.trial import TrialState
from katib.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.space.point import Point

__all__ = ["MOST_EPOCHS", "Run", "Task", "run"]

MOST_EPOCHS: Final = 81
WORKERS: Final = 8
_RESOURCE: Final = "epochs"
_BRACKET: Final = "katib.kubeflow.org/halving-bracket"
_OPTIMIZERS: Final = ("sgd", "adam", "rmsprop")
_SAMPLE: Final = 3_000
_CLIMBED: Final = 1_500


def _range(name: str, kind: str, low: str, high: str, **more: str) -> dict[str, Any]:
    return {"name": name, "parameterType": kind, "feasibleSpace": {"min": low, "max": high, **more}}


_PARAMETERS: Final = [
    _range("rate", "double", "0.0001", "1", distribution="logUniform"),
    _range("decay", "double", "0.00001", "0.1", distribution="logUniform"),
    _range("width", "int", "16", "512", distribution="logUniform"),
    _range("dropout", "double", "0", "0.8"),
    {"name": "optimizer", "parameterType": "categorical", "feasibleSpace": {"list": list(_OPTIMIZERS)}},
]
_EPOCHS: Final = _range(_RESOURCE, "int", "1", str(MOST_EPOCHS))
_SPACE: Final = Space.from_spec(mixed_space.experiment_spec("random", parameters=_PARAMETERS).spec)


class Task:
    """One family of networks on one data set; everything follows from its number."""

    def __init__(self, number: int) -> None:
        rng = random.Random(f"task/{number}")
        self.number = number
        self._rate, self._decay = rng.uniform(-3.2, -0.8), rng.uniform(-4.5, -1.5)
        self._width, self._dropout = rng.uniform(1.5, 2.6), rng.uniform(0.05, 0.6)
        self._optimizer = dict(zip(_OPTIMIZERS, rng.sample([0.0, 0.04, 0.1], 3), strict=True))
        self._exponential = set(rng.sample(_OPTIMIZERS, rng.randint(0, 2)))
        self._floor = rng.uniform(0.03, 0.15)
        self._slow = rng.uniform(0.6, 2.5)
        self._crossing = rng.uniform(0.2, 0.7)
        self._noise = rng.choice([0.01, 0.02, 0.05])

    def loss(self, point: Mapping[str, Any], epochs: int) -> float:
        """Return the loss after so many epochs, without noise."""
        rate, width = math.log10(point["rate"]), math.log10(point["width"])
        off = (
            0.5 * (rate - self._rate) ** 2
            + 0.08 * (math.log10(point["decay"]) - self._decay) ** 2
            + 0.4 * (width - self._width) ** 2
            + 0.6 * (point["dropout"] - self._dropout) ** 2
            + self._optimizer[point["optimizer"]]
        )
        end = self._floor + 0.9 * (1 - math.exp(-off))
        # The smaller the steps, and the more is dropped, the longer it takes; so curves cross.
        slow = self._slow * 10 ** (self._crossing * (max(0.0, -1 - rate) + 0.5 * point["dropout"]))
        if point["optimizer"] in self._exponential:
            left = math.exp(-((epochs / (4 * slow)) ** 0.7))
        else:
            left = (1 + epochs / slow) ** -1.2
        return end + (1 - end) * left

    def reported(self, point: Mapping[str, Any], epochs: int) -> float:
        """Return what a trial reports."""
        chance = random.Random(repr((self.number, epochs, [point[each["name"]] for each in _PARAMETERS])))
        return self.loss(point, epochs) + chance.gauss(0, self._noise) / math.sqrt(epochs)

    def seconds(self, point: Mapping[str, Any]) -> float:
        """Return what an epoch takes; about 1 on average."""
        chance = random.Random(repr(("pace", self.number, [point[each["name"]] for each in _PARAMETERS])))
        return (point["width"] / 90.0) ** 0.3 * chance.uniform(0.75, 1.25)


@cache
def optimum(number: int) -> float:
    """Return the smallest loss after full training: the best of a sample, and a random walk down from there."""
    task, rng = Task(number), random.Random(number)
    best = min((_SPACE.sample(rng) for _ in range(_SAMPLE)), key=lambda point: task.loss(point, MOST_EPOCHS))
    value, reach = task.loss(best, MOST_EPOCHS), 0.1
    for _ in range(_CLIMBED):
        unit = [
            min(max(parameter.to_unit(best[parameter.name]) + rng.gauss(0, reach), 0.0), 1.0)
            for parameter in _SPACE.parameters
        ]
        unit[-1] = _SPACE["optimizer"].to_unit(best["optimizer"])
        point = _SPACE.from_unit(unit)
        if (found := task.loss(point, MOST_EPOCHS)) < value:
            best, value = point, found
        else:
            reach = max(reach * 0.995, 1e-4)
    return value


@dataclass(slots=True)
class Run:
    """What came of one search.

    Attributes:
        regrets: For each budget, how much worse than the optimum the configuration that reported least is when fully trained.
        climbed: The same for the one that reported least among those that were trained longest.
        wall: Virtual time until the last budget was spent.
        deciding: Seconds of the processor the scheduler took.
        points: Trials it started.
        configurations: Different ones among them.
    """

    regrets: list[float] = field(default_factory=list)
    climbed: list[float] = field(default_factory=list)
    wall: float = 0.0
    deciding: float = 0.0
    points: int = 0
    configurations: int = 0


class _Pool:
    """Workers who train, and the history that the scheduler sees."""

    def __init__(self, task: Task, *, continued: bool) -> None:
        self.history = History()
        self.now = 0.0
        self._task = task
        self._queue: list[tuple[float, int, PastTrial, int]] = []
        self._continued = continued
        self._trained: dict[tuple[Any, ...], int] = {}

    @property
    def busy(self) -> int:
        return len(self._queue)

    def start(self, point: Point) -> None:
        index = self.history.next_index
        trial = PastTrial(index, str(index), point, TrialState.RUNNING, None, self.now, point.labels)
        self.history.record(trial)
        epochs = int(point.get(_RESOURCE, MOST_EPOCHS))
        key = tuple(value for name, value in point.items() if name != _RESOURCE)
        cost = epochs - (self._trained.get(key, 0) if self._continued else 0)
        self._trained[key] = epochs
        heapq.heappush(self._queue, (self.now + cost * self._task.seconds(point), index, trial, cost))

    def end(self) -> tuple[PastTrial, int]:
        """Let the next trial end; returns it and the epochs it took."""
        self.now, _, trial, cost = heapq.heappop(self._queue)
        value = self._task.reported(trial.point, int(trial.point.get(_RESOURCE, MOST_EPOCHS)))
        ended = PastTrial(
            trial.index, trial.name, trial.point, TrialState.SUCCEEDED, (value,), trial.started, trial.labels
        )
        self.history.record(ended)
        return ended, cost

    @property
    def configurations(self) -> int:
        return len(self._trained)


def run(
    algorithm: str,
    settings: Mapping[str, str],
    number: int,
    seed: int,
    budgets: Sequence[int],
    *,
    synchronous: bool = False,
    continued: bool = True,
) -> Run:
    """Train with eight workers until the last budget is spent.

    Args:
        algorithm: Its name; `random` trains every configuration fully.
        settings: Of the algorithm, besides those of the resource.
        number: The task's.
        seed: Of the search.
        budgets: In full trainings' worth of epochs, of trials that have ended.
        synchronous: Whether workers stay idle rather than begin a bracket while another is under way, as the papers have it.
        continued: Whether a promoted configuration goes on from its checkpoint; otherwise it is trained anew, as in Katib.
    """
    task, result = Task(number), Run()
    pool = _Pool(task, continued=continued)
    parameters, stated = _PARAMETERS, dict(settings)
    if algorithm != "random":
        parameters = [*_PARAMETERS, _EPOCHS]
        stated |= {"r_l": str(MOST_EPOCHS), "resource_name": _RESOURCE}
    made = registry.create(
        mixed_space.experiment_spec(algorithm, stated, parameters=parameters, parallel=WORKERS), seed
    )
    best, longest, spent, left = (math.inf, 1.0), (0, math.inf, 1.0), 0, list(budgets)
    while left:
        while pool.busy < WORKERS:
            began = time.process_time()
            points = suggest(made, pool.history, 1 if synchronous else WORKERS - pool.busy)
            result.deciding += time.process_time() - began
            if not points or (synchronous and _begins_early(points[0], pool.history)):
                break
            for point in points:
                pool.start(point)
        ended, cost = pool.end()
        spent += cost
        reported = (ended.values or (math.inf,))[0]
        final = task.loss(ended.point, MOST_EPOCHS)
        best = min(best, (reported, final))
        longest = min(longest, (-int(ended.point.get(_RESOURCE, MOST_EPOCHS)), reported, final))
        while left and spent >= left[0] * MOST_EPOCHS:
            left.pop(0)
            result.regrets.append(max(best[1] - optimum(number), 0.0))
            result.climbed.append(max(longest[2] - optimum(number), 0.0))
    result.wall, result.points, result.configurations = pool.now, len(pool.history), pool.configurations
    return result


def _begins_early(point: Point, history: History) -> bool:
    return any(trial.labels[_BRACKET] != point.labels[_BRACKET] for trial in history.running())
