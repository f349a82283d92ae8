"""One dimension of a search space: which values it has, how likely each is, and how it is written."""

from __future__ import annotations

import abc
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from katib.api.numbers import format_float, parse_decimal, parse_float, parse_int
from katib.errors import InvalidInput
from katib.space.distribution import Distribution

if TYPE_CHECKING:
    import random

    from katib.api.experiment import ParameterSpec

__all__ = ["Activation", "Choice", "Double", "Grid", "Parameter", "Text", "Value", "parameter_from"]

Value = float | int | str
"""double: float; int: int; discrete and categorical: the text exactly as listed; text: itself."""

_SNAP: Final = 1e-9
"""A value this near to a step (as a share of it) is meant to be on it."""


class Activation:
    """When a conditional parameter has a value: while ``parent`` has one of ``values``."""

    __slots__ = ("parent", "values")

    def __init__(self, parent: str, values: frozenset[Value]) -> None:
        self.parent = parent
        self.values = values


class Parameter(abc.ABC):
    """A dimension.

    Attributes:
        name: As in the experiment.
        kind: ``double``, ``int``, ``discrete``, ``categorical`` or ``text``.
        activation: When it has a value; None means always.
        cardinality: How many values it has, or None for a continuum or for any text.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.kind = kind
        self.activation: Activation | None = None
        self.cardinality: int | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"

    @abc.abstractmethod
    def from_unit(self, unit: float) -> Value:
        """Return the value at a place in [0, 1]; uniform places give the parameter's distribution."""

    @abc.abstractmethod
    def to_unit(self, value: Value) -> float:
        """Return a place in [0, 1] that ``from_unit`` takes back to the value."""

    @abc.abstractmethod
    def at(self, index: int) -> Value:
        """Return the value with this index, 0 <= index < cardinality."""

    @abc.abstractmethod
    def index_of(self, value: Value) -> int:
        """Return the index of a value of a finite parameter."""

    @abc.abstractmethod
    def contains(self, value: Value) -> bool:
        """Whether this is one of the parameter's values, of the right type."""

    @abc.abstractmethod
    def parse(self, text: str) -> Value:
        """Return the value that a text stands for.

        Raises:
            InvalidInput: It stands for none of them.
        """

    @abc.abstractmethod
    def number(self, value: Value) -> float | int | str:
        """Return the value as an expression sees it: discrete ones are numbers, categorical ones texts."""

    def format(self, value: Value) -> str:
        """Return the text that ``parse`` takes back to the value."""
        return str(value)

    def sample(self, rng: random.Random) -> Value:
        """Draw from the parameter's distribution."""
        return self.from_unit(rng.random())


class Double(Parameter):
    """A continuum of numbers."""

    def __init__(self, name: str, low: float, high: float, distribution: str) -> None:
        super().__init__(name, "double")
        self.low = low
        self.high = high
        self.distribution = distribution
        self._map = Distribution.on(distribution, low, high)
        self.cardinality = 1 if low == high else None

    @override
    def from_unit(self, unit: float) -> float:
        # exp(log(x)) may be a rounding error outside; numpy's numbers print in their own way.
        return float(min(max(self._map.value(unit), self.low), self.high))

    @override
    def to_unit(self, value: Value) -> float:
        return self._map.unit(float(value))

    @override
    def at(self, index: int) -> float:
        if self.cardinality is None or index != 0:
            raise IndexError(index)
        return self.low

    @override
    def index_of(self, value: Value) -> int:
        if self.cardinality is None or value != self.low:
            raise ValueError(value)
        return 0

    @override
    def contains(self, value: Value) -> bool:
        return isinstance(value, float) and self.low <= value <= self.high

    @override
    def format(self, value: Value) -> str:
        return format_float(float(value))

    @override
    def parse(self, text: str) -> float:
        number = parse_float(text)
        if number is None or not self.low <= number <= self.high:
            raise InvalidInput(f"{text!r} is not a number from {self.low} to {self.high}")
        return number

    @override
    def number(self, value: Value) -> float:
        return float(value)


