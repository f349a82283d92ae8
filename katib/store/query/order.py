"""What order a list has: several keys, each a field and a direction, ending with the id so that no two things are equal.

NaN comes after all numbers and what is missing comes last, in either direction, as in MLflow. A key is a list of parts that are
never missing, each compared in one direction; the same parts order lists in memory and in SQL, and make up a cursor.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from katib.store.query.fields import read_field
from katib.store.query.printing import print_sort_key
from katib.store.query.records import stored
from katib.store.query.scanner import Scanner
from katib.store.query.tree import Field, SortKey
from katib.store.query.vocabulary import Entity, Type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from katib.store.query.records import Record
    from katib.store.query.vocabulary import Vocabulary

__all__ = ["MOST_KEYS", "SORTED_CHARACTERS", "Order", "Part", "parse_order", "sort_records", "sort_values"]

MOST_KEYS: Final = 8
SORTED_CHARACTERS: Final = 500
"""Of a text, so that a cursor stays short however long a tag is; texts alike so far are sorted by the next key."""

Part: TypeAlias = "int | float | str"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list.

    Attributes:
        keys: The first decides; what it leaves equal the next one does.
        ids_descend: Whether, of those that are equal in all keys, the greater id comes first.
    """

    keys: tuple[SortKey, ...]
    ids_descend: bool = False

    @property
    def kinds(self) -> list[type]:
        """The types of the parts of a place in this order, the id last."""
        return [kind for key in self.keys for kind in _KINDS[key.field.type]] + [int]

    @property
    def directions(self) -> list[bool]:
        """Which parts descend."""
        found = []
        for key in self.keys:
            found += [False] + [key.descending] * (len(_KINDS[key.field.type]) - 1)
        return [*found, self.ids_descend]

    def __str__(self) -> str:
        return ", ".join([*map(print_sort_key, self.keys), f"id {'DESC' if self.ids_descend else 'ASC'}"])


_KINDS: Final[dict[Type, tuple[type, ...]]] = {
    Type.TEXT: (int, str),  # missing?, text
    Type.NUMBER: (int, int, float),  # number, NaN, missing?; -inf, finite, inf?; number
    Type.TIME: (int, int),
    Type.DURATION: (int, int),
}


def parse_order(clauses: str | Iterable[str], vocabulary: Vocabulary, *, what: str = "order_by") -> Order:
    """Return the order that clauses such as ``metrics.loss ASC`` ask for; the vocabulary's own order decides between equals.

    Example::

        parse_order(["min(metrics.loss)", "attributes.start_time DESC"], RUNS)

    Args:
        clauses: Each has one key or several with commas between them.
        vocabulary: Of what is listed.
        what: What they are called in messages.

    Raises:
        InvalidInput: One cannot be read, or there are too many.
    """
    keys: list[SortKey] = []
    for clause in [clauses] if isinstance(clauses, str) else clauses:
        scanner = Scanner(clause, what)
        while not scanner.at_end:
            start = scanner.place
            key = _sort_key(scanner, vocabulary)
            if all(key.field != other.field for other in keys):  # asked for twice, the first decides
                keys.append(key)
            if len(keys) > MOST_KEYS:
                raise scanner.fault(f"more than {MOST_KEYS} keys", at=start)
            if not scanner.symbol(","):
                break
            if scanner.at_end:
                raise scanner.fault("expected a key after the comma")
        if not scanner.at_end:
            raise scanner.fault("expected ASC, DESC, a comma or the end")
    for name, descending in vocabulary.default_order:
        attribute = vocabulary.attribute(name)
        if attribute is None:
            continue
        field = Field(Entity.ATTRIBUTE, attribute.name, attribute.type)
        if all(field != other.field for other in keys):
            keys.append(SortKey(field, descending))
    return Order(tuple(keys), vocabulary.ids_descend)


def _sort_key(scanner: Scanner, vocabulary: Vocabulary) -> SortKey:
    start = scanner.place
    field = read_field(scanner, vocabulary)
    if field.entity is Entity.DATASET:
        raise scanner.fault("a run may have several datasets, so they give no order", at=start, until=scanner.place)
    return SortKey(field, descending=scanner.keyword("ASC", "DESC") == "DESC")


def sort_values(order: Order, record: Record) -> tuple[Part, ...]:
    """Return the place of a record in an order."""
    parts: list[Part] = []
    for key in order.keys:
        values = stored(record, key.field)
        parts += _parts(key.field, values[0] if values else None)
    return (*parts, record.id)


def _parts(field: Field, value: str | float | None) -> list[Part]:
    if field.type is Type.TEXT:
        return [0, str(value)[:SORTED_CHARACTERS]] if value is not None else [1, ""]
    if field.type is not Type.NUMBER:
        return [0, value] if value is not None and not isinstance(value, str) else [1, 0]
    if value is None or isinstance(value, str):
        return [2, 0, 0.0]
    if math.isnan(value):
        return [1, 0, 0.0]
    if math.isinf(value):
        return [0, 1 if value > 0 else -1, 0.0]
    return [0, 0, float(value)]


def sort_records(order: Order, records: Sequence[Record]) -> list[Record]:
    """Return records in an order."""
    directions = order.directions

    def compare(left: tuple[Part, ...], right: tuple[Part, ...]) -> int:
        return place_after(left, right, directions)

    by_place = functools.cmp_to_key(compare)
    return sorted(records, key=lambda record: by_place(sort_values(order, record)))


def place_after(left: tuple[Part, ...], right: tuple[Part, ...], directions: list[bool]) -> int:
    """Return a positive number where the left place comes after the right one, a negative one before, 0 for the same place."""
    for one, other, descends in zip(left, right, directions, strict=True):
        if one != other:
            after = one > other  # type: ignore[operator]
            return -1 if after == descends else 1
    return 0
