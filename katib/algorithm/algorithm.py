"""What an algorithm is: a function of problem, history, count and seed."""

from __future__ import annotations

import abc
import hashlib
import random
from typing import TYPE_CHECKING, Any, ClassVar

from katib.algorithm.settings import AlgorithmSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.errors import Problem
    from katib.space.point import Point

__all__ = ["Algorithm"]


class Algorithm(abc.ABC):
    """Base of every algorithm.

    A subclass names itself and says what its settings are::

        class RandomSearch(Algorithm, name="random"):
            class Settings(AlgorithmSettings):
                random_state: NonNegativeInt | None = None

            def suggest(self, history, count): ...

    An instance may keep caches, but they may only make it faster: a new instance has to answer every call as an old one would,
    because the process may be replaced between any two calls. Hence all randomness comes from ``rng`` (or ``numpy_rng``), and
    whatever must be found again later travels as labels of a point.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[AlgorithmSettings]] = AlgorithmSettings
    assigns: ClassVar[tuple[str, ...]] = ()
    """The texts that make up a point where this algorithm searches networks (``nasConfig``); empty for one of parameters."""

    def __init_subclass__(cls, *, name: str | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if name is not None:
            cls.name = name

    def __init__(self, problem: SearchProblem, settings: Any) -> None:
        """Begin with a problem and an instance of the class's ``Settings``."""
        self.problem = problem
        self.settings = settings

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Any) -> Iterable[Problem]:  # noqa: ARG003 - for subclasses
        """Return why this algorithm cannot solve this problem; paths are those of the experiment. Nothing by default."""
        return ()

    @abc.abstractmethod
    def suggest(self, history: History, count: int) -> list[Point]:
        """Return the next points to try, at most ``count``.

        Fewer mean "ask again when a trial has ended"; none while no trial is active means that the space is exhausted. Failed,
        killed and NaN trials are part of the history and no reason to raise.
        """

    def trial_name(self, point: Point) -> str:  # noqa: ARG002 - for subclasses
        """Return the name that the trial of a point just suggested should have; empty where whoever creates it may choose.

        For algorithms that have to know a trial again by nothing but its name: Katib's controller keeps labels to itself.
        """
        return ""

    def labels_from_name(self, name: str) -> Mapping[str, str]:  # noqa: ARG002 - for subclasses
        """Return what the name of a trial tells of the labels that were lost; nothing by default."""
        return {}

    def rng(self, history: History, ahead: int = 0) -> random.Random:
        """Return random numbers that are the same for the same seed and the same trial index.

        Args:
            history: Its next index is the one that is meant.
            ahead: How many places further, for algorithms whose points must not depend on how many are asked for at a time.
        """
        return random.Random(self._seed_of(history.next_index + ahead))

    def numpy_rng(self, history: History, ahead: int = 0) -> np.random.Generator:
        """Return random numbers as numpy's generator; see ``rng``."""
        import numpy as np

        return np.random.default_rng(self._seed_of(history.next_index + ahead))

    def _seed_of(self, index: int) -> int:
        """Mix seed and index with a hash, so that neighbouring seeds and indices have nothing in common."""
        state = getattr(self.settings, "random_state", None)
        text = f"{self.problem.seed if state is None else state}/{index}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
