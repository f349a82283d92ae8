"""What was copied so far, and what could not be: the same for both ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

__all__ = ["Copied", "Failure"]

_MOST_TOLD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that could not be copied.

    Attributes:
        what: Such as ``run 0123… (experiment 'vision')``.
        why: A sentence.
    """

    what: str
    why: str


@dataclass(slots=True)
class Copied:
    """Counts of one copy.

    Attributes:
        experiments: Those looked through (MLflow's word; here they are projects).
        runs: Copied, or brought up to date.
        unchanged: As they were when they were copied before.
        left: There, but deleted by somebody since, or driven by whoever has them: nothing is done to them.
        points: Values of metrics that were sent.
        files: Of runs.
        size: Of those files, in bytes.
        words: Reports that are no numbers, which MLflow has no place for.
        models: Logged models (MLflow 3), which are not copied.
        failed: How many things could not be copied.
        failures: The first thousand of them.
    """

    experiments: int = 0
    runs: int = 0
    unchanged: int = 0
    left: int = 0
    points: int = 0
    files: int = 0
    size: int = 0
    words: int = 0
    models: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)

    def fail(self, what: str, error: Exception) -> None:
        """Note what could not be copied."""
        self.failed += 1
        if len(self.failures) < _MOST_TOLD:
            # Of a fault that is in no place of a document, the sentence alone.
            why = "; ".join(line.removeprefix("document: ") for line in str(error).splitlines())
            self.failures.append(Failure(what, why))
