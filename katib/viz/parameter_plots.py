"""Parameters against values: all at once, one by one, two by two, and how much each matters."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.viz.figures import (
    MOST_POINTS,
    Figure,
    figure,
    graph_objects,
    hover_lines,
    label,
    sentence,
    thinned,
    titled,
)
from katib.viz.source import results_of
from katib.viz.surface import surface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.viz.results import Dimension, Result, Results
    from katib.viz.source import Source

__all__ = ["contour", "importance", "parallel_coordinates", "slices"]

_IMPORTANCE_TRIALS: Final = 1_000
_TREES: Final = 32
_DEPTH: Final = 8
"""Deeper trees split noise, and a thousand trials take half a minute."""
_MOST_AXES: Final = 20
_LEAST_POINTS: Final = 200
"""Of one plane among several."""
_MOST_CONTOURS: Final = 5
_PLANE: Final = 2
_SCALE: Final = "Blues"
_FEW_TICKS: Final = 8


def parallel_coordinates(
    source: Source,
    name: str | None = None,
    *,
    namespace: str | None = None,
    parameters: Sequence[str] | None = None,
    metric: str | None = None,
) -> Figure:
    """Draw each trial as a line through its parameters, coloured by its value.

    A trial that lacks one of them (a condition did not hold) has no line.

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
        parameters: By default all, those first that most trials have.
        metric: By default the first objective.

    Example::

        katib.viz.parallel_coordinates(client, "my-sweep", parameters=["lr", "momentum"])
    """
    go = graph_objects()
    title = "Parallel coordinates"
    results = results_of(source, name, namespace)
    wanted = results.metric(metric)
    measured = results.measured(wanted)
    chosen = results.chosen(parameters)
    if parameters is None:
        everywhere = [one for one in chosen if all(one.name in trial.parameters for trial in measured)]
        chosen = (everywhere or chosen)[:_MOST_AXES]
    whole = [trial for trial in measured if all(one.name in trial.parameters for one in chosen)]
    if not whole or not chosen:
        return sentence(_nothing(wanted, chosen, measured), results, title)
    drawn, note = thinned(whole, 5 * MOST_POINTS, results.best(wanted, MOST_POINTS))
    values = [one.value(wanted) for one in drawn]
    lines = go.Parcoords(
        dimensions=[{"label": label(wanted), "values": values}, *(_upright(one, drawn) for one in chosen)],
        line={
            "color": values,
            "colorscale": _SCALE,
            "reversescale": results.minimises(wanted),
            "colorbar": {"title": {"text": label(wanted)}},
            "showscale": True,
        },
        labelangle=-20,
        labelside="bottom",
    )
    lacking = len(measured) - len(whole)
    left = len(results.dimensions) - len(chosen) if parameters is None else 0
    notes = [
        note,
        f"not shown, for they lack one of the parameters: {lacking:,} trials" if lacking else "",
        f"parameters that are not shown unless they are named: {left}" if left else "",
    ]
    return figure([lines], results, title, notes=notes)


def slices(
    source: Source,
    name: str | None = None,
    *,
    namespace: str | None = None,
    parameters: Sequence[str] | None = None,
    metric: str | None = None,
) -> Figure:
    """Draw the value against each parameter, coloured by the order of the trials.

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
        parameters: By default all.
        metric: By default the first objective.
    """
    graph_objects()
    title = "Slices"
    results = results_of(source, name, namespace)
    wanted = results.metric(metric)
    measured = results.measured(wanted)
    chosen = [one for one in results.chosen(parameters) if any(one.name in trial.parameters for trial in measured)]
    shown = chosen[:_MOST_AXES]
    if not shown:
        return sentence(_nothing(wanted, chosen, measured), results, title)
    from optuna.visualization import plot_slice

    from katib.viz.optuna_study import study_of

    # Each parameter repeats all values.
    drawn, note = thinned(
        measured, max(_LEAST_POINTS, 3 * MOST_POINTS // len(shown)), results.best(wanted, MOST_POINTS)
    )
    study = study_of(drawn, shown, wanted, minimise=results.minimises(wanted))
    made = plot_slice(study, target_name=label(wanted))
    left = len(chosen) - len(shown)
    titled(made, results, title, [note, f"parameters that are not shown unless they are named: {left}" if left else ""])
    return made


def contour(
    source: Source,
    name: str | None = None,
    *,
    namespace: str | None = None,
    parameters: Sequence[str] | None = None,
    metric: str | None = None,
) -> Figure:
    """Draw the value over two parameters as a surface seen from above, or over each pair of up to five.

    Between trials the surface is a guess: linear where they surround a place, and nothing outside.

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
        parameters: By default the two that matter most.
        metric: By default the first objective.

    Raises:
        InvalidInput: These are not two to five parameters.
    """
    graph_objects()
    title = "Contour"
    results = results_of(source, name, namespace)
    wanted = results.metric(metric)
    measured = results.measured(wanted)
    chosen = results.chosen(parameters)
    if parameters is None:
        chosen = _two_that_matter(results, measured, wanted)
    elif not _PLANE <= len(chosen) <= _MOST_CONTOURS:
        raise InvalidInput(
            [Problem("parameters", f"a contour needs 2 to {_MOST_CONTOURS} different ones, these are {len(chosen)}")]
        )
    if len(chosen) < _PLANE:
        return sentence("A contour needs two parameters, each with two values in the trials.", results, title)
    pairs = list(itertools.combinations(chosen, 2))
    both = [[one for one in measured if x.name in one.parameters and y.name in one.parameters] for x, y in pairs]
    if not any(both):
        return sentence(_nothing(wanted, chosen, measured), results, title)
    if len(pairs) == 1:
        made = graph_objects().Figure()
        places: list[tuple[int | None, int | None]] = [(None, None)]
    else:
        from plotly.subplots import make_subplots

        size = len(chosen) - 1
        made = make_subplots(rows=size, cols=size)
        order = {one.name: place for place, one in enumerate(chosen)}
        places = [(order[y.name], order[x.name] + 1) for x, y in pairs]
    note = ""
    for (x, y), trials, (row, column) in zip(pairs, both, places, strict=True):
        drawn, note = thinned(trials, max(_LEAST_POINTS, MOST_POINTS // len(pairs)), results.best(wanted, MOST_POINTS))
        for trace in _surface_traces(x, y, trials, drawn, wanted, minimise=results.minimises(wanted)):
            trace.update(**({"showscale": (row, column) == places[0]} if trace.type == "contour" else {}))
            made.add_trace(trace, row=row, col=column)
        # Planes below and beside each other share what their axes mean.
        made.update_xaxes(_axis(x, titled=row in {None, len(chosen) - 1}), row=row, col=column)
        made.update_yaxes(_axis(y, titled=column in {None, 1}), row=row, col=column)
    titled(made, results, title, [note])
    return made


def importance(
    source: Source, name: str | None = None, *, namespace: str | None = None, metric: str | None = None
) -> Figure:
    """Draw how much of the differences between values each parameter explains (Optuna's fANOVA, always with the same seed).

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
        metric: By default the first objective.
    """
    go = graph_objects()
    title = "Importance"
    results = results_of(source, name, namespace)
    wanted = results.metric(metric)
    measured = results.measured(wanted)
    weights = _weights(results, measured, wanted)
    if not weights:
        return sentence(
            f"Importances need trials with different values of {wanted!r}, and a parameter with different values "
            "that all of them have.",
            results,
            title,
        )
    names = list(reversed(weights))
    bars = go.Bar(
        x=[weights[one] for one in names],
        y=[label(one) for one in names],
        orientation="h",
        text=[f"{weights[one]:.2f}" for one in names],
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    seen = min(len(measured), _IMPORTANCE_TRIALS)
    return figure(
        [bars],
        results,
        title,
        notes=[f"for {wanted}, by {seen:,} trials"],
        xaxis={"title": {"text": "Share of the differences"}, "range": [0, 1.05]},
        yaxis={"type": "category"},
    )


def _weights(results: Results, measured: Sequence[Result], metric: str) -> dict[str, float]:
    """Return the importance of each parameter, the greatest first; nothing where it cannot be told."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    from katib.viz.optuna_study import shared_by_all, study_of

    newest = measured[-_IMPORTANCE_TRIALS:]
    shared = shared_by_all(results.dimensions, newest) if newest else []
    if not shared or len({one.value(metric) for one in newest}) < 2:  # noqa: PLR2004 - what differs
        return {}
    # Shares do not depend on the unit.
    unit = max(abs(one.value(metric) or 0.0) for one in newest)
    study = study_of(newest, shared, metric, minimise=results.minimises(metric), unit=unit)
    evaluator = FanovaImportanceEvaluator(n_trees=_TREES, max_depth=_DEPTH, seed=0)
    found = get_param_importances(study, evaluator=evaluator)
    names = {label(one.name): one.name for one in shared}
    return {names[shown]: float(weight) for shown, weight in found.items()}


def _two_that_matter(results: Results, measured: Sequence[Result], metric: str) -> list[Dimension]:
    known = {one.name: one for one in results.dimensions}
    values: dict[str, set[float | str]] = {}
    for trial in measured:
        for name, value in trial.parameters.items():
            values.setdefault(name, set()).add(value)
    varied = [name for name in known if len(values.get(name, ())) > 1]
    if len(varied) > _PLANE:
        weights = _weights(results, measured, metric)
        varied = [*(name for name in weights if name in varied), *(name for name in varied if name not in weights)]
    return [known[name] for name in varied[:_PLANE]]


def _surface_traces(
    x: Dimension, y: Dimension, trials: Sequence[Result], drawn: Sequence[Result], metric: str, *, minimise: bool
) -> list[Any]:
    go = graph_objects()
    traces = []
    grid = surface(x, y, trials, metric)
    if grid is not None:
        traces.append(
            go.Contour(
                x=grid.x,
                y=grid.y,
                z=grid.z,
                colorscale=_SCALE,
                reversescale=minimise,
                colorbar={"title": {"text": label(metric)}},
                contours={"coloring": "heatmap"},
                line={"width": 0.5},
                hoverinfo="skip",
            )
        )
    traces.append(
        go.Scatter(
            x=[_place(x, one) for one in drawn],
            y=[_place(y, one) for one in drawn],
            mode="markers",
            showlegend=False,
            marker={"color": "#222222", "size": 5, "opacity": 0.6, "line": {"width": 1, "color": "#dddddd"}},
            hovertext=[f"{hover_lines(one)}<br>{label(metric)} = {one.value(metric):.6g}" for one in drawn],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    return traces


def _upright(dimension: Dimension, drawn: Sequence[Result]) -> dict[str, Any]:
    """Return a parameter as an axis beside others: a logarithmic one by its powers of ten, words by their places."""
    axis: dict[str, Any] = {"label": label(dimension.name)}
    places = [_place(dimension, one) for one in drawn]
    if dimension.log:
        places = [math.log10(place) for place in places]
        powers = range(math.floor(min(places)), math.ceil(max(places)) + 1)
        axis |= {"tickvals": list(powers), "ticktext": [f"{10.0**power:g}" for power in powers]}
    elif not dimension.numeric:
        axis |= {
            "tickvals": list(range(len(dimension.choices))),
            "ticktext": [label(choice) for choice in dimension.choices],
        }
    elif len(set(places)) <= _FEW_TICKS:
        axis["tickvals"] = sorted(set(places))
    return axis | {"values": places}


def _place(dimension: Dimension, trial: Result) -> float:
    """Return where a trial stands on an axis: words stand at the numbers of their places."""
    value = trial.parameters[dimension.name]
    return value if isinstance(value, float) else float(dimension.choices.index(value))


def _axis(dimension: Dimension, *, titled: bool) -> dict[str, Any]:
    axis: dict[str, Any] = {"title": {"text": label(dimension.name)}} if titled else {}
    if dimension.log:
        axis["type"] = "log"
    elif not dimension.numeric:
        axis |= {"tickvals": list(range(len(dimension.choices))), "ticktext": [label(one) for one in dimension.choices]}
    return axis


def _nothing(metric: str, chosen: Sequence[Dimension], measured: Sequence[Result]) -> str:
    if not measured:
        return f"No trial has a value of {metric!r} yet."
    if not chosen:
        return "The experiment has no parameters to draw."
    return "No trial has all of these parameters: " + ", ".join(one.name for one in chosen[:10])
