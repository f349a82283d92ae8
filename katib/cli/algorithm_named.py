"""Finds an algorithm by the name a user typed, outside of any experiment file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.algorithm import registry
from katib.api.similar import did_you_mean
from katib.errors import InvalidInput

if TYPE_CHECKING:
    from katib.algorithm.registry import Description

__all__ = ["algorithm_named"]


def algorithm_named(name: str) -> Description:
    """Return what there is to know of an algorithm.

    Raises:
        InvalidInput: There is none of this name.
        AlgorithmError: It cannot be loaded.
    """
    known = registry.names()
    if name not in known:
        hint = did_you_mean(name, known)
        raise InvalidInput(f"there is no algorithm {name!r}; there are {', '.join(known)}" + f"; {hint}" * bool(hint))
    return registry.describe(name)
