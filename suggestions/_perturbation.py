"""Points near a point: how `pbt` explores.

Every kind of parameter is moved in its own way, and a child of a conditional parameter appears and disappears with the value it depends
on. A point that the constraints forbid is never returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.space.parameter import Choice, Double, Grid

if TYPE_CHECKING:
    import random
    from collections.abc import Container

    from katib.algorithm.history import History
    from katib.space.parameter import Parameter, Value
    from katib.space.point import Point
    from katib.space.space import Space

__all__ = ["perturbed"]

_FACTORS: Final = (0.8, 1.2)
_TRIES: Final = 50
"""Perturbations before one is taken that was tried before, or none."""
_NUDGE: Final = 0.1
"""A share of the whole distribution, for a number that no factor can move: zero, and an end of the range."""


def perturbed(
    space: Space, point: Point, history: History, also: Container[Point], *, resample: float, rng: random.Random
) -> Point:
    """Return a point near another one, without its labels: a new one where one is found, and where all are forbidden, itself.

    Args:
        space: Where it lies.
        point: Where to start.
        history: What was tried.
        also: What was chosen in the same call.
        resample: How likely a value is drawn anew instead.
        rng: Chance.
    """
    allowed: Point | None = None
    for _ in range(_TRIES):
        values: dict[str, Value] = {}
        for parameter in space.parameters:
            if not space.is_active(parameter, values):
                continue
            if parameter.name not in point or (resample and rng.random() < resample):
                values[parameter.name] = parameter.sample(rng)
            else:
                values[parameter.name] = _moved(parameter, point[parameter.name], rng)
        if space.satisfies(values):
            found = space.point(values)
            if found not in also and not history.was_tried(found):
                return found
            allowed = allowed or found
    return allowed or space.point(point)


def _moved(parameter: Parameter, value: Value, rng: random.Random) -> Value:
    if parameter.cardinality == 1:
        return value
    if isinstance(parameter, Choice):
        return _neighbour(parameter, value, rng)
    if isinstance(parameter, Grid):
        return _stepped(parameter, value, rng)
    if isinstance(parameter, Double):
        return _scaled(parameter, float(value), rng)
    return value


def _scaled(parameter: Double, value: float, rng: random.Random) -> float:
    """Multiply by one of the factors, or by the other one where the first leads nowhere; a little aside where neither does."""
    for factor in rng.sample(_FACTORS, 2):
        wanted = min(max(value * factor, parameter.low), parameter.high)
        if wanted != value:
            return wanted
    unit = parameter.to_unit(value)
    return parameter.from_unit(rng.choice([place for place in (unit - _NUDGE, unit + _NUDGE) if 0 <= place <= 1]))


def _stepped(parameter: Grid, value: Value, rng: random.Random) -> Value:
    """Multiply likewise, and go to the nearest step, by at least one."""
    here = parameter.index_of(value)
    aside = []
    for factor in rng.sample(_FACTORS, 2):
        change = float(value) * (factor - 1) / float(parameter.step)
        steps = round(change) or (1 if change > 0 else -1 if change < 0 else rng.choice((-1, 1)))
        aside.append(min(max(here + steps, 0), parameter.cardinality - 1))
    moved = [index for index in aside if index != here]
    return parameter.at(moved[0] if moved else here + (1 if here == 0 else -1))


def _neighbour(parameter: Choice, value: Value, rng: random.Random) -> Value:
    """Return the value before or after, in the order of numbers for a discrete parameter and of the list for a categorical one."""
    order = sorted(parameter.choices, key=parameter.to_unit)
    place = order.index(str(value))
    return rng.choice([order[each] for each in (place - 1, place + 1) if 0 <= each < len(order)])