class Grid(Parameter):
    """Numbers at equal distances, min + k * step, never outside [min, max]: every int, and every double with a step.

    Arithmetic is decimal, so that the third step of 0.1 is 0.3. Each value stands for the half steps around it, so that the ends
    of a uniform range are as likely as the middle.
    """

    cardinality: int

    def __init__(self, name: str, kind: str, low: Decimal, high: Decimal, *, step: Decimal, distribution: str) -> None:
        super().__init__(name, kind)
        self.step = step
        self.distribution = distribution
        self.cardinality = int((high - low) // step) + 1
        last = low + step * (self.cardinality - 1)
        self._low = low
        self.low: float | int = self._typed(low)
        self.high: float | int = self._typed(last)
        first_edge, last_edge = float(low - step / 2), float(last + step / 2)
        if distribution in ("logUniform", "logNormal"):
            first_edge = max(first_edge, float(low) / 2)
        self._map = Distribution.on(distribution, float(low), float(last), widened=(first_edge, last_edge))

    def _typed(self, number: Decimal) -> float | int:
        return int(number) if self.kind == "int" else float(number)

    @override
    def at(self, index: int) -> float | int:
        if not 0 <= index < self.cardinality:
            raise IndexError(index)
        return self._typed(self._low + self.step * index)

    @override
    def index_of(self, value: Value) -> int:
        index = self._nearest(Decimal(str(value)))
        if self.at(index) != value:
            raise ValueError(value)
        return index

    def _nearest(self, number: Decimal) -> int:
        index = int(((number - self._low) / self.step).to_integral_value())
        return min(max(index, 0), self.cardinality - 1)

    @override
    def from_unit(self, unit: float) -> float | int:
        return self.at(self._nearest(Decimal(self._map.value(unit))))

    @override
    def to_unit(self, value: Value) -> float:
        return self._map.unit(float(value))

    @override
    def contains(self, value: Value) -> bool:
        if type(value) is not (int if self.kind == "int" else float) or not self.low <= value <= self.high:
            return False
        return self.at(self._nearest(Decimal(str(value)))) == value

    @override
    def format(self, value: Value) -> str:
        return str(int(value)) if self.kind == "int" else format_float(float(value))

    @override
    def parse(self, text: str) -> float | int:
        number = parse_decimal(text)
        if number is not None and (self.kind != "int" or parse_int(text) is not None):
            index = self._nearest(number)
            value = self.at(index)
            if value == number or value == float(number) or abs(Decimal(value) - number) <= self.step * Decimal(_SNAP):
                return value
        raise InvalidInput(f"{text!r} is not one of the values from {self.low} to {self.high} in steps of {self.step}")

    @override
    def number(self, value: Value) -> float | int:
        return int(value) if self.kind == "int" else float(value)


class Choice(Parameter):
    """One of a list of texts: discrete (numbers, ordered) or categorical (words, in the order of the list)."""

    cardinality: int

    def __init__(self, name: str, kind: str, choices: list[str]) -> None:
        super().__init__(name, kind)
        self.choices = tuple(choices)
        self.cardinality = len(choices)
        self._index = {choice: index for index, choice in enumerate(choices)}
        # On the unit interval numbers lie in their order, whatever the order of the list, so that near means similar.
        order = sorted(choices, key=float) if kind == "discrete" else list(choices)
        self._order = tuple(order)
        self._rank = {choice: rank for rank, choice in enumerate(order)}

    @override
    def at(self, index: int) -> str:
        if index < 0:
            raise IndexError(index)
        return self.choices[index]

    @override
    def index_of(self, value: Value) -> int:
        try:
            return self._index[str(value)]
        except KeyError as error:
            raise ValueError(value) from error

    @override
    def from_unit(self, unit: float) -> str:
        return self._order[min(int(unit * self.cardinality), self.cardinality - 1)]

    @override
    def to_unit(self, value: Value) -> float:
        return (self._rank[str(value)] + 0.5) / self.cardinality

    @override
    def contains(self, value: Value) -> bool:
        return isinstance(value, str) and value in self._index

    @override
    def parse(self, text: str) -> str:
        if text in self._index:
            return text
        if self.kind == "discrete" and (number := parse_decimal(text)) is not None:
            for choice in self.choices:
                if parse_decimal(choice) == number:
                    return choice
        raise InvalidInput(f"{text!r} is not one of {', '.join(self.choices[:20])}")

    @override
    def number(self, value: Value) -> float | str:
        return float(value) if self.kind == "discrete" else str(value)


class Text(Parameter):
    """Any text at all, such as the description of a network: only the algorithm that makes them knows which ones make sense.

    Texts have no order and no number, so there is no way to the unit interval, and nothing to draw from.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, "text")

    def _refusal(self) -> InvalidInput:
        return InvalidInput(f"{self.name!r} is a text, which nothing but its algorithm can make up")

    @override
    def from_unit(self, unit: float) -> str:
        raise self._refusal()

    @override
    def to_unit(self, value: Value) -> float:
        raise self._refusal()

    @override
    def at(self, index: int) -> str:
        raise self._refusal()

    @override
    def index_of(self, value: Value) -> int:
        raise self._refusal()

    @override
    def contains(self, value: Value) -> bool:
        return isinstance(value, str)

    @override
    def parse(self, text: str) -> str:
        return text

    @override
    def number(self, value: Value) -> str:
        return str(value)


def parameter_from(spec: ParameterSpec) -> Parameter:
    """Return the parameter of a validated, defaulted spec; its condition is set by the space, which knows the parent.

    Raises:
        InvalidInput: The spec was not validated and makes no sense.
    """
    space = spec.feasible_space
    if spec.parameter_type in ("discrete", "categorical"):
        if not space.list:
            raise InvalidInput(f"parameter {spec.name!r} has no values")
        return Choice(spec.name, spec.parameter_type, list(space.list))
    low, high = parse_decimal(space.min or ""), parse_decimal(space.max or "")
    step = parse_decimal(space.step) if space.step else None
    if low is None or high is None or low > high or spec.parameter_type == "unknown":
        raise InvalidInput(f"parameter {spec.name!r} has no range")
    distribution = space.distribution or "uniform"
    if spec.parameter_type == "int":
        return Grid(spec.name, "int", low, high, step=step or Decimal(1), distribution=distribution)
    if step is not None:
        return Grid(spec.name, "double", low, high, step=step, distribution=distribution)
    return Double(spec.name, float(low), float(high), distribution)
