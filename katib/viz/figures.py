"""What all plots have in common: plotly, labels that are only text, titles, and sentences where there is nothing to draw."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import TrialState
from katib.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.viz.results import Result, Results

__all__ = [
    "MANY",
    "MOST_POINTS",
    "STATE_COLOURS",
    "Figure",
    "figure",
    "graph_objects",
    "hover_lines",
    "label",
    "scatter_kind",
    "sentence",
    "thinned",
]

Figure = Any
"""``plotly.graph_objects.Figure``; plotly is an extra."""

MOST_POINTS: Final = 2_000
"""Of plots that draw a point for each trial with all its parameters; more are thinned evenly, the best ones kept."""
MANY: Final = 1_000
"""From here on points are drawn by WebGL: of fewer, SVG is sharper, and browsers have few WebGL places."""

STATE_COLOURS: Final = {
    TrialState.SUCCEEDED: "#2e9e5b",
    TrialState.EARLY_STOPPED: "#3d7fd6",
    TrialState.RUNNING: "#1c9db0",
    TrialState.CREATED: "#999999",
    TrialState.FAILED: "#d6503d",
    TrialState.METRICS_UNAVAILABLE: "#c08a1e",
    TrialState.KILLED: "#a057c4",
}
_LONGEST: Final = 60
_MOST_LINES: Final = 12


def graph_objects() -> Any:
    """Return plotly's figures.

    Raises:
        Unsupported: It is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise Unsupported("plots need plotly, which is not installed: pip install 'katib[viz]'") from None
    return go


def label(text: object) -> str:
    """Return a text as plotly shows it literally: it reads a little HTML and ``%{...}`` in most of its texts."""
    line = " ".join(str(text).split())
    line = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return escape(line, quote=False).replace("%{", "%&#123;")


def figure(traces: Sequence[Any], results: Results, title: str, *, notes: Sequence[str] = (), **layout: Any) -> Figure:
    """Return a figure with its title and what has to be said of it below."""
    go = graph_objects()
    made = go.Figure(data=list(traces), layout=layout)
    titled(made, results, title, notes)
    return made


def titled(made: Figure, results: Results, title: str, notes: Sequence[str] = ()) -> None:
    """Give a figure its title, and below what has to be said of it."""
    small = "".join(f"<br><sup>{label(note)}</sup>" for note in notes if note)
    made.update_layout(title={"text": f"{title} of {label(results.name)}{small}"})


def sentence(text: str, results: Results, title: str) -> Figure:
    """Return a figure that says why there is nothing to see."""
    made = figure([], results, title)
    made.update_layout(
        xaxis={"visible": False},
        yaxis={"visible": False},
        annotations=[
            {"text": label_whole(text), "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
        ],
    )
    return made


def label_whole(text: str) -> str:
    """Return a sentence as plotly shows it literally, not shortened."""
    return escape(text, quote=False).replace("%{", "%&#123;")


def thinned(trials: Sequence[Result], most: int, keep: Sequence[Result] = ()) -> tuple[list[Result], str]:
    """Return so many trials at most, evenly chosen beside those to keep, and what has to be said of it.

    Args:
        most: How many; at least two.
        keep: Half of ``most`` at most.
    """
    if len(trials) <= most:
        return list(trials), ""
    kept = {one.index for one in keep[: most // 2]}
    room = most - len(kept)
    step = (len(trials) - 1) / max(1, room - 1)
    kept |= {trials[round(place * step)].index for place in range(room)}
    chosen = [one for one in trials if one.index in kept]
    return chosen, f"{len(chosen):,} of {len(trials):,} trials are shown, the best ones among them"


def scatter_kind(count: int) -> Any:
    """Return plotly's kind of scatter plot for so many points."""
    go = graph_objects()
    return go.Scattergl if count > MANY else go.Scatter


def hover_lines(result: Result) -> str:
    """Return a trial as it is shown under the pointer: its name, state and parameters."""
    lines = [f"<b>{label(result.name)}</b> {result.state}"]
    lines += [
        f"{label(name)} = {label(value if isinstance(value, str) else f'{value:.6g}')}"
        for name, value in list(result.parameters.items())[:_MOST_LINES]
    ]
    if len(result.parameters) > _MOST_LINES:
        lines.append("…")
    return "<br>".join(lines)
