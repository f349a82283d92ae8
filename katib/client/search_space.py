"""The search space of a scikit-learn search: names with lists, distributions of scipy's or parameters of ``katib.search``.

Unlike in an experiment, values are objects of this process and never written as texts.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from katib.api.experiment import ParameterCondition, ParameterSpec
from katib.client import search
from katib.client.search import SearchParameter
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.space.point import Point

__all__ = ["SearchSpace"]

_WHERE: Final = "param_distributions"
_CHOICE: Final = "space"
"""The parameter that says which of several spaces a point is of."""
_EDGE: Final = 1e-9
"""The share of a distribution at each end that is not drawn from, as it may go on for ever."""


class SearchSpace:
    """One space, or several of which each point is of one.

    Args:
        distributions: Names and what to draw from, or a list of such mappings.

    Raises:
        InvalidInput: With every problem.
    """

    def __init__(self, distributions: object) -> None:
        spaces = [distributions] if isinstance(distributions, Mapping) else distributions
        if not isinstance(spaces, Sequence) or not spaces or not all(isinstance(each, Mapping) for each in spaces):
            raise InvalidInput(
                [
                    Problem(
                        _WHERE, "must be a dict from names to what to draw from, or a list of such", repr(distributions)
                    )
                ]
            )
        self.parameters: list[ParameterSpec] = []
        self._values: dict[str, tuple[str, Callable[[Any], object]]] = {}
        several = len(spaces) > 1
        if several:
            self.parameters.append(search.categorical(range(len(spaces))).named(_CHOICE))
        problems: list[Problem] = []
        for number, space in enumerate(spaces):
            where = f"{_WHERE}[{number}]" if several else _WHERE
            for name, distribution in space.items():
                try:
                    spec, value = _dimension(distribution)
                    inner = f"{number}.{name}" if several else str(name)
                    condition = ParameterCondition(parameter=_CHOICE, in_=[str(number)]) if several else None
                    self.parameters.append(spec.named(inner).model_copy(update={"condition": condition}))
                    self._values[inner] = (name, value)
                except InvalidInput as error:
                    problems += [
                        Problem(f"{where}[{name!r}]", each.message, each.value, each.hint) for each in error.problems
                    ]
        if problems:
            raise InvalidInput(problems)
        if not self.parameters:
            raise InvalidInput([Problem(_WHERE, "must name at least one parameter")])

    def candidate(self, point: Point) -> dict[str, object]:
        """Return what to set for a point."""
        named = ((self._values[inner], value) for inner, value in point.items() if inner in self._values)
        return {name: convert(value) for (name, convert), value in named}


def _dimension(distribution: object) -> tuple[SearchParameter, Callable[[Any], object]]:
    """Return a parameter, and the function from its values to those of the estimator.

    Raises:
        InvalidInput: There is nothing to draw from.
    """
    if isinstance(distribution, SearchParameter):
        if distribution.parameter_type in ("discrete", "categorical"):
            return distribution, distribution.value
        return distribution, lambda value: value
    if hasattr(distribution, "ppf") and hasattr(distribution, "support"):
        return _of_scipy(distribution)
    if hasattr(distribution, "rvs"):
        raise InvalidInput(
            [
                Problem(
                    "",
                    "can be drawn from, but not searched: use katib.search.double or int, a list, or a frozen distribution of scipy.stats",
                    repr(distribution),
                )
            ]
        )
    if isinstance(distribution, (str, bytes)) or not isinstance(distribution, Iterable):
        raise InvalidInput(
            [
                Problem(
                    "",
                    "must be a list of values, a parameter of katib.search, or a distribution of scipy.stats",
                    repr(distribution),
                )
            ]
        )
    return _of_list(list(distribution))


def _of_list(values: list[Any]) -> tuple[SearchParameter, Callable[[Any], object]]:
    if not values:
        raise InvalidInput([Problem("", "must have at least one value")])
    if all(_is_number(value) for value in values):
        different = list({float(value): value for value in values}.values())
        found = search.discrete(different)  # numbers have an order, which algorithms make use of
        return found, found.value
    return search.categorical(range(len(values))), lambda text: values[int(text)]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    return math.isfinite(value) and float(value) == value


def _of_scipy(distribution: Any) -> tuple[SearchParameter, Callable[[Any], object]]:
    low, high = map(float, distribution.support())
    middle = float(distribution.ppf(0.5))
    name = getattr(getattr(distribution, "dist", None), "name", "")
    is_whole = hasattr(distribution, "pmf")
    if name == "randint":
        return search.int(int(low), int(high)), lambda value: value
    if name == "uniform":
        return search.double(low, high), lambda value: value
    if name in ("loguniform", "reciprocal") and low > 0 and math.isclose(middle, math.sqrt(low) * math.sqrt(high)):
        return search.double(low, high, log=True), lambda value: value
    # Any other one by its quantiles, each of which is as likely.
    convert = int if is_whole else float
    return search.double(_EDGE, 1 - _EDGE), lambda share: convert(distribution.ppf(share))
