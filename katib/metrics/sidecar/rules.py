"""When a trial is to be stopped early by the rules it was given; their state survives a restart of the sidecar.

The rules count as a set, as in Katib (facts 6): a rule that was met stays met, and the trial stops when all have been. Of the objective
the best value so far is compared, of other metrics the present one. A rule counts from its ``start_step``-th report on; Katib's own
collector looked at exactly that report, by accident.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from katib.metrics.sample import Sample
    from katib.metrics.sidecar.settings import Rule

__all__ = ["StoppingRules"]

_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "equal": operator.eq,
    "less": operator.lt,
    "greater": operator.gt,
}


class StoppingRules:
    """The rules of one trial, and how far they are met.

    Args:
        rules: A rule that cannot be read is never met.
        objective: The metric of which the best value counts.
        maximize: Whether more of it is better.
    """

    def __init__(self, rules: Sequence[Rule], *, objective: str, maximize: bool) -> None:
        self._rules = tuple(rules)
        self._objective = objective
        self._better = max if maximize else min
        self._best: float | None = None
        self._counts = [0] * len(self._rules)
        self._met: list[str] = [""] * len(self._rules)

    def take(self, samples: Iterable[Sample]) -> None:
        """Look at what was reported, in the order of the reports."""
        for sample in samples if self._rules else ():
            number = sample.number()
            if number is None or math.isnan(number):
                continue
            if sample.name == self._objective:
                number = self._best = number if self._best is None else self._better(self._best, number)
            for index, rule in enumerate(self._rules):
                if rule.name == sample.name:
                    self._counts[index] += 1
                    if not self._met[index] and self._is_met(rule, number, self._counts[index]):
                        self._met[index] = (
                            f"{rule.name} was {number!r}, {_WORDS.get(rule.comparison, rule.comparison)} {rule.value}, "
                            f"at report {self._counts[index]}"
                        )

    def _is_met(self, rule: Rule, number: float, count: int) -> bool:
        compare = _COMPARISONS.get(rule.comparison)
        try:
            return compare is not None and count >= rule.start_step and compare(number, float(rule.value))
        except ValueError:
            return False

    def verdict(self) -> str:
        """Return why the trial is to be stopped, as a sentence; empty while it is not."""
        return "; ".join(self._met) if self._rules and all(self._met) else ""

    def checkpoint(self) -> dict[str, Any]:
        """Return how far the rules are met."""
        return {"best": self._best, "counts": list(self._counts), "met": list(self._met)} if self._rules else {}

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was."""
        if self._rules and len(checkpoint.get("met", ())) == len(self._rules):
            self._best = checkpoint["best"]
            self._counts, self._met = list(checkpoint["counts"]), list(checkpoint["met"])


_WORDS: Final = {"equal": "equal to", "less": "less than", "greater": "greater than"}
