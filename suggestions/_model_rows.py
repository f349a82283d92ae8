"""Points of a space as the rows of numbers that a model of the objective learns from, many at a time.

It knows no trials and no model: places in the unit cube go in, snapped to values of the parameters, and come out as rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from katib.space.parameter import Parameter
    from katib.space.space import Space

    Array = NDArray[Any]

__all__ = ["LISTED", "Cube"]

LISTED: Final = 2_000
"""A finite space up to this size is looked at point by point."""


class _Column:
    """One parameter in the unit cube, and its columns in a model's rows."""

    def __init__(self, parameter: Parameter, place: int) -> None:
        import numpy as np

        self.place = place
        self.categories = (parameter.cardinality or 0) if parameter.kind == "categorical" else 0
        # Where the values are, if there are few enough to tell them apart.
        self.levels: Any = None
        if parameter.cardinality is not None and parameter.cardinality <= LISTED:
            self.levels = np.sort([parameter.to_unit(parameter.at(i)) for i in range(parameter.cardinality)])
        self.climbs = not self.categories and (self.levels is None or len(self.levels) > 10)  # noqa: PLR2004
        self.parent = -1
        self.allowed: Any = None

    def snapped(self, units: Array) -> Array:
        """Return the nearest places of values."""
        import numpy as np

        if self.levels is None:
            return np.clip(units, 0.0, 1.0)
        return np.asarray(self.levels[np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, units)])


class Cube:
    """The unit cube of a space, many points at a time.

    A row of a model has one column for each number and one for each category; ``groups`` says which parameter a column belongs to.
    """

    def __init__(self, space: Space) -> None:
        import numpy as np

        self.columns = [_Column(parameter, place) for place, parameter in enumerate(space.parameters)]
        places = {parameter.name: place for place, parameter in enumerate(space.parameters)}
        for column, parameter in zip(self.columns, space.parameters, strict=True):
            if parameter.activation is not None:
                parent = space[parameter.activation.parent]
                column.parent = places[parent.name]
                column.allowed = np.array(
                    [parent.to_unit(value) for value in parameter.activation.values if parent.contains(value)]
                )
        self.groups = np.repeat(np.arange(len(self.columns)), [column.categories or 1 for column in self.columns])
        self.starts = np.searchsorted(self.groups, np.arange(len(self.columns)))

    def snapped(self, units: Array) -> Array:
        """Return the places of points of the space that are nearest."""
        import numpy as np

        return np.column_stack([column.snapped(units[:, column.place]) for column in self.columns])

    def active(self, units: Array) -> Array:
        """Return which parameters have a value."""
        import numpy as np

        active = np.ones(units.shape, bool)
        for column in self.columns:  # parents come first
            if column.parent >= 0:
                near = np.abs(units[:, column.parent, None] - column.allowed) < 1e-9  # noqa: PLR2004 - rounding
                active[:, column.place] = active[:, column.parent] & near.any(axis=1)
        return active

    def rows(self, units: Array) -> Array:
        """Return what a model sees of points at these places."""
        import numpy as np

        active = self.active(units)
        rows = np.empty((len(units), len(self.groups)))
        for column, start in zip(self.columns, self.starts, strict=True):
            is_active = active[:, column.place]
            if column.categories:
                chosen = np.minimum((units[:, column.place] * column.categories).astype(int), column.categories - 1)
                hot = np.where(is_active[:, None], chosen[:, None] == np.arange(column.categories), 0.0)
                # Two different categories are as far apart as the ends of a range.
                rows[:, start : start + column.categories] = hot / np.sqrt(2)
            else:
                rows[:, start] = np.where(is_active, units[:, column.place], 0.5)
        return rows
