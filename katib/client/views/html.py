"""Experiments and trials as HTML for notebooks.

Everything that comes from elsewhere is escaped, long texts are cut, and there is no script, no font and no picture to fetch. Colours are
half transparent or the page's own, so that it reads on light and on dark ground.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from katib.api.metric_names import objective_names
from katib.client.views.standing import (
    ACTIVE,
    ENDED_WELL,
    Standing,
    TrialRow,
    columns_of,
    readable,
    short_number,
    spread,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from katib.api.experiment import Experiment, ExperimentSpec, ParameterSpec
    from katib.api.trial import Trial
    from katib.engine.trial import TrialRecord

__all__ = ["MOST_ROWS", "experiment_html", "standing_html", "table_html", "trial_html", "trials_html"]

MOST_ROWS: Final = 100
"""A table of more is no view any more; the first ones and the last ones are shown."""
_MOST_COLUMNS: Final = 30
_LONGEST: Final = 200
_CELL: Final = "padding:2px 10px 2px 0;text-align:left;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.25)"
_INHERITED: Final = "color:inherit;font-size:inherit"
"""Said to tables: in pages without a doctype they inherit nothing."""
_COLOURS: Final = {
    "Succeeded": "#2e9e5b",
    "EarlyStopped": "#3d7fd6",
    "Running": "#1c9db0",
    "Restarting": "#1c9db0",
    "Failed": "#d6503d",
    "MetricsUnavailable": "#c08a1e",
    "Killed": "#a057c4",
    "Stopping": "#a057c4",
    "Stopped": "#a057c4",
}
_GREY: Final = "#888888"


def experiment_html(experiment: Experiment, trials: Iterable[TrialRecord | Trial] | None = None) -> str:
    """Return an experiment: how far it has come, what it found, what it searches, and its trials where they are given."""
    known = None if trials is None else list(trials)
    standing = Standing.of(experiment, known)
    parts = [standing_html(standing), _facts(experiment.spec)]
    if experiment.spec.parameters:
        parts.append(_folded("Search space", _space(experiment.spec.parameters)))
    if known is not None:
        parts.append(table_html(known, experiment))
    return _framed("".join(parts))


def trials_html(trials: Iterable[TrialRecord | Trial], experiment: Experiment | None = None) -> str:
    """Return trials as a table, the best one marked where the experiment knows it."""
    return _framed(table_html(list(trials), experiment))


def trial_html(trial: TrialRecord | Trial) -> str:
    """Return one trial: state, metrics, parameters and why it ended so."""
    row = TrialRow.of(trial)
    head = f"<div><b>{_text(row.name)}</b> {_badge(row.state)} {_text(row.took)}</div>"
    why = "" if row.state in ENDED_WELL or not row.message else f"<div>{_text(row.message)}</div>"
    tables = [_pairs("Metrics", row.metrics, short=False), _pairs("Parameters", row.parameters, short=False)]
    return _framed(head + why + "".join(tables))


def standing_html(standing: Standing) -> str:
    """Return how far an experiment has come: a line, a bar and the best trial."""
    counts = " · ".join(
        f'<span style="color:{_COLOURS.get(state, _GREY)}">{count} {escape(spread(state))}</span>'
        for state, count in standing.counts.items()
    )
    of = "" if standing.most is None else f" of {standing.most}"
    head = (
        f"<div><b>{_text(standing.name)}</b> {_badge(standing.state)} {standing.ended}{of} trials"
        f"{f' · {counts}' if counts else ''}{f' · {_text(standing.took)}' if standing.took else ''}</div>"
    )
    bar = ""
    if standing.share is not None:
        colour = _COLOURS.get(standing.state, _GREY)
        bar = (
            '<div style="height:6px;max-width:40em;margin:4px 0;border-radius:3px;background:rgba(128,128,128,.25)">'
            f'<div style="height:6px;border-radius:3px;width:{standing.share:.1%};background:{colour}"></div></div>'
        )
    why = f"<div>{_text(standing.message)}</div>" if standing.state == "Failed" and standing.message else ""
    best = ""
    if standing.best_trial:
        values = ", ".join(
            f"{_text(name)} = <b>{_text(short_number(value))}</b>" for name, value in standing.best.items()
        )
        parameters = ", ".join(
            f"{_text(name)}={_text(short_number(value))}" for name, value in _first(standing.best_parameters).items()
        )
        best = f"<div>Best: {values} <small>({_text(standing.best_trial)}: {parameters})</small></div>"
    return head + bar + why + best


def _facts(spec: ExperimentSpec) -> str:
    aims = []
    if spec.objective:
        goal = "" if spec.objective.goal is None else f" (goal {spec.objective.goal:g})"
        aims.append(f"{escape(spec.objective.type)} {_text(spec.objective.objective_metric_name)}{goal}")
    aims += [f"{escape(one.type)} {_text(one.objective_metric_name)}" for one in spec.objectives or []]
    facts = [", ".join(aims)] if aims else []
    if spec.algorithm:
        facts.append(f"algorithm {_text(spec.algorithm.algorithm_name)}")
    if spec.parallel_trial_count is not None:
        facts.append(f"{spec.parallel_trial_count} at a time")
    return f"<div><small>{' · '.join(facts)}</small></div>"


def _space(parameters: Sequence[ParameterSpec]) -> str:
    lines = []
    for one in parameters[:MOST_ROWS]:
        space = one.feasible_space
        values = ", ".join(space.list) if space.list else f"{space.min or ''} … {space.max or ''}"
        step = f", step {space.step}" if space.step else ""
        drawn = f", {space.distribution}" if space.distribution else ""
        lines.append([_text(one.name), escape(one.parameter_type), _text(f"{values}{step}{drawn}")])
    return _table(["Name", "Type", "Values"], lines) + _left_out(len(parameters) - len(lines), "parameters")


def table_html(trials: Sequence[TrialRecord | Trial], experiment: Experiment | None = None) -> str:
    """Return trials as a table, without a frame."""
    if not trials:
        return "<div><small>There are no trials yet.</small></div>"
    half = MOST_ROWS // 2
    chosen = [*trials[:half], *trials[-half:]] if len(trials) > MOST_ROWS else trials
    shown = [TrialRow.of(trial, experiment.spec if experiment else None) for trial in chosen]
    metrics, parameters = columns_of(experiment, shown)
    metrics, parameters = metrics[: _MOST_COLUMNS // 3], parameters[:_MOST_COLUMNS]
    best = Standing.of(experiment).best_trial if experiment else ""
    aims = objective_names(experiment.spec) if experiment else ()
    lines = []
    for row in shown:
        name = f"<b>{_text(row.name)} ★</b>" if row.name == best else _text(row.name)
        why = "" if row.state in ENDED_WELL or row.state in ACTIVE else row.message.split("\n", 1)[0]
        values = [_text(short_number(row.metrics.get(one, ""))) for one in metrics]
        given = [_text(short_number(row.parameters.get(one, ""))) for one in parameters]
        lines.append([name, _badge(row.state), *values, *given, _text(row.took), _text(why)])
    heads = [f"<u>{_text(one)}</u>" if one in aims else _text(one) for one in metrics]
    table = _table(["Trial", "State", *heads, *(_text(one) for one in parameters), "Time", ""], lines)
    return table + _left_out(len(trials) - len(shown), "trials between the first and the last ones")


def _pairs(title: str, values: Mapping[str, str], *, short: bool = True) -> str:
    if not values:
        return ""
    shown = _first(values)
    lines = [[_text(name), _text(short_number(value) if short else value)] for name, value in shown.items()]
    return _table([escape(title), ""], lines) + _left_out(len(values) - len(shown), title.lower())


def _first(values: Mapping[str, str]) -> dict[str, str]:
    return dict(list(values.items())[:_MOST_COLUMNS])


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th style="{_CELL}">{one}</th>' for one in heads)
    body = "".join("<tr>" + "".join(f'<td style="{_CELL}">{one}</td>' for one in line) + "</tr>" for line in lines)
    return (
        f'<div style="overflow-x:auto"><table style="border-collapse:collapse;margin:4px 0;{_INHERITED}">'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _folded(title: str, inside: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def _left_out(count: int, what: str) -> str:
    return f"<div><small>{count} {escape(what)} are not shown.</small></div>" if count > 0 else ""


def _badge(state: str) -> str:
    colour = _COLOURS.get(state, _GREY)
    return (
        f'<span style="color:{colour};border:1px solid {colour};border-radius:3px;padding:0 4px">'
        f"{escape(readable(state))}</span>"
    )


def _text(text: str) -> str:
    """Return a text from elsewhere, on one line, cut and escaped."""
    line = readable(text)
    return escape(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")


def _framed(inside: str) -> str:
    return f'<div style="font-size:90%;line-height:1.5;color:inherit">{inside}</div>'
