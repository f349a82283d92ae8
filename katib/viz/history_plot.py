"""Values in the order of the trials, and the best one so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.viz.figures import (
    MOST_POINTS,
    STATE_COLOURS,
    Figure,
    figure,
    graph_objects,
    hover_lines,
    label,
    scatter_kind,
    sentence,
)
from katib.viz.source import results_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.viz.results import Result
    from katib.viz.source import Source

__all__ = ["history"]

_TITLE = "History"


def history(
    source: Source, name: str | None = None, *, namespace: str | None = None, metric: str | None = None
) -> Figure:
    """Draw the value of each trial, and the best value so far.

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
        metric: By default the first objective.

    Example::

        katib.viz.history(client, "my-sweep").show()
    """
    graph_objects()
    results = results_of(source, name, namespace)
    wanted = results.metric(metric)
    drawn = results.measured(wanted)
    if not drawn:
        return sentence(f"No trial has a value of {wanted!r} yet.", results, _TITLE)
    traces = [*_points(drawn, wanted), _best_line(drawn, wanted, minimise=results.minimises(wanted))]
    ended = sum(not one.state.is_active for one in results.trials)
    missing = ended - len(drawn)
    notes = [f"ended without a value and not shown: {missing:,}"] if missing else []
    made = figure(
        traces,
        results,
        _TITLE,
        notes=notes,
        xaxis={"title": {"text": "Trial"}},
        yaxis={"title": {"text": label(wanted)}},
    )
    for aim in results.aims:
        if aim.metric == wanted and aim.goal is not None:
            made.add_hline(y=aim.goal, line={"dash": "dot", "color": "#888888"}, annotation={"text": "goal"})
    return made


def _points(drawn: Sequence[Result], metric: str) -> list[Any]:
    kinds: dict[str, list[Result]] = {}
    for one in drawn:
        kinds.setdefault(str(one.state) if one.feasible else "Infeasible", []).append(one)
    scatter = scatter_kind(len(drawn))
    traces = []
    for kind, group in kinds.items():
        few = len(drawn) <= MOST_POINTS
        traces.append(
            scatter(
                x=[one.index for one in group],
                y=[one.value(metric) for one in group],
                mode="markers",
                name=kind,
                marker={"color": STATE_COLOURS[group[0].state] if kind != "Infeasible" else "#999999", "opacity": 0.7},
                hovertext=[hover_lines(one) if few else label(one.name) for one in group],
                hovertemplate="%{hovertext}<br>%{y}<extra></extra>",
            )
        )
    return traces


def _best_line(drawn: Sequence[Result], metric: str, *, minimise: bool) -> Any:
    """Return the best value so far: a point where it changes, and one at the end."""
    x: list[int] = []
    y: list[float] = []
    for one in drawn:
        value = one.value(metric)
        if value is None or not one.feasible:
            continue
        if not y or (value < y[-1] if minimise else value > y[-1]):
            x.append(one.index)
            y.append(value)
    if y and x[-1] != drawn[-1].index:
        x.append(drawn[-1].index)
        y.append(y[-1])
    return graph_objects().Scatter(
        x=x, y=y, mode="lines", name="Best so far", line={"shape": "hv", "color": "#d6503d"}, hoverinfo="skip"
    )
