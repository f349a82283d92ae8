"""How an experiment is doing, shown while somebody waits for it: in a notebook, on a terminal, or as lines of text.

A view only shows. Whatever goes wrong with it, a closed terminal or a notebook that went away, is no reason to stop waiting, so it is
silent from then on.
"""

from __future__ import annotations

import contextlib
import heapq
import sys
import time
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Protocol, Self

from typing_extensions import override

from katib.client.views.html import standing_html, table_html
from katib.client.views.standing import (
    ACTIVE,
    ENDED_WELL,
    Standing,
    TrialRow,
    finished_of,
    name_of,
    readable,
    short_number,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from katib.api.experiment import Experiment
    from katib.api.trial import Trial
    from katib.engine.trial import TrialRecord

__all__ = ["ProgressView", "in_notebook", "progress_view"]

_PAUSE: Final = 0.5
"""Seconds between two pictures: more often nobody reads, and a front end that is far away falls behind."""
_NEWEST: Final = 5
_MOST_LINES: Final = 20
"""Of trials that ended between two updates."""


class ProgressView(Protocol):
    """Shows one experiment; use it in a ``with`` block, or ``close`` it."""

    def update(self, experiment: Experiment, trials: Sequence[TrialRecord | Trial] | None = None) -> None:
        """Show the experiment as it is now; without trials, what its status says of them."""

    def close(self) -> None:
        """Leave the last picture standing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_view(
    kind: Literal["notebook", "terminal", "lines", "none"] | None = None, *, stream: IO[str] | None = None
) -> ProgressView:
    """Return a view for where this program runs.

    Args:
        kind: By default ``notebook`` in a notebook, ``terminal`` where ``stream`` is one, and otherwise ``lines``.
        stream: Where text goes; by default standard output as it is now.

    Example::

        with progress_view() as view:
            for experiment, trials in states:
                view.update(experiment, trials)
    """
    to = sys.stdout if stream is None else stream
    chosen = kind or ("notebook" if stream is None and in_notebook() else "terminal" if _is_terminal(to) else "lines")
    if chosen == "notebook":
        try:
            import IPython.display  # noqa: F401 - whether it is there
        except ImportError:
            chosen = "lines"
    views: dict[str, Callable[[], ProgressView]] = {
        "notebook": _NotebookView,
        "terminal": lambda: _TerminalView(to),
        "lines": lambda: _LineView(to),
        "none": _NoView,
    }
    return views[chosen]()


def in_notebook() -> bool:
    """Whether this program is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def _is_terminal(stream: IO[str]) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


class _NoView(ProgressView):
    """Nothing is shown; also what the others have in common."""

    @override
    def update(self, experiment: Experiment, trials: Sequence[TrialRecord | Trial] | None = None) -> None:
        pass

    @override
    def close(self) -> None:
        pass

    @override
    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _PicturedView(_NoView):
    """A picture that is drawn anew, not more often than people can look; the last one is always drawn."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._drawn = -_PAUSE
        self._waiting: tuple[Experiment, Sequence[TrialRecord | Trial] | None] | None = None
        self._silent = False

    @override
    def update(self, experiment: Experiment, trials: Sequence[TrialRecord | Trial] | None = None) -> None:
        self._waiting = experiment, trials
        if self._clock() - self._drawn >= _PAUSE:
            self._draw_waiting()

    @override
    def close(self) -> None:
        self._draw_waiting()

    def _draw_waiting(self) -> None:
        if self._waiting is None or self._silent:
            return
        (experiment, trials), self._waiting = self._waiting, None
        self._drawn = self._clock()
        try:
            self.draw(experiment, Standing.of(experiment, trials), trials or [])
        except Exception:  # noqa: BLE001 - what shows must not end what is shown
            self._silent = True

    def draw(self, experiment: Experiment, standing: Standing, trials: Sequence[TrialRecord | Trial]) -> None:
        """Show it."""
        raise NotImplementedError


class _NotebookView(_PicturedView):
    """One output that is drawn anew; a front end without HTML gets its line.

    IPython's updatable displays do this in every front end, and stay in the saved notebook; widgets do neither.
    """

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None

    @override
    def draw(self, experiment: Experiment, standing: Standing, trials: Sequence[TrialRecord | Trial]) -> None:
        from IPython.display import display

        newest = heapq.nlargest(_NEWEST, trials, key=_finished)
        newest = [trial for trial in reversed(newest) if finished_of(trial) is not None]
        table = table_html(newest, experiment) if newest and not standing.is_over else ""
        bundle = {"text/html": f"<div>{standing_html(standing)}</div>{table}", "text/plain": standing.line}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def _finished(trial: TrialRecord | Trial) -> float:
    at = finished_of(trial)
    return 0.0 if at is None else at.timestamp()


class _TerminalView(_PicturedView):
    """A line and a bar that stay in their place."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(file=stream, highlight=False),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._begun = False

    @override
    def draw(self, experiment: Experiment, standing: Standing, trials: Sequence[TrialRecord | Trial]) -> None:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        if not self._begun:
            self._live.start()
            self._begun = True
        line = Text(f"{standing.line}, {standing.took}" if standing.took else standing.line)
        line.no_wrap, line.overflow = True, "ellipsis"
        bar = [] if standing.share is None else [ProgressBar(total=1.0, completed=standing.share, width=60)]
        self._live.update(Group(line, *bar), refresh=True)

    @override
    def close(self) -> None:
        super().close()
        if self._begun:
            self._begun = False
            with contextlib.suppress(OSError, ValueError):
                self._live.stop()


class _LineView(_NoView):
    """A line for each trial that ends, and one for each state of the experiment."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._told: set[str] = set()
        self._state = ""
        self._ended = -1

    @override
    def update(self, experiment: Experiment, trials: Sequence[TrialRecord | Trial] | None = None) -> None:
        standing = Standing.of(experiment, trials)
        ended = [one for one in trials or () if state_of(one) not in ACTIVE and name_of(one) not in self._told]
        fresh = [TrialRow.of(one, experiment.spec) for one in ended[:_MOST_LINES]]
        self._told |= {name_of(one) for one in ended}
        lines = [_ended_line(row, standing) for row in fresh]
        if len(ended) > len(fresh):
            lines.append(f"… and {len(ended) - len(fresh)} more trials ended")
        counted = trials is None and standing.ended != self._ended
        if standing.state != self._state or counted:
            lines.append(standing.line)
        self._state, self._ended = standing.state, standing.ended
        self._print(lines)

    def _print(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        text = "\n".join(lines) + "\n"
        with contextlib.suppress(OSError, ValueError):
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()


def _ended_line(row: TrialRow, standing: Standing) -> str:
    values = [f"{readable(name)}={readable(short_number(value))}" for name, value in row.metrics.items()]
    given = [f"{readable(name)}={readable(short_number(value))}" for name, value in row.parameters.items()]
    why = "" if row.state in ENDED_WELL else readable(row.message.split("\n", 1)[0])
    of = f"[{standing.ended}]" if standing.most is None else f"[{standing.ended}/{standing.most}]"
    return "  ".join(part for part in [row.name, row.state, " ".join(values), " ".join(given), why, of] if part)
