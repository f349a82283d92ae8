"""Counts and numbers the points of a finite space with conditional parameters, without making any of them.

Parameters form a forest: a conditional one hangs below the parameter it depends on. The points below a parameter are its values,
each with every combination of the children that it makes active. A number is taken apart from the first parameter (slowest) to the
last, as in an odometer; only values that some child mentions are looked at one by one, so a range of a billion costs nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.space.parameter import Parameter, Value

__all__ = ["Forest"]


class Forest:
    """The combinations of some parameters, all finite.

    Attributes:
        size: How many there are.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        children: dict[str, list[Parameter]] = {}
        roots = []
        for parameter in parameters:
            if parameter.activation is None:
                roots.append(parameter)
            else:
                children.setdefault(parameter.activation.parent, []).append(parameter)
        self._trees = [_Tree(root, children) for root in roots]
        self.size: int = math.prod(tree.size for tree in self._trees)

    def point(self, number: int) -> dict[str, Value]:
        """Return the combination with this number, 0 <= number < size, as values by name."""
        values: dict[str, Value] = {}
        _take_apart(self._trees, number, values)
        return values


class _Tree:
    """A parameter and everything that hangs below it."""

    def __init__(self, parameter: Parameter, children: dict[str, list[Parameter]]) -> None:
        self.parameter = parameter
        count = parameter.cardinality
        if count is None:
            message = f"{parameter.name} is a continuum"
            raise ValueError(message)
        below = [(child, _Tree(child, children)) for child in children.get(parameter.name, [])]
        mentioned = {value for child, _ in below if child.activation for value in child.activation.values}
        places = sorted(parameter.index_of(value) for value in mentioned if parameter.contains(value))
        # Each mentioned value with the trees it makes active; all others stand alone.
        self._branches = [
            (
                place,
                [tree for child, tree in below if child.activation and parameter.at(place) in child.activation.values],
            )
            for place in places
        ]
        self.size: int = count + sum(math.prod(tree.size for tree in trees) - 1 for _, trees in self._branches)

    def take_apart(self, number: int, values: dict[str, Value]) -> None:
        """Add the values of the combination with this number."""
        shift = 0  # how far the numbers are ahead of the indices, by the branches passed
        for place, trees in self._branches:
            size = math.prod(tree.size for tree in trees)
            if number - shift < place:
                break
            if number - shift < place + size:
                values[self.parameter.name] = self.parameter.at(place)
                _take_apart(trees, number - shift - place, values)
                return
            shift += size - 1
        values[self.parameter.name] = self.parameter.at(number - shift)


def _take_apart(trees: list[_Tree], number: int, values: dict[str, Value]) -> None:
    sizes = [tree.size for tree in trees]
    digits = []
    for size in reversed(sizes):
        number, digit = divmod(number, size)
        digits.append(digit)
    for tree, digit in zip(trees, reversed(digits), strict=True):
        tree.take_apart(digit, values)
