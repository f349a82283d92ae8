"""A run on a terminal: a header, a progress bar, and a table of the trials that run and those that ended last."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from katib.api.trial import TrialState
from katib.cli.age import duration, now
from katib.cli.counted import counted
from katib.cli.line_view import STOPPING
from katib.cli.measures import short_number
from katib.cli.run_progress import RunProgress
from katib.cli.safe_text import one_line
from katib.cli.trial_table import TrialTable
from katib.local.progress import Started

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import ConsoleOptions, RenderResult

    from katib.api.experiment import Experiment
    from katib.local.progress import Event

__all__ = ["LiveView"]

_STYLES = {
    "Succeeded": "green",
    "Running": "cyan",
    "Failed": "red",
    "MetricsUnavailable": "yellow",
    "Killed": "magenta",
    "EarlyStopped": "blue",
    "Stopping": "magenta",
}
_FRAME_LINES = 7
"""Header, bar, headings and the line that stays free below."""
_REFRESHES_PER_SECOND = 4


class LiveView:
    """Shows a run until it ends, then leaves the screen to its result.

    The run's thread tells events, rich's thread draws; a lock lies between. A terminal that closes does not end the run.
    """

    def __init__(self, experiment: Experiment, *, color: bool = True) -> None:
        self.progress = RunProgress(experiment)
        self._lock = threading.Lock()
        self._table = TrialTable(experiment)
        self._live = Live(
            self,
            console=Console(no_color=not color, highlight=False),
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event in; the next refresh shows it."""
        with self._lock:
            self.progress.take(event)
        if isinstance(event, Started) and event.notes:
            with contextlib.suppress(OSError, ValueError):  # above the table, where they stay
                self._live.console.print(
                    Text("\n".join(f"note: {one_line(text)}" for text in event.notes), style="dim")
                )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the state of now."""
        with self._lock:
            yield self._picture(max(1, (options.height or console.height) - _FRAME_LINES))

    def _picture(self, rows: int) -> Group:
        progress = self.progress
        parts: list[Any] = [self._header(), self._bar()]
        if progress.stops:
            parts.append(Text("stopping at once" if progress.stops > 1 else STOPPING, style="bold yellow"))
        elif progress.waiting:
            parts.append(Text(one_line(progress.waiting), style="yellow"))
        if progress.retried:
            parts.append(self._retried())
        parts.append(self._trials(rows))
        return Group(*parts)

    def _header(self) -> Text:
        progress, counts = self.progress, self.progress.counts
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(progress.experiment.metadata.name, style="bold")
        text.append(f"  {len(progress.running)} running", style="cyan")
        text.append(f"  {counts[TrialState.SUCCEEDED] + counts[TrialState.EARLY_STOPPED]} succeeded", style="green")
        failed = counts[TrialState.FAILED] + counts[TrialState.METRICS_UNAVAILABLE]
        text.append(f"  {failed} failed", style="red" if failed else "dim")
        if progress.best_value and progress.best is not None:
            name = one_line(progress.measures.objectives[0])
            text.append(f"  best {name}={one_line(short_number(progress.best_value))}", style="bold green")
        return text

    def _bar(self) -> Table:
        progress = self.progress
        line = Table.grid(padding=(0, 1))
        most = progress.most
        left = progress.remaining
        eta = "" if left is None else f"about {duration(left)} left"
        count = f"{progress.ended}/{most}" if most is not None else f"{progress.ended}"
        line.add_row(
            ProgressBar(total=most or 1, completed=progress.ended, width=40, pulse=most is None),
            count,
            duration(progress.elapsed),
            eta,
        )
        return line

    def _retried(self) -> Text:
        """The newest attempt that failed, and how many other trials are tried again."""
        name, failed = next(reversed(self.progress.retried.items()))
        others = len(self.progress.retried) - 1
        more = f" (and {counted(others, 'other trial')} tried again)" if others else ""
        said = f"{name}: {failed.said_at(now())}{more}"
        return Text(one_line(said), style="yellow", no_wrap=True, overflow="ellipsis")

    def _trials(self, rows: int) -> Table:
        progress, at = self.progress, now()
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for name in self._table.heading[:-1]:  # the age says nothing here that the time does not
            table.add_column(Text(one_line(name)), no_wrap=True, overflow="ellipsis")
        shown = [*progress.running.values(), *progress.recent][:rows]
        for record in shown:
            cells = self._table.row(record, at, latest=progress.latest.get(record.name))[:-1]
            style = _STYLES.get(cells[1], "")
            table.add_row(
                *(Text(one_line(cell) or "-", style=style if column == 1 else "") for column, cell in enumerate(cells))
            )
        return table
