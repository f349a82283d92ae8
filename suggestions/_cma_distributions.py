"""The distributions of CMA-ES and how points of a space are written for them; the package `cmaes` does the arithmetic.

It knows no trials and decides nothing about generations. What the package calls a solution goes in and out: a row of coordinates of
the unit cube, or, where some parameters are no continuum, the package's triple of continuous, listed and categorical parts.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.space.parameter import Parameter, Value
    from katib.space.point import Point
    from katib.space.space import Space

__all__ = ["Coding", "Continuous", "Mixed"]

_MOST_LISTED: Final = 1_000
"""Values of a number that get a margin; more are as good as a continuum."""


class Coding:
    """Which parameters are numbers without gaps, numbers from a list and categories; what has only one value is left out."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._plain: list[Parameter] = []
        self._listed: list[tuple[Parameter, dict[Value, float]]] = []
        self._categories: list[tuple[Parameter, dict[Value, int]]] = []
        for parameter in space.parameters:
            count = parameter.cardinality
            if count == 1:
                continue
            if count is not None and (count == 2 or parameter.kind == "categorical"):  # noqa: PLR2004 - no order in two values
                self._categories.append((parameter, {parameter.at(index): index for index in range(count)}))
                continue
            if count is not None and count <= _MOST_LISTED:
                places = {value: parameter.to_unit(value) for value in map(parameter.at, range(count))}
                if len(set(places.values())) == count:
                    self._listed.append((parameter, places))
                    continue
            self._plain.append(parameter)
        self.numbers = len(self._plain) + len(self._listed)
        self.dimension = self.numbers + len(self._categories)
        self.is_mixed = self.dimension > len(self._plain)
        self.popsize = 4 + math.floor(3 * math.log(self.dimension)) if self.dimension else 0
        self._places = {parameter.name: place for place, parameter in enumerate(space.parameters)}

    def optimiser(self, mean: Any, sigma: float, popsize: int) -> Continuous | Mixed:
        """Return a new distribution around ``mean``."""
        if not self.is_mixed:
            return Continuous(mean, sigma, popsize)
        return Mixed(
            (len(self._plain), [sorted(places.values()) for _, places in self._listed]),
            [len(codes) for _, codes in self._categories],
            mean,
            sigma,
            popsize,
        )

    def unit(self, solution: Any) -> list[float]:
        """Return the place in the unit cube of something drawn."""
        unit = [0.5] * len(self._space.parameters)
        plain = solution.x if self.is_mixed else solution
        for parameter, coordinate in zip(self._plain, plain if self._plain else (), strict=True):
            unit[self._places[parameter.name]] = float(coordinate)
        if self._listed:
            for (parameter, _), coordinate in zip(self._listed, solution.z, strict=True):
                unit[self._places[parameter.name]] = float(coordinate)
        for row, (parameter, _) in enumerate(self._categories):
            unit[self._places[parameter.name]] = parameter.to_unit(parameter.at(int(solution.c[row].argmax())))
        return unit

    def solution(self, point: Point, drawn: Any) -> Any:
        """Return what to tell the optimiser: what was drawn, unless that is not the point that was tried."""
        import numpy as np

        plain = np.array([p.to_unit(point[p.name]) if p.name in point else 0.5 for p in self._plain])
        if not self.is_mixed:
            return plain
        if drawn is not None and self._gives(drawn, point, plain):
            return drawn
        from cmaes import CatCMAwM

        listed = np.array([places.get(point.get(p.name, ""), 0.5) for p, places in self._listed])
        rows = np.zeros((len(self._categories), max((len(codes) for _, codes in self._categories), default=0)))
        for row, (parameter, codes) in enumerate(self._categories):
            if parameter.name in point:
                rows[row, codes[point[parameter.name]]] = 1
            else:
                rows[row, : len(codes)] = 1 / len(codes)
        return CatCMAwM.Solution(
            plain if self._plain else None,
            listed if self._listed else None,
            rows if self._categories else None,
            np.concatenate([plain, listed]) if self.numbers else None,
        )

    def _gives(self, drawn: Any, point: Point, plain: Any) -> bool:
        """Whether a draw was this point; another processor may have rounded differently when the point was drawn."""
        for place, parameter in enumerate(self._plain):
            if parameter.name in point and abs(drawn.x[place] - plain[place]) > 0.5 / _MOST_LISTED:
                return False
        if self._listed:
            for (parameter, places), coordinate in zip(self._listed, drawn.z.tolist(), strict=True):
                if coordinate != places.get(point.get(parameter.name, ""), coordinate):
                    return False
        if self._categories:
            for (parameter, codes), code in zip(self._categories, drawn.c.argmax(axis=1).tolist(), strict=True):
                if code != codes.get(point.get(parameter.name, ""), code):
                    return False
        return True


