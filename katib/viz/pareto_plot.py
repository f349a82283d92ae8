"""Trials by several metrics, and those that no other trial beats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.store.tracking.pareto import pareto_front
from katib.viz.figures import (
    MANY,
    MOST_POINTS,
    Figure,
    figure,
    graph_objects,
    hover_lines,
    label,
    sentence,
    thinned,
)
from katib.viz.source import results_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.viz.results import Result, Results
    from katib.viz.source import Source

__all__ = ["pareto"]

_TITLE: Final = "Pareto front"
_MOST: Final = 3


def pareto(
    source: Source,
    name: str | None = None,
    *,
    namespace: str | None = None,
    metrics: Sequence[str] | None = None,
) -> Figure:
    """Draw trials by two or three metrics, and mark those that no other trial beats in all of them.

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
        metrics: Two or three; by default the objectives. Of a metric that is no objective less is better.

    Raises:
        InvalidInput: These are not two or three metrics of the experiment.
    """
    graph_objects()
    results = results_of(source, name, namespace)
    wanted = [aim.metric for aim in results.aims] if metrics is None else [results.metric(one) for one in metrics]
    wanted = list(dict.fromkeys(wanted))
    if metrics is not None and not 2 <= len(wanted) <= _MOST:  # noqa: PLR2004 - a plane
        raise InvalidInput(
            [Problem("metrics", f"a Pareto front is drawn of 2 or {_MOST} metrics, these are {len(wanted)}")]
        )
    if len(wanted) < 2:  # noqa: PLR2004 - a plane
        return sentence("A Pareto front needs two objectives; name two metrics to see one.", results, _TITLE)
    left = wanted[_MOST:]
    wanted = wanted[:_MOST]
    drawn = [one for one in results.trials if all(one.value(metric) is not None for metric in wanted)]
    if not drawn:
        return sentence("No trial has a value of each of " + ", ".join(wanted) + " yet.", results, _TITLE)
    on_front = _front(results, drawn, wanted)
    notes = [f"not shown: {', '.join(left)}" if left else ""]
    others, note = thinned([one for one in drawn if one.index not in on_front], MOST_POINTS)
    notes.append(note.replace(", the best ones among them", ", and the whole front"))
    feasible = [one for one in others if one.feasible]
    groups = [
        ("Infeasible", "#999999", [one for one in others if not one.feasible]),
        ("Beaten", "#3d7fd6", feasible),
        ("On the front", "#d6503d", [one for one in drawn if one.index in on_front]),
    ]
    traces = [_trace(kind, colour, group, wanted) for kind, colour, group in groups if group]
    axes = [f"{label(metric)} ({'less' if results.minimises(metric) else 'more'} is better)" for metric in wanted]
    named = {place: {"title": {"text": text}} for place, text in zip(("xaxis", "yaxis", "zaxis"), axes, strict=False)}
    layout: dict[str, Any] = {"scene": named} if len(wanted) == _MOST else named
    return figure(traces, results, _TITLE, notes=notes, **layout)


def _front(results: Results, drawn: Sequence[Result], metrics: Sequence[str]) -> set[int]:
    """Return the indices of the trials that no other feasible one beats."""
    signs = [1.0 if results.minimises(metric) else -1.0 for metric in metrics]
    feasible = [one for one in drawn if one.feasible]
    losses = [
        tuple(sign * (one.value(metric) or 0.0) for sign, metric in zip(signs, metrics, strict=True))
        for one in feasible
    ]
    return {feasible[place].index for place in pareto_front(losses)}


def _trace(kind: str, colour: str, group: Sequence[Result], metrics: Sequence[str]) -> Any:
    go = graph_objects()
    flat = len(metrics) < _MOST
    scatter = (go.Scattergl if len(group) > MANY else go.Scatter) if flat else go.Scatter3d
    values = [[one.value(metric) for one in group] for metric in metrics]
    return scatter(
        **dict(zip("xyz", values, strict=False)),
        mode="markers",
        name=kind,
        marker={"color": colour, "size": (7 if flat else 4), "opacity": 0.7},
        hovertext=[hover_lines(one) for one in group],
        hovertemplate="%{hovertext}<br>"
        + ", ".join(f"%{{{axis}}}" for axis in "xyz"[: len(metrics)])
        + "<extra></extra>",
    )
