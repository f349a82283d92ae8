"""A run as lines of text: one for each trial that ends, for logs, pipes and people who prefer them."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Self

from katib.cli.age import now
from katib.cli.counted import counted
from katib.cli.measures import short_number
from katib.cli.run_progress import RunProgress
from katib.cli.safe_text import one_line, printable
from katib.cli.trial_table import state_of_trial
from katib.local.progress import Event, Started, Stopping, TrialFinished, TrialRetried, TrialStarted, Waiting

if TYPE_CHECKING:
    from types import TracebackType

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord

__all__ = ["STOPPING", "LineView", "finished_line"]

STOPPING = "stopping… press Ctrl-C again to stop at once"


class LineView:
    """Prints a line for each trial that ends.

    A reader that goes away (``katib run … | head``) or a terminal that closes does not end the run: it is silent from then on.

    Args:
        experiment: What is run.
        quiet: Print nothing before the result.
        verbose: Also tell when a trial starts, and when it is tried again.
    """

    def __init__(self, experiment: Experiment, *, quiet: bool = False, verbose: bool = False) -> None:
        self.progress = RunProgress(experiment)
        self._quiet = quiet
        self._verbose = verbose

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left on the screen to clean up."""

    def __call__(self, event: Event) -> None:
        """Print what people want to know of this event."""
        self.progress.take(event)
        line = self._line(event)
        if line and not self._quiet:
            self._print(line)

    def _line(self, event: Event) -> str:
        progress = self.progress
        match event:
            case Started(experiment=experiment, ledger=ledger, notes=notes):
                known = f", {len(ledger)} known" if len(ledger) else ""
                most = "trials without a limit" if progress.most is None else counted(progress.most, "trial")
                first = f"experiment {experiment.metadata.name}: {most}, {experiment.spec.parallel_trial_count} at a time{known}"
                return "\n".join([first, *(f"note: {text}" for text in notes)])
            case TrialStarted(record=record) if self._verbose:
                return f"{record.name}  Started  {_pairs(dict(record.assignments))}"
            case TrialRetried(record=record, failed=failed) if self._verbose:
                return f"{record.name}  Retried  {one_line(failed.said_at(now()))}"
            case TrialFinished(record=record):
                return finished_line(record, progress)
            case Waiting(reason=reason) if reason:
                return reason
            case Stopping(at_once=at_once):
                return "stopping at once" if at_once else STOPPING
        return ""

    def _print(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(printable(text) + "\n")
            sys.stdout.flush()


def finished_line(record: TrialRecord, progress: RunProgress) -> str:
    """Return the line of one trial that ended: name, state, result or reason, parameters, and where the run stands."""
    measured = _pairs(progress.measures.values(record.observation))
    why = "" if state_of_trial(record) in {"Succeeded", "EarlyStopped"} else one_line(record.message.split("\n", 1)[0])
    most = "" if progress.most is None else f"/{progress.most}"
    best = f", best {short_number(progress.best_value)}" if progress.best_value else ""
    parts = [record.name, state_of_trial(record), measured, _pairs(dict(record.assignments)), why]
    return "  ".join(part for part in parts if part) + f"  [{progress.ended}{most}{best}]"


def _pairs(values: dict[str, str]) -> str:
    return " ".join(f"{one_line(name)}={one_line(short_number(value))}" for name, value in values.items())
