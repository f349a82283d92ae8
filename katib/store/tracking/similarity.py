"""How like each other runs are in their parameters: Gower's distance, pure.

Each parameter that one of two runs has counts alike: numbers by how far they are apart in relation to the range that the parameter has
in all runs looked at, on a logarithmic scale where the search has one; texts, and what only one of the two has, as 0 or 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from katib.store.tracking.records import Parameter

__all__ = ["distances"]


class _Range(NamedTuple):
    low: float
    high: float


def distances(
    of: Sequence[Parameter], others: Sequence[Sequence[Parameter]], *, logarithmic: Collection[str] = ()
) -> list[float]:
    """Return the distance from one set of parameters to each of others, from 0 (the same) to 1.

    Args:
        of: Of the run that is compared.
        others: Of the runs that it is compared with.
        logarithmic: Parameters that are searched on a logarithmic scale.
    """
    scaled = frozenset(logarithmic)
    mine, theirs = _placed(of, scaled), [_placed(parameters, scaled) for parameters in others]
    ranges = _ranges([mine, *theirs])
    return [_distance(mine, other, ranges) for other in theirs]


def _placed(parameters: Iterable[Parameter], logarithmic: frozenset[str]) -> dict[str, float | str]:
    """Return where each value is on its scale; what is no finite number is its text."""
    placed: dict[str, float | str] = {}
    for parameter in parameters:
        number = parameter.number
        if number is None or not math.isfinite(number) or (parameter.name in logarithmic and number <= 0):
            placed[parameter.name] = parameter.text
        else:
            placed[parameter.name] = math.log(number) if parameter.name in logarithmic else number
    return placed


def _ranges(runs: Iterable[Mapping[str, float | str]]) -> dict[str, _Range]:
    ranges: dict[str, _Range] = {}
    for run in runs:
        for name, value in run.items():
            if isinstance(value, float):
                low, high = ranges.get(name, _Range(value, value))
                ranges[name] = _Range(min(low, value), max(high, value))
    return ranges


def _distance(mine: Mapping[str, float | str], other: Mapping[str, float | str], ranges: Mapping[str, _Range]) -> float:
    names = mine.keys() | other.keys()
    apart = math.fsum(_apart(mine.get(name), other.get(name), ranges.get(name)) for name in names)
    return apart / len(names) if names else 0.0


def _apart(one: float | str | None, two: float | str | None, within: _Range | None) -> float:
    if one == two:
        return 0.0
    if not isinstance(one, float) or not isinstance(two, float) or within is None:
        return 1.0
    # Halved first: the two ends of a range may be further apart than any double.
    width = within.high / 2 - within.low / 2
    return min(1.0, abs(one / 2 - two / 2) / width) if width > 0 else 1.0
