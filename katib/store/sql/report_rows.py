"""Reports that come over Katib's wire, each once, however often it comes. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam

from katib.store.observation_logs import Receipt
from katib.store.sql.appended_rows import Row, as_rows
from katib.store.sql.named_trials import Named, any_unclaimed, claim, find_named, forget_unclaimed, new_unclaimed
from katib.store.sql.reported_places import UNCLAIMED_ROWS, Place, add, lock
from katib.store.sql.schema import unclaimed_observations
from katib.store.sql.source_places import SourcePlaces
from katib.store.sql.stored_reports import count_stored, missing_rows
from katib.store.sql.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from katib.store.observation_logs import Report
    from katib.store.sql.named_trials import Chosen, Found

__all__ = ["claim_reports", "write_reports"]

_ALL_UNCLAIMED = UNCLAIMED_ROWS.where(unclaimed_observations.c.trial_id == bindparam("trial")).order_by(
    unclaimed_observations.c.sequence
)


def write_reports(connection: Connection, reports: Sequence[Report]) -> list[Receipt]:
    """Store what of the reports is not stored yet, and say what became of each."""
    groups = as_rows(connection, [report.samples for report in reports])
    found = find_named(connection, sorted({report.trial for report in reports}))
    chosen = [_choose(connection, report, found[storable(report.trial)]) for report in reports]
    by_place: dict[Place, list[int]] = {}
    numbered: dict[int, int] = {}
    for number, (report, choice) in enumerate(zip(reports, chosen, strict=True)):
        if not report.source:
            by_place.setdefault(_place(choice), []).append(number)
        elif choice.known is not None:
            numbered[number] = choice.known
    sources = {
        Place(known=False, key=key): _place(choice)
        for choice in chosen
        if choice.known is not None
        for key in choice.unclaimed
    }
    following = lock(
        connection, {*by_place, *(Place(known=True, key=key) for key in numbered.values()), *sources, *sources.values()}
    )
    for source, place in sources.items():
        _claim(connection, source, place, following)
    fresh: dict[Place, list[Row]] = {}
    stored = [0] * len(reports)
    counts = count_stored(
        connection,
        {place: [row for number in numbers for row in groups[number]] for place, numbers in by_place.items()},
    )
    for place, numbers in by_place.items():
        fresh[place] = []
        for number in numbers:
            missing = missing_rows(groups[number], counts[place])
            stored[number] = len(missing)
            fresh[place] += missing
    places = SourcePlaces(connection, numbered.values())
    for number, key in numbered.items():
        report = reports[number]
        new = groups[number][places.advance(key, report.source, report.first_sequence, len(report.samples)) :]
        stored[number] = len(new)
        fresh.setdefault(Place(known=True, key=key), []).extend(new)
    add(connection, fresh, following)
    places.write()
    return [
        Receipt(
            stored[number],
            len(rows) - stored[number] if number in numbered or not reports[number].source else 0,
            choice.of,
            places.following(numbered[number], reports[number].source) if number in numbered else None,
        )
        for number, (rows, choice) in enumerate(zip(groups, chosen, strict=True))
    ]


def claim_reports(connection: Connection, names: Sequence[str]) -> None:
    """Make what was reported of trials before an experiment had them part of these, which have just been recorded."""
    if not any_unclaimed(connection, names):
        return
    sources: dict[Place, Place] = {}
    for found in find_named(connection, names).values():
        # What says no namespace is of the most recent trial of the name, what says one is of the one there.
        for namespace in (None, *{trial.namespace for trial in found.known}):
            chosen = claim(found, namespace)
            if chosen.known is None:
                continue
            for trial in found.unclaimed:
                if trial.namespace == (namespace or ""):
                    sources[Place(known=False, key=trial.key)] = _place(chosen)
    following = lock(connection, {*sources, *sources.values()})
    for source, place in sources.items():
        _claim(connection, source, place, following)


def _choose(connection: Connection, report: Report, found: Found) -> Chosen:
    """Return the trial that a report is about; one that nobody knows is one from now on."""
    chosen = claim(found, report.namespace)
    if chosen.known is None and not chosen.unclaimed and not report.source:
        key = new_unclaimed(connection, report.trial, report.namespace)
        found.unclaimed.insert(0, Named(key, storable(report.namespace or "")))
        return chosen._replace(unclaimed=[key])
    return chosen


def _place(choice: Chosen) -> Place:
    if choice.known is not None:
        return Place(known=True, key=choice.known)
    return Place(known=False, key=choice.unclaimed[0])


def _claim(connection: Connection, source: Place, place: Place, following: dict[Place, int]) -> None:
    """Move what was reported before an experiment had the trial."""
    rows = connection.execute(_ALL_UNCLAIMED, {"trial": source.key}).all()
    add(connection, {place: [Row(metric, text, time) for metric, text, time, _ in rows]}, following)
    forget_unclaimed(connection, [source.key])
