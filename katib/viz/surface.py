"""The surface between trials: a grid of guesses whose size does not depend on how many there are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.viz.results import Dimension, Result

__all__ = ["Surface", "surface"]

_CELLS: Final = 50
_LEAST: Final = 4
"""Places, of which three may lie on a line."""


class Surface(NamedTuple):
    """Values over a grid; NaN where nothing is known."""

    x: list[float]
    y: list[float]
    z: Any


def surface(x: Dimension, y: Dimension, trials: Sequence[Result], metric: str) -> Surface | None:
    """Return the surface through the values of trials, or None where they do not span one.

    Several trials at one place stand for their mean.
    """
    import numpy as np
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    places: dict[tuple[float, float], list[float]] = {}
    for trial in trials:
        value = trial.value(metric)
        at = _unscaled(x, trial), _unscaled(y, trial)
        if value is not None and all(map(math.isfinite, at)):
            places.setdefault(at, []).append(value)
    if len(places) < _LEAST:
        return None
    points = np.array(list(places))
    low, high = points.min(axis=0), points.max(axis=0)
    span = high - low
    if not np.all(np.isfinite(span)) or not np.all(span > 0):
        return None
    # The sums of very large values would be infinite.
    unit = max(abs(value) for found in places.values() for value in found) or 1.0
    values = np.array([sum(value / unit for value in found) / len(found) for found in places.values()])
    across, up = (
        np.linspace(low[place], high[place], _CELLS)
        if dimension.numeric
        else np.unique(points[:, place])  # between two words there is nothing
        for place, dimension in enumerate((x, y))
    )
    try:
        # Both axes count the same.
        between = LinearNDInterpolator((points - low) / span, values)
        grid = np.meshgrid((across - low[0]) / span[0], (up - low[1]) / span[1])
        z = between(*grid) * unit
    except (QhullError, ValueError):  # all on one line
        return None
    if not np.isfinite(z).any():
        return None
    return Surface([_scaled(x, one) for one in across], [_scaled(y, one) for one in up], z)


def _unscaled(dimension: Dimension, trial: Result) -> float:
    value = trial.parameters[dimension.name]
    if isinstance(value, str):
        return float(dimension.choices.index(value))
    return math.log10(value) if dimension.log else value


def _scaled(dimension: Dimension, place: float) -> float:
    return float(10**place if dimension.log else place)
