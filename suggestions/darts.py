"""DARTS, differentiable architecture search (Liu, Simonyan and Yang, 2019): one trial, which does the whole search itself.

The training program relaxes the choice of operations to weights and learns those by gradient descent. What is left to do here is to
tell it its search space and its settings, in Katib's words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt, PrivateAttr, model_validator

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.errors import Problem
from suggestions._networks import NETWORK, quoted, quoting_problems, required_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import ModelWrapValidatorHandler

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point

_SKIP = "skip_connection"
"""The operation without a filter."""


class Darts(Algorithm, name="darts"):
    """One-shot search of a network: a single trial learns the weights of all operations at once.

    Every point is the same: the search space as a list of operations (``separable_convolution_3x3``), the number of layers, and these
    settings, those of other names included, as they were given. ``maxTrialCount: 1`` is what one wants; further trials do the
    same search again.
    """

    assigns = ("algorithm-settings", "search-space", "num-layers")

    class Settings(AlgorithmSettings):
        """Settings of ``darts``; what the training program knows besides these may be set too."""

        model_config = ConfigDict(extra="allow")

        num_epochs: PositiveInt = 50
        """How many epochs the network is trained."""
        w_lr: NonNegativeFloat = 0.025
        """The first learning rate of the network's weights."""
        w_lr_min: NonNegativeFloat = 0.001
        """Their last learning rate."""
        w_momentum: NonNegativeFloat = 0.9
        """Their momentum."""
        w_weight_decay: NonNegativeFloat = 3e-4
        """Their weight decay."""
        w_grad_clip: NonNegativeFloat = 5.0
        """The longest gradient of theirs that is followed as it is."""
        alpha_lr: NonNegativeFloat = 3e-4
        """The learning rate of the architecture."""
        alpha_weight_decay: NonNegativeFloat = 1e-3
        """The weight decay of the architecture."""
        batch_size: PositiveInt | None = 128
        """How many examples make a step; None leaves it to the program."""
        num_workers: NonNegativeInt = 4
        """How many processes load data."""
        init_channels: PositiveInt = 16
        """The channels of the first cell."""
        print_step: PositiveInt = 50
        """After how many steps the program prints."""
        num_nodes: PositiveInt = 4
        """The nodes of a cell."""
        stem_multiplier: PositiveInt = 3
        """How many times the channels of the first cell the stem has."""

        _stated: dict[str, Any] = PrivateAttr(default_factory=dict)

        @model_validator(mode="wrap")
        @classmethod
        def _keep_the_texts(cls, values: Any, handler: ModelWrapValidatorHandler[Darts.Settings]) -> Darts.Settings:
            made = handler(values)
            if isinstance(values, dict):
                made._stated = dict(values)  # noqa: SLF001 - our own
            return made

        def for_the_program(self) -> dict[str, Any]:
            """Return every setting: as the text it was given as, or its default."""
            defaults = {name: field.default for name, field in type(self).model_fields.items()}
            return {**defaults, **self._stated}

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:
        """Refuse an outline that cannot be told to the program."""
        yield from required_problems(problem, "numLayers")
        yield from quoting_problems(problem)
        yield from _filter_problems(problem)
        # A setting's value comes back out of the same kind of text.
        for name, value in settings.for_the_program().items():
            if any(quote in f"{name}{value}" for quote in "'\""):
                yield Problem("spec.algorithm.algorithmSettings", "must not have quotes", f"{name}={value}")

    def suggest(self, history: History, count: int) -> list[Point]:  # noqa: ARG002 - nothing is learned between trials
        """Return the one point there is, as often as it is wanted."""
        network = self.problem.nas
        texts = {
            "algorithm-settings": quoted(self.settings.for_the_program()),
            "search-space": quoted(list(_operations(self.problem))),
            "num-layers": str(network.graph_config.num_layers if network else 0),
        }
        return [self.problem.space.point(texts) for _ in range(count)]


def _operations(problem: SearchProblem) -> Iterator[str]:
    for operation in problem.nas.operations if problem.nas else []:
        if operation.operation_type == _SKIP:
            yield _SKIP
        else:
            sizes = operation.parameters[0].feasible_space.list if operation.parameters else None
            yield from (f"{operation.operation_type}_{size}x{size}" for size in sizes or [])


def _filter_problems(problem: SearchProblem) -> Iterator[Problem]:
    for index, operation in enumerate(problem.nas.operations if problem.nas else []):
        if operation.operation_type != _SKIP and not (
            operation.parameters and operation.parameters[0].feasible_space.list
        ):
            yield Problem(
                f"{NETWORK}.operations[{index}].parameters",
                "must begin with a categorical or discrete one, the sizes of the filter",
            )
