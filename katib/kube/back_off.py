"""How long to wait before the next attempt: longer each time, and never all at once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

__all__ = ["BackOff"]


@dataclass(slots=True)
class BackOff:
    """Pauses that double, each stretched by up to its own length, so that many clients do not come back together.

    Attributes:
        first: Seconds, at least, of the first pause.
        most: Seconds, at most, of any.
        random: Where the jitter comes from.
    """

    first: float
    most: float
    random: random.Random = field(default_factory=random.Random)
    _failures: int = 0

    def next(self) -> float:
        """Return the seconds to wait after one more failure."""
        pause = self.after(self._failures)
        self._failures += 1
        return pause

    def after(self, failures: int) -> float:
        """Return the seconds to wait after so many earlier failures, without counting."""
        least = min(self.most, self.first * 2.0 ** min(failures, 64))
        return min(self.most, least * (1 + self.random.random()))

    def reset(self) -> None:
        """Start small again: it went well."""
        self._failures = 0
