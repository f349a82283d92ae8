"""Finds an algorithm or an early stopper by the name a user typed, outside of any experiment file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.algorithm import early_stoppers, registry
from katib.api.similar import did_you_mean
from katib.errors import InvalidInput

if TYPE_CHECKING:
    from katib.algorithm.discovery import Description

__all__ = ["algorithm_named", "early_stopper_named"]


def algorithm_named(name: str) -> Description:
    """Return what there is to know of an algorithm.

    Raises:
        InvalidInput: There is none of this name.
        AlgorithmError: It cannot be loaded.
    """
    _check("algorithm", name, registry.names())
    return registry.describe(name)


def early_stopper_named(name: str) -> Description:
    """Return what there is to know of an early stopper; raises as ``algorithm_named`` does."""
    _check("early stopper", name, early_stoppers.names())
    return early_stoppers.describe(name)


def _check(kind: str, name: str, known: list[str]) -> None:
    if name not in known:
        hint = did_you_mean(name, known)
        raise InvalidInput(f"there is no {kind} {name!r}; there are {', '.join(known)}" + f"; {hint}" * bool(hint))
