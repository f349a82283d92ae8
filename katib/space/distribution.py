"""Continuous distributions on a closed range, as maps to and from the unit interval.

Katib's meaning (facts 7.1): a normal has its mean in the middle of [min, max] and a standard deviation of a sixth of the range;
logUniform and logNormal are the same of the logarithm. Ours are truncated: no value ever leaves the range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

__all__ = ["Distribution"]

_SIGMAS: Final = 6.0
_STANDARD: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Distribution:
    """One of uniform, logUniform, normal and logNormal on [low, high].

    Attributes:
        name: As in the format.
        low: The least value; more than 0 for the logarithmic ones.
        high: The greatest value.
        centre: The middle of the range the normals are shaped by; differs from (low + high) / 2 where a grid widened the range.
        deviation: A sixth of the width of that range; 0 where that is less than a double can say.
    """

    name: str
    low: float
    high: float
    centre: float
    deviation: float

    @classmethod
    def on(cls, name: str, low: float, high: float, *, widened: tuple[float, float] | None = None) -> Distribution:
        """Return the distribution shaped by [low, high] and cut off at ``widened`` (by default the same)."""
        if name in ("logUniform", "logNormal"):
            low, high = math.log(low), math.log(high)
            widened = None if widened is None else (math.log(widened[0]), math.log(widened[1]))
        first, last = widened or (low, high)
        # Halves, because the sum and the difference of two doubles may not be doubles.
        return cls(name, first, last, low / 2 + high / 2, high / _SIGMAS - low / _SIGMAS)

    def value(self, unit: float) -> float:
        """Return the value below which a share ``unit`` of the probability lies."""
        if self.low == self.high:
            position = self.low
        elif self.name in ("normal", "logNormal"):
            first, last = self._share(self.low), self._share(self.high)
            share = min(max(first + unit * (last - first), 1e-300), 1 - 1e-16)
            position = self.centre + self.deviation * _STANDARD.inv_cdf(share)
        else:
            position = self.low * (1 - unit) + self.high * unit
        position = min(max(position, self.low), self.high)
        return math.exp(position) if self.name in ("logUniform", "logNormal") else position

    def unit(self, value: float) -> float:
        """Return the share of the probability below ``value``: the inverse of ``value``."""
        if self.low == self.high:
            return 0.5
        position = math.log(value) if self.name in ("logUniform", "logNormal") else value
        if self.name in ("normal", "logNormal"):
            first, last = self._share(self.low), self._share(self.high)
            share = (self._share(position) - first) / (last - first) if first < last else 0.5
        elif math.isinf(self.high - self.low):
            share = (position / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        else:  # half of the least of all numbers is nothing
            share = (position - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)

    def _share(self, position: float) -> float:
        if self.deviation == 0:
            return 0.0 if position < self.centre else 1.0
        return _STANDARD.cdf((position - self.centre) / self.deviation)
