"""When trials ran, and how they ended."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.viz.figures import MANY, STATE_COLOURS, Figure, figure, graph_objects, hover_lines, label, sentence
from katib.viz.source import results_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.viz.results import Result
    from katib.viz.source import Source

__all__ = ["timeline"]

_TITLE: Final = "Timeline"


def timeline(source: Source, name: str | None = None, *, namespace: str | None = None) -> Figure:
    """Draw each trial as a bar from its start to its end, coloured by how it ended.

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
    """
    graph_objects()
    results = results_of(source, name, namespace)
    drawn = [one for one in results.trials if one.started is not None]
    if not drawn:
        return sentence("No trial has started yet.", results, _TITLE)
    now = datetime.now(UTC)
    states = list(dict.fromkeys(one.state for one in drawn))
    traces = [_lines([one for one in drawn if one.state is state], now, few=len(drawn) <= MANY) for state in states]
    waiting = len(results.trials) - len(drawn)
    return figure(
        traces,
        results,
        _TITLE,
        notes=[f"did not start: {waiting:,}" if waiting else ""],
        xaxis={"title": {"text": "Time (UTC)"}, "type": "date"},
        yaxis={"title": {"text": "Trial"}},
    )


def _lines(group: Sequence[Result], now: datetime, *, few: bool) -> Any:
    """Return the trials of one state as lines with gaps between: one trace, however many they are."""
    go = graph_objects()
    x: list[str | None] = []
    y: list[int | None] = []
    texts: list[str] = []
    for one in group:
        text = hover_lines(one) if few else label(one.name)
        x += [_moment(one.started), _moment(one.finished or now), None]
        y += [one.index, one.index, None]
        texts += [text, text, ""]
    return (go.Scatter if few else go.Scattergl)(
        x=x,
        y=y,
        mode="lines+markers",
        name=str(group[0].state),
        line={"color": STATE_COLOURS[group[0].state], "width": 4},
        marker={"size": 4},
        connectgaps=False,
        hovertext=texts,
        hovertemplate="%{hovertext}<br>%{x}<extra></extra>",
    )


def _moment(at: datetime | None) -> str | None:
    """Return a time as plotly reads it: in UTC, without saying so."""
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
