"""One point of a search space: a value for every parameter that is active there, and none for the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from katib.api.base import KeyValue
from katib.api.numbers import format_float

if TYPE_CHECKING:
    from katib.space.parameter import Value

__all__ = ["Point"]


class Point(Mapping[str, "Value"]):
    """An immutable mapping from parameter name to value; hashable, so that sets find duplicates.

    Args:
        values: Of the active parameters, in the order of the space.
        labels: What the algorithm wants to find again on the trial (a rung, a parent); no part of equality.
    """

    __slots__ = ("_hash", "_values", "labels")

    def __init__(self, values: Mapping[str, Value], labels: Mapping[str, str] | None = None) -> None:
        self._values = dict(values)
        self.labels: Mapping[str, str] = MappingProxyType(dict(labels or {}))
        self._hash = hash(frozenset(self._values.items()))

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self._values == other._values

    def __repr__(self) -> str:
        return f"Point({self._values!r})"

    def __reduce__(self) -> tuple[type[Point], tuple[dict[str, Value], dict[str, str]]]:
        return Point, (self._values, dict(self.labels))

    def labelled(self, **labels: str) -> Point:
        """Return the same point with these labels added."""
        return Point(self._values, {**self.labels, **labels})

    def assignments(self) -> list[KeyValue]:
        """Return the values as Katib prints them, in the order of the space."""
        return [
            KeyValue(name=name, value=format_float(value) if isinstance(value, float) else str(value))
            for name, value in self._values.items()
        ]
