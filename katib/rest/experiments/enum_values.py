"""Names of enums in a request that there are not, each with those that there are: protobuf's own message says only that it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.api.similar import did_you_mean
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unknown_enum_values"]

_DEEPEST: Final = 100
"""Below it protobuf reads nothing either."""


def unknown_enum_values(fields: object, message: Any, path: str = "", depth: int = 0) -> Iterator[Problem]:
    """Yield what stands where the name of an enum's value should.

    Args:
        fields: A message as JSON, of which anything may be wrong.
        message: The descriptor of what it should be.
        path: Where it is, with the full stop that follows.
        depth: How many messages it is in.
    """
    if not isinstance(fields, dict) or depth > _DEEPEST:
        return
    for name, value in fields.items():
        field = message.fields_by_name.get(name) or message.fields_by_camelcase_name.get(name)
        if field is None:
            continue
        for where, each in _elements(f"{path}{name}", value):
            yield from _in_value(each, field, where, depth)


def _elements(where: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, list):
        yield from ((f"{where}[{place}]", each) for place, each in enumerate(value))
    else:
        yield where, value


def _in_value(value: object, field: Any, where: str, depth: int) -> Iterator[Problem]:
    enum, inner = field.enum_type, field.message_type
    if inner is not None:
        yield from unknown_enum_values(value, inner, f"{where}.", depth + 1)
    elif enum is not None and isinstance(value, str) and not _is_value(value, enum):
        # The first one stands for nothing at all, and no request may name it.
        names: list[str] = [each.name for each in enum.values if each.number]
        yield Problem(where, f"must be one of {', '.join(names)}", value, did_you_mean(value, names))


def _is_value(text: str, enum: Any) -> bool:
    """Whether protobuf takes a text for a value: by its name or by its number, with or without a meaning."""
    if text in enum.values_by_name:
        return True
    try:
        int(text)
    except ValueError:
        return False
    return True
