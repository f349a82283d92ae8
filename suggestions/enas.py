"""ENAS, efficient neural architecture search (Pham, Guan, Zoph, Le and Dean, 2018), as Katib has it: each trial trains one network.

A controller, an LSTM, writes networks down: an operation for each layer, and which earlier layers feed into it. It learns from how
good they were (REINFORCE with a moving baseline). Katib's controller learns in place and forgets everything with its pod; besides, it
gives the mean result of all trials to networks it has just made up. This one is trained anew from the history in every call, each
network with its own result. How much is learned is bounded, so that a long history costs no more than a second.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.errors import Problem
from katib.space.parameter import parameter_from
from suggestions._architecture_controller import Architectures, Controller, Outline
from suggestions._networks import NETWORK, from_quoted, quoted, quoting_problems, required_problems

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.api.experiment import NasConfig, Operation
    from katib.space.parameter import Value
    from katib.space.point import Point

_MOST_LAYERS: Final = 64
_MOST_OPERATIONS: Final = 10_000
_WIDEST: Final = 1024
_BATCH: Final = 16
"""Networks that one step learns from, half of them of the newest so far."""
_CANDIDATES: Final = 16
_ROUNDS: Final = 8
"""Drawn at a time, and how often, before a network is taken that the controller did not draw."""
_MILLISECONDS: Final = 350.0
_PER_LAYER: Final = 0.4
_PER_NETWORK: Final = 0.02
"""What learning may take, and what a step takes for each layer and for each network in it at width 64 (measured on one core)."""
_DOWN: Final = 1.0
"""How much less likely than by chance a bad network is made, as a logarithm."""
_FASTEST: Final = 0.02
"""The learning rate beyond which the steps of a bounded number are not made longer."""

_Architecture = tuple[tuple[int, ...], ...]
"""For each layer its operation, then for each layer before it 1 where that feeds into it."""


class Enas(Algorithm, name="enas"):
    """A controller network writes architectures, and is trained by how good those were.

    For each layer it chooses one of the operations (all combinations of their parameters are operations of their own) and which earlier
    layers are fed into it. A trial is given ``architecture`` and ``nn_config``, JSON with single quotes as in Katib. The controller is
    trained from the results of all trials in their order, ``controller_train_steps`` steps for as many results as trials run at a
    time; when that would take longer than about half a second, it takes fewer and longer steps. No network comes twice, and the search
    ends when there are no more.
    """

    assigns = ("architecture", "nn_config")

    class Settings(AlgorithmSettings):
        """Settings of ``enas``; None turns off what has a weight."""

        controller_hidden_size: int = Field(default=64, ge=1, le=_WIDEST)
        """The width of the controller."""
        controller_temperature: PositiveFloat | None = 5.0
        """Logits are divided by it: the larger, the more it explores."""
        controller_tanh_const: PositiveFloat | None = 2.25
        """Logits stay below it on both sides: the smaller, the more it explores."""
        controller_entropy_weight: PositiveFloat | None = 1e-5
        """How much varied choices are worth."""
        controller_baseline_decay: float = Field(default=0.999, gt=0, le=1)
        """How slowly what is expected follows what comes."""
        controller_learning_rate: float = Field(default=5e-5, gt=0, le=1)
        """The length of a step."""
        controller_skip_target: float = Field(default=0.4, gt=0, le=1)
        """The share of skip connections wanted."""
        controller_skip_weight: PositiveFloat | None = 0.8
        """How much another share of them costs."""
        controller_train_steps: PositiveInt = 50
        """Steps for each round of trials."""
        controller_log_every_steps: PositiveInt = 10
        """Taken as Katib has it; nothing is logged."""
        random_state: NonNegativeInt | None = None
        """Seed of this search; without it the experiment's seed is used."""

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        network = _network_of(problem)
        self._graph = network.graph_config
        self._layers = self._graph.num_layers or 1
        self._operations = list(_operations(network))
        self._outline = Outline(
            layers=self._layers,
            operations=len(self._operations),
            hidden=settings.controller_hidden_size,
            temperature=settings.controller_temperature,
            tanh_constant=settings.controller_tanh_const,
            skip_target=settings.controller_skip_target,
        )
        self._read: dict[Point, _Architecture | None] = {}
        self._trained: tuple[list[_Result], Controller] | None = None

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:  # noqa: ARG003 - the base's signature
        """Refuse an incomplete outline, one too large for the controller, and several objectives."""
        if len(problem.objectives) != 1:
            yield Problem("spec.objectives", "the controller learns from one objective")
        missing = [*required_problems(problem, "inputSizes", "outputSizes", "numLayers")]
        yield from missing
        yield from quoting_problems(problem)
        if missing:
            return
        network = _network_of(problem)
        if (network.graph_config.num_layers or 0) > _MOST_LAYERS:
            said = f"must be at most {_MOST_LAYERS}: the controller looks back from each layer at all before"
            yield Problem(f"{NETWORK}.graphConfig.numLayers", said, network.graph_config.num_layers)
        count = sum(map(_forms, network.operations))
        if count > _MOST_OPERATIONS:
            yield Problem(
                f"{NETWORK}.operations", f"make {count} combinations, at most {_MOST_OPERATIONS} can be told apart"
            )

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return networks that the controller draws now; fewer when there are no more."""
        from threadpoolctl import threadpool_limits

        seen = {architecture for trial in history if (architecture := self._architecture(trial.point)) is not None}
        points: list[Point] = []
        # Several threads are slower on matrices as small as these, by far where others use the machine too.
        with threadpool_limits(limits=1, user_api="blas"):
            controller = self._controller(history) if count else None
            while controller is not None and len(points) < count:
                new = self._new(controller, seen, history, ahead=len(points))
                if new is None:
                    break
                seen.add(new)
                points.append(self._point(new))
        return points

    # -- learning ---------------------------------------------------------------------------------------------------

    def _controller(self, history: History) -> Controller:
        """Return the controller that has learned from all results."""
        results = list(self._results(history))
        if self._trained is None or self._trained[0] != results:
            self._trained = results, self._train(results)
        return self._trained[1]

    def _results(self, history: History) -> Iterator[_Result]:
        minimize = self.problem.objectives[0].minimize
        for trial in history.measured():
            architecture = self._architecture(trial.point)
            if architecture is not None and trial.values:
                yield _Result(architecture, not trial.feasible, trial.values[0] if minimize else -trial.values[0])

    def _train(self, results: Sequence[_Result]) -> Controller:
        """Go through the results in their order, as a search that was never interrupted would have."""
        import numpy as np

        settings = self.settings
        rng = np.random.default_rng(self._seed_of(-1))
        controller = Controller(self._outline, rng)
        if not results:
            return controller
        wanted = math.ceil(len(results) / self.problem.parallel) * settings.controller_train_steps
        steps = min(wanted, self._affordable)
        rate = settings.controller_learning_rate
        rate = max(rate, min(rate * wanted / steps, _FASTEST))
        arriving = max(_BATCH // 2, math.ceil(len(results) / steps))
        known = _arrays([result.architecture for result in results])
        rewards = np.array(_rewards(results))
        baseline = 0.0
        for step in range(1, steps + 1):
            until = math.ceil(len(results) * step / steps)
            since = max(until - arriving, 0)
            newest = since + rng.choice(until - since, min(until - since, _BATCH // 2), replace=False)
            # Earlier ones too: among the newest alone nothing shows that what all of them have in common is bad.
            part = np.concatenate([newest, rng.choice(since, min(_BATCH - len(newest), since), replace=False)])
            baseline -= (1 - settings.controller_baseline_decay) * (baseline - float(rewards[part].mean()))
            controller.step(
                Architectures(known.operations[part], known.skips[part]),
                rewards[part] - baseline,
                rate=rate,
                entropy=settings.controller_entropy_weight or 0.0,
                skip=settings.controller_skip_weight or 0.0,
                least=self._chance - _DOWN,
            )
        return controller

    @property
    def _chance(self) -> float:
        """How likely a network is by chance, as a logarithm; an untrained controller is nearly there."""
        return -self._layers * math.log(len(self._operations)) - self._bits * math.log(2)

    @property
    def _bits(self) -> int:
        """How many skip connections there may be."""
        return self._layers * (self._layers - 1) // 2

    @property
    def _affordable(self) -> int:
        """How many steps may be taken in all."""
        per_network = _PER_NETWORK * (self._outline.hidden / 64) ** 2 * _BATCH
        return max(1, int(_MILLISECONDS / (self._layers * (_PER_LAYER + per_network))))

    # -- drawing ----------------------------------------------------------------------------------------------------

    def _new(
        self, controller: Controller, seen: set[_Architecture], history: History, ahead: int
    ) -> _Architecture | None:
        """Return a network that is not known yet; None when there is none left."""
        rng = self.numpy_rng(history, ahead)
        for _ in range(_ROUNDS):
            drawn = controller.sample(rng, _CANDIDATES)
            for architecture in _tuples(drawn):
                if architecture not in seen:
                    return architecture
        return self._left_over(seen, self.rng(history, ahead))

    def _left_over(self, seen: set[_Architecture], rng: random.Random) -> _Architecture | None:
        """Return the first unknown network from a random one on; among one more than are known there is one, if at all."""
        kinds, bits = len(self._operations), self._bits
        total = kinds**self._layers << bits
        start = rng.randrange(total)
        for number in range(min(total, len(seen) + 1)):
            left, skips = divmod((start + number) % total, 1 << bits)
            layers = []
            for layer in range(self._layers):
                left, operation = divmod(left, kinds)
                layers.append((operation, *((skips >> place) & 1 for place in range(layer))))
                skips >>= layer
            if tuple(layers) not in seen:
                return tuple(layers)
        return None

    def _point(self, architecture: _Architecture) -> Point:
        used = {layer[0]: self._operations[layer[0]] for layer in architecture}
        network = {
            "num_layers": self._layers,
            "input_sizes": self._graph.input_sizes,
            "output_sizes": self._graph.output_sizes,
            "embedding": {
                str(number): {"opt_id": number, "opt_type": kind, "opt_params": parameters}
                for number, (kind, parameters) in used.items()
            },
        }
        texts = {"architecture": quoted([list(layer) for layer in architecture]), "nn_config": quoted(network)}
        return self.problem.space.point(texts)

    def _architecture(self, point: Point) -> _Architecture | None:
        """Return the network that a point describes; None for a text of a user's own that describes none of these."""
        if point not in self._read:
            self._read[point] = self._parsed(str(point["architecture"]))
        return self._read[point]

    def _parsed(self, text: str) -> _Architecture | None:
        try:
            layers = from_quoted(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(layers, list) or len(layers) != self._layers:
            return None
        for place, layer in enumerate(layers):
            if not isinstance(layer, list) or len(layer) != place + 1 or not all(type(each) is int for each in layer):
                return None
            if not 0 <= layer[0] < len(self._operations) or not set(layer[1:]) <= {0, 1}:
                return None
        return tuple(map(tuple, layers))


@dataclass(frozen=True, slots=True)
class _Result:
    """A network and what it is worth; smaller is better, first whether a bound on another metric is broken."""

    architecture: _Architecture
    infeasible: bool
    loss: float


def _rewards(results: Sequence[_Result]) -> list[float]:
    """Return the place of each among all, from -1 for the worst to 1 for the best: no scale of losses can upset the controller."""
    order = sorted({(result.infeasible, result.loss) for result in results}, reverse=True)
    places = {key: place for place, key in enumerate(order)}
    last = max(len(order) - 1, 1)
    middle = 0.0 if len(order) == 1 else -1.0
    return [middle + 2 * places[result.infeasible, result.loss] / last for result in results]


def _arrays(architectures: Sequence[_Architecture]) -> Architectures:
    import numpy as np

    layers = len(architectures[0])
    operations = np.array([[layer[0] for layer in architecture] for architecture in architectures])
    skips = np.zeros((len(architectures), layers, layers))
    for place in range(1, layers):
        skips[:, place, :place] = [architecture[place][1:] for architecture in architectures]
    return Architectures(operations, skips)


def _tuples(drawn: Architectures) -> Iterator[_Architecture]:
    for operations, skips in zip(drawn.operations.tolist(), drawn.skips.astype(int).tolist(), strict=True):
        yield tuple((kind, *skips[layer][:layer]) for layer, kind in enumerate(operations))


def _network_of(problem: SearchProblem) -> NasConfig:
    if problem.nas is None:
        message = "an experiment of enas that was checked has a nasConfig"
        raise ValueError(message)
    return problem.nas


def _operations(network: NasConfig) -> Iterator[tuple[str, dict[str, Value]]]:
    """Yield every kind of layer with its parameters' values, in Katib's order: its place is its id."""
    for operation in network.operations:
        choices: list[list[tuple[str, Value]]] = []
        for spec in operation.parameters or []:
            parameter = parameter_from(spec)
            values: list[Any] = [parameter.at(index) for index in range(parameter.cardinality or 0)]
            if spec.parameter_type == "discrete":
                values = [float(value) for value in values]
            choices.append([(spec.name, value) for value in values])
        for combination in itertools.product(*choices):
            yield operation.operation_type, dict(combination)


def _forms(operation: Operation) -> int:
    return math.prod(parameter_from(spec).cardinality or 1 for spec in operation.parameters or [])
