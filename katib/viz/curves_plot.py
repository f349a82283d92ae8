"""What trials reported on their way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.viz.figures import STATE_COLOURS, Figure, figure, graph_objects, hover_lines, label, sentence
from katib.viz.source import results_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.viz.results import Curve, Result, Results
    from katib.viz.source import Source

__all__ = ["MOST_CURVES", "learning_curves"]

MOST_CURVES: Final = 100
_MOST_STEPS: Final = 300
_TITLE: Final = "Learning curves"


def learning_curves(
    source: Source,
    name: str | None = None,
    *,
    namespace: str | None = None,
    metric: str | None = None,
    trials: Sequence[str] | None = None,
) -> Figure:
    """Draw what trials reported of a metric, step by step; the best trial stands out.

    Args:
        source: What has the trials (``katib.viz``).
        name: The experiment, where ``source`` has several.
        namespace: Its namespace, likewise.
        metric: By default the first objective.
        trials: Which, by name; by default all, or of more than a hundred the best and the newest ones.

    Raises:
        InvalidInput: More than a hundred are named.
        NotFound: There is no trial of a name.
    """
    graph_objects()
    results = results_of(source, name, namespace)
    wanted = results.metric(metric)
    if trials is not None and len(set(trials)) > MOST_CURVES:
        raise InvalidInput(
            [Problem("trials", f"at most {MOST_CURVES} curves can be told apart, these are {len(set(trials))}")]
        )
    chosen = _chosen(results, wanted) if trials is None else results.named(trials)
    curves = [(one, results.curve(one.name, wanted)) for one in chosen]
    drawn = [(one, curve) for one, curve in curves if curve]
    if not drawn:
        return sentence(f"No trial has reported {wanted!r} on its way.", results, _TITLE)
    best = next(iter(results.best(wanted, 1)), None)
    drawn.sort(key=lambda pair: pair[0] is best)  # the last one is drawn above the others
    notes = []
    if trials is None and len(results.trials) > len(chosen):
        notes.append(f"{len(chosen):,} of {len(results.trials):,} trials are shown: the best and the newest ones")
    return figure(
        [_line(one, curve, is_best=one is best) for one, curve in drawn],
        results,
        _TITLE,
        notes=notes,
        xaxis={"title": {"text": "Step"}},
        yaxis={"title": {"text": label(wanted)}},
        showlegend=len(drawn) <= MOST_CURVES // 5,
    )


def _chosen(results: Results, metric: str) -> list[Result]:
    if len(results.trials) <= MOST_CURVES:
        return list(results.trials)
    kept = {one.index: one for one in results.best(metric, MOST_CURVES // 2)}
    for one in reversed(results.trials):
        if len(kept) == MOST_CURVES:
            break
        kept.setdefault(one.index, one)
    return sorted(kept.values(), key=lambda one: one.index)


def _line(trial: Result, curve: Curve, *, is_best: bool) -> Any:
    shown = _fewer(curve)
    colour = STATE_COLOURS[trial.state]
    return graph_objects().Scatter(
        x=[step for step, _ in shown],
        # What is no finite number leaves a gap.
        y=[value if math.isfinite(value) else None for _, value in shown],
        mode="lines+markers" if len(shown) == 1 or is_best else "lines",
        name=f"{label(trial.name)}{' (best)' if is_best else ''}",
        line={"color": colour, "width": 3 if is_best else 1},
        marker={"size": 4},
        opacity=1.0 if is_best else 0.5,
        text=hover_lines(trial),
        hovertemplate="%{text}<br>step %{x}: %{y}<extra></extra>",
    )


def _fewer(curve: Curve) -> Curve:
    """Return so many steps that a screen can show them, the first and the last ones always."""
    if len(curve) <= _MOST_STEPS:
        return curve
    stride = (len(curve) - 1) / (_MOST_STEPS - 1)
    return [curve[round(place * stride)] for place in range(_MOST_STEPS)]