def _within_reach(cma: Any, place: Any, scale: Any) -> Any:
    """Return a place, or one on the way to it that the distribution could have drawn (Hansen, 2011).

    What another distribution drew may be a million deviations away; learning from that as it is would blow the distribution up.
    """
    import numpy as np

    step = place - cma._mean  # noqa: SLF001 - the package has no other way to ask for its mean, deviation and axes
    axes, lengths = cma._eigen_decomposition()  # noqa: SLF001 - as above
    count = len(step)
    reach = math.sqrt(count) + 2 * count / (count + 2)
    with np.errstate(all="ignore"):
        distance = float(np.linalg.norm(axes.T @ (step / scale) / lengths) / cma._sigma)  # noqa: SLF001 - as above
    return cma._mean + step * (reach / distance) if distance > reach else place  # noqa: SLF001 - as above


class Continuous:
    """The package's optimiser for spaces without gaps."""

    def __init__(self, mean: Any, sigma: float, popsize: int) -> None:
        import numpy as np
        from cmaes import CMA

        bounds = np.tile([0.0, 1.0], (len(mean), 1))
        self._cma = CMA(mean=mean, sigma=sigma, bounds=bounds, population_size=popsize, seed=0)

    def draw(self, seed: int) -> Any:
        """Return a place in the unit cube."""
        import numpy as np

        self._cma.reseed_rng(seed)
        with np.errstate(all="ignore"):
            return self._cma.ask()

    def within_reach(self, solution: Any) -> Any:
        """Return what to tell of a solution that is no draw of this distribution."""
        return _within_reach(self._cma, solution, 1.0)

    def tell(self, solutions: Sequence[Any], losses: list[float]) -> bool:
        """Learn from a generation; tell whether there was anything to learn."""
        import numpy as np

        if min(losses) == max(losses):
            return False
        with np.errstate(all="ignore"), suppress(np.linalg.LinAlgError):  # it is not sound then
            self._cma.tell(list(zip(solutions, losses, strict=True)))
        return True

    def is_sound(self) -> bool:
        """Whether the numbers are still numbers."""
        import numpy as np

        try:
            return bool(np.isfinite(self.draw(0)).all())
        except np.linalg.LinAlgError:
            return False

    def has_converged(self) -> bool:
        """Whether there is nothing left to gain."""
        import numpy as np

        with np.errstate(all="ignore"):
            return bool(self._cma.should_stop())


@cache
def _margin_optimiser() -> Any:
    """Return the package's class with its most frequent step done for all numbers at once; the results are the same."""
    import numpy as np
    from cmaes import CatCMAwM

    class Faster(CatCMAwM):  # type: ignore[misc]  # the package has no types
        def _discretization(self, v_discrete: Any) -> Any:
            return self._z_space[np.arange(len(self._z_space)), (self._z_lim < v_discrete[:, None]).sum(axis=1)]

    return Faster


class Mixed:
    """The package's optimiser for everything else."""

    def __init__(
        self, numbers: tuple[int, list[list[float]]], categories: list[int], mean: Any, sigma: float, popsize: int
    ) -> None:
        import numpy as np

        plain, listed = numbers
        self._numbers = plain + len(listed)
        self._cma = _margin_optimiser()(
            x_space=[[0.0, 1.0]] * plain or None,
            z_space=listed or None,
            c_space=categories or None,
            population_size=popsize,
            mean=mean if self._numbers else None,
            sigma=sigma,
            cov=np.eye(self._numbers),
            seed=0,
        )
        self.draw(0)

    def draw(self, seed: int) -> Any:
        """Return a solution."""
        import numpy as np

        self._cma.reseed_rng(seed)
        with np.errstate(all="ignore"):
            return self._cma.ask()

    def within_reach(self, solution: Any) -> Any:
        """Return what to tell of a solution that is no draw of this distribution."""
        if not self._numbers:
            return solution
        place = _within_reach(self._cma, solution._v_raw, self._cma._A)  # noqa: SLF001 - see there
        return type(solution)(solution.x, solution.z, solution.c, place)

    def tell(self, solutions: Sequence[Any], losses: list[float]) -> bool:
        """Learn from a generation; tell whether there was anything to learn."""
        import numpy as np

        count, order = len(losses), sorted(range(len(losses)), key=losses.__getitem__)
        best, worst = losses[order[0]], losses[order[-1]]
        if best == worst:
            return False
        if losses[order[count // 4]] == losses[order[3 * count // 4]]:
            # The package measures the spread by the quartiles and divides by it: ties are spread out evenly, in their order.
            losses = [0.0] * count
            for rank, place in enumerate(order):
                losses[place] = best + (worst - best) * rank / (count - 1)
        with np.errstate(all="ignore"), suppress(np.linalg.LinAlgError):  # it is not sound then
            self._cma.tell(list(zip(solutions, losses, strict=True)))
        return True

    def is_sound(self) -> bool:
        """Whether the numbers are still numbers."""
        import numpy as np

        try:
            drawn = self.draw(0)
        except np.linalg.LinAlgError:
            return False
        return bool(
            (not self._numbers or np.isfinite(drawn._v_raw).all()) and (drawn.c is None or drawn.c.any(axis=1).all())  # noqa: SLF001
        )

    def has_converged(self) -> bool:
        """Whether there is nothing left to gain; categories alone never converge, they have a margin."""
        import numpy as np

        with np.errstate(all="ignore"):
            return self._numbers > 0 and bool(self._cma.should_stop())
