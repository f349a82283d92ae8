"""A search space: parameters, when each is active, and what every point must satisfy."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from katib.api.expression import Expression
from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, Problem
from katib.space.forest import Forest
from katib.space.parameter import Activation, Text, parameter_from
from katib.space.point import Point

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from katib.api.base import KeyValue
    from katib.api.experiment import ExperimentSpec
    from katib.space.parameter import Parameter, Value

__all__ = ["Space"]

_TRIES: Final = 10_000
"""Draws before a space is believed to have no point that satisfies its constraints."""


class Space:
    """The points an experiment may try.

    Args:
        parameters: Parents before the parameters that depend on them.
        constraints: What every point must satisfy.
        order: Names in the order of the experiment, for printing; by default that of ``parameters``.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        constraints: Sequence[Expression] = (),
        order: Sequence[str] | None = None,
    ) -> None:
        self.parameters: tuple[Parameter, ...] = tuple(parameters)
        self.constraints: tuple[Expression, ...] = tuple(constraints)
        self._by_name = {parameter.name: parameter for parameter in self.parameters}
        self._order = tuple(order) if order is not None else tuple(self._by_name)

    @classmethod
    def from_spec(cls, spec: ExperimentSpec, *, assigns: Sequence[str] = ()) -> Space:
        """Return the space of a validated, defaulted experiment.

        Args:
            spec: Its spec.
            assigns: The texts that are its dimensions where it has ``nasConfig`` instead of parameters.

        Raises:
            InvalidInput: The spec was not validated and makes no sense.
        """
        if spec.nas_config is not None and not spec.parameters:
            return cls([Text(name) for name in assigns])
        specs = {parameter.name: parameter for parameter in spec.parameters or []}
        made: dict[str, Parameter] = {}
        waiting = list(specs.values())
        while waiting:
            ready = [p for p in waiting if p.condition is None or p.condition.parameter in made]
            if not ready:
                raise InvalidInput(
                    f"the conditions of {', '.join(p.name for p in waiting)} refer to each other or to nothing"
                )
            for item in ready:
                parameter = parameter_from(item)
                if item.condition is not None:
                    parent = made[item.condition.parameter]
                    allowed = frozenset(parent.parse(text) for text in item.condition.in_)
                    parameter.activation = Activation(parent.name, allowed)
                made[item.name] = parameter
            waiting = [p for p in waiting if p.name not in made]
        constraints = [Expression(constraint.expression) for constraint in spec.constraints or []]
        return cls(tuple(made.values()), constraints, tuple(specs))

    def __getitem__(self, name: str) -> Parameter:
        return self._by_name[name]

    @property
    def dimension(self) -> int:
        """How many parameters there are, active or not."""
        return len(self.parameters)

    @cached_property
    def cardinality(self) -> int | None:
        """How many points there are, or None for infinitely many; constraints are not considered."""
        return None if self._forest is None else self._forest.size

    @cached_property
    def _forest(self) -> Forest | None:
        if any(parameter.cardinality is None for parameter in self.parameters):
            return None
        return Forest(self.parameters)

    def is_active(self, parameter: Parameter, values: Mapping[str, Value]) -> bool:
        """Whether the parameter has a value beside these values of its ancestors."""
        activation = parameter.activation
        return activation is None or values.get(activation.parent) in activation.values

    def satisfies(self, values: Mapping[str, Value]) -> bool:
        """Whether all constraints hold."""
        if not self.constraints:
            return True
        seen = {name: self._by_name[name].number(value) for name, value in values.items()}
        return all(constraint.holds(seen) for constraint in self.constraints)

    def point(self, values: Mapping[str, Value], labels: Mapping[str, str] | None = None) -> Point:
        """Return a point with these values in the order of the experiment; values of inactive parameters are left out."""
        active: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.name in values and self.is_active(parameter, active):
                active[parameter.name] = values[parameter.name]
        return Point({name: active[name] for name in self._order if name in active}, labels)

    def sample(self, rng: random.Random) -> Point:
        """Draw a point: each active parameter from its distribution, until the constraints hold.

        Raises:
            InvalidInput: No point was found that satisfies the constraints.
        """
        for _ in range(_TRIES):
            values: dict[str, Value] = {}
            for parameter in self.parameters:
                if self.is_active(parameter, values):
                    values[parameter.name] = parameter.sample(rng)
            if self.satisfies(values):
                return self.point(values)
        texts = "; ".join(constraint.text for constraint in self.constraints)
        raise InvalidInput(
            f"none of {_TRIES} points satisfied the constraints ({texts}): they may contradict each other"
        )

    def contains(self, point: Mapping[str, Value]) -> bool:
        """Whether this is a point of the space: right names, right values, constraints satisfied."""
        return not self.problems_of(point)

    def problems_of(self, point: Mapping[str, Value]) -> list[str]:
        """Return why this is no point of the space, as sentences; empty when it is one."""
        problems = [f"{name!r} is none of the parameters" for name in point if name not in self._by_name]
        for parameter in self.parameters:
            name = parameter.name
            if not self.is_active(parameter, point):
                if name in point:
                    problems.append(f"{name!r} has a value although it is not active")
            elif name not in point:
                problems.append(f"{name!r} has no value")
            elif not parameter.contains(point[name]):
                problems.append(f"{name!r} cannot be {point[name]!r}")
        if not problems:
            seen = {name: self._by_name[name].number(value) for name, value in point.items()}
            problems = [
                f"the constraint {constraint.text!r} does not hold"
                for constraint in self.constraints
                if not constraint.holds(seen)
            ]
        return problems

    def to_unit(self, point: Mapping[str, Value]) -> list[float]:
        """Return the point in the unit cube, one coordinate for each parameter; that of an inactive one is the middle."""
        return [
            parameter.to_unit(point[parameter.name]) if parameter.name in point else 0.5
            for parameter in self.parameters
        ]

    def from_unit(self, unit: Sequence[float]) -> Point:
        """Return the point at a place of the unit cube; coordinates of parameters that are not active there do not matter."""
        values: dict[str, Value] = {}
        for parameter, coordinate in zip(self.parameters, unit, strict=True):
            if self.is_active(parameter, values):
                values[parameter.name] = parameter.from_unit(coordinate)
        return self.point(values)

    def grid(self, start: int = 0) -> Iterator[Point]:
        """Yield the points of a finite space that satisfy its constraints, from number ``start`` on, each made when asked for.

        Raises:
            InvalidInput: The space is infinite; the message names the parameters that make it so.
        """
        forest = self._forest
        if forest is None:
            names = ", ".join(parameter.name for parameter in self.parameters if parameter.cardinality is None)
            raise InvalidInput(f"a grid needs finitely many values: give a step to {names}")
        return (point for _, point in self._numbered(forest, start, forest.size))

    def numbered_grid(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Point]]:
        """Yield what ``grid`` does, each with its number, to go on from there later; the numbers are less than ``stop``."""
        self.grid()  # the refusal of an infinite space
        forest = self._forest
        if forest is None:
            return iter(())
        return self._numbered(forest, start, forest.size if stop is None else min(stop, forest.size))

    def _numbered(self, forest: Forest, start: int, stop: int) -> Iterator[tuple[int, Point]]:
        for number in _count(start, stop):
            values = forest.point(number)
            if self.satisfies(values):
                yield number, self.point(values)

    def parse(self, assignments: Sequence[KeyValue] | Sequence[tuple[str, str]]) -> Point:
        """Return the point that printed values stand for.

        Raises:
            InvalidInput: With one problem for each name or value that is not in the space.
        """
        pairs = [item if isinstance(item, tuple) else (item.name, item.value) for item in assignments]
        texts = dict(pairs)
        problems = [
            Problem("", f"{name!r} is none of the parameters", hint=did_you_mean(name, self._by_name))
            for name in texts
            if name not in self._by_name
        ]
        values: dict[str, Value] = {}
        for parameter in self.parameters:
            if not self.is_active(parameter, values):
                if parameter.name in texts:
                    problems.append(Problem("", f"{parameter.name!r} has a value although it is not active"))
            elif parameter.name not in texts:
                problems.append(Problem("", f"{parameter.name!r} has no value"))
            else:
                try:
                    values[parameter.name] = parameter.parse(texts[parameter.name])
                except InvalidInput as error:
                    problems.append(Problem("", f"{parameter.name!r}: {error}"))
        if not problems:
            problems = [Problem("", text) for text in self.problems_of(values)]
        if problems:
            raise InvalidInput(problems)
        return self.point(values)


def _count(start: int, stop: int) -> Iterator[int]:
    """Count like ``range``, also beyond the largest index of a C loop."""
    number = max(start, 0)
    while number < stop:
        yield number
        number += 1
