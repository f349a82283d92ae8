"""A parameter's value as Python has it, from the text that assignments carry."""

from __future__ import annotations

from katib.api.numbers import parse_float, parse_int

__all__ = ["typed_value"]


def typed_value(kind: str, text: str) -> int | float | str:
    """Return the value of a parameter of a kind (``ParameterSpec.parameter_type``).

    A discrete value is an int where it is written as one. What is no number of its kind stays the text it is.
    """
    if kind == "categorical":
        return text
    whole = parse_int(text)
    if whole is not None and (kind == "int" or (kind == "discrete" and text.strip().lstrip("+-").isdecimal())):
        return whole
    number = parse_float(text) if kind in ("double", "discrete") else None
    return text if number is None else number
