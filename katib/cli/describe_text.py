"""The building blocks of ``describe``: fields, sections and tables with kubectl's indents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.age import age
from katib.cli.safe_text import one_line, width
from katib.cli.table import table_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from katib.api.base import Condition
    from katib.store.protocol import Event

__all__ = ["condition_section", "event_section", "fields", "section"]


def fields(pairs: Iterable[tuple[str, object]], *, indent: int = 0) -> list[str]:
    """Return ``Name:   value`` lines with their values aligned; a value of several lines goes on below itself."""
    shown = [(one_line(name), str(value)) for name, value in pairs if value not in {None, ""}]
    widest = max((width(name) for name, _ in shown), default=0) + 3
    lines: list[str] = []
    for name, value in shown:
        first, *rest = value.splitlines() or [""]
        lines.append(" " * indent + f"{name}:" + " " * (widest - width(name) - 1) + one_line(first))
        lines += [" " * (indent + widest) + one_line(line) for line in rest]
    return lines


def section(title: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a titled table, or nothing when it has no rows."""
    return [f"{title}:", *(f"  {line}" for line in table_lines(heading, rows))] if rows else []


def condition_section(conditions: Sequence[Condition], at: datetime) -> list[str]:
    """Return the conditions, the current one last."""
    rows = [
        [item.type, item.status, item.reason or "", age(item.last_transition_time, at), _first_line(item.message)]
        for item in conditions
    ]
    return section("Conditions", ["TYPE", "STATUS", "REASON", "AGE", "MESSAGE"], rows)


def event_section(events: Sequence[Event], at: datetime) -> list[str]:
    """Return what happened, the newest last."""
    rows = []
    for event in events:
        times = f"{age(event.last, at)} (x{event.count})" if event.count > 1 else age(event.last, at)
        rows.append([event.kind, event.reason, times, event.trial or "", _first_line(event.message)])
    return section("Events", ["TYPE", "REASON", "AGE", "TRIAL", "MESSAGE"], rows) or ["Events:  <none>"]


def _first_line(message: str | None) -> str:
    """Return what a message is about; it may go on, as a traceback or the last lines of a log do."""
    return (message or "").split("\n", 1)[0]
