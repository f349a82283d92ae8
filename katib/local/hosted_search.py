"""Finds experiments of a store by what they are; reads whole documents only of those that are returned, or whose labels are asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from katib.api.similar import did_you_mean
from katib.engine.conditions import current
from katib.errors import InvalidInput, NotFound, Problem
from katib.experiments.protocol import Page
from katib.store.tracking.records import Lifecycle

if TYPE_CHECKING:
    from katib.api.experiment import Experiment, ExperimentStatus
    from katib.experiments.protocol import ExperimentQuery
    from katib.store.protocol import ExperimentSummary, Store
    from katib.store.tracking.protocol import Tracking

__all__ = ["deleted_uids", "find", "state_of"]

_STATES: Final = ("Created", "Running", "Restarting", "Succeeded", "Failed", "Stopped")


def state_of(status: ExperimentStatus | None) -> str:
    """Return the type of the current condition; before the first one it is ``Created``."""
    condition = current(status.conditions) if status is not None else None
    return condition.type if condition is not None else _STATES[0]


def find(store: Store, namespace: str | None, query: ExperimentQuery) -> Page:
    """Return a page of experiments; see ``Experiments.find``.

    Raises:
        InvalidInput: No page has such a size or comes after such a place, or a state is none.
    """
    begin = _place(query)
    found: list[Experiment] = []
    for summary in sorted(store.experiments(namespace), key=_key):
        if (begin is not None and _key(summary) <= begin) or not _fits(summary, query):
            continue
        try:
            experiment = store.experiment(summary.namespace, summary.name)
        except NotFound:  # since just now
            continue
        labels = experiment.metadata.labels or {}
        if any(labels.get(name) != value for name, value in query.labels.items()):
            continue
        if len(found) == query.limit:  # there is one more
            last = found[-1].metadata
            return Page(tuple(found), json.dumps([last.namespace, last.name]))
        found.append(experiment)
    return Page(tuple(found))


def _key(summary: ExperimentSummary) -> tuple[str, str]:
    return summary.namespace, summary.name


def _fits(summary: ExperimentSummary, query: ExperimentQuery) -> bool:
    return (
        (not query.states or state_of(summary.status) in query.states)
        and (not query.algorithm or summary.algorithm == query.algorithm)
        and summary.name.startswith(query.name_prefix)
    )


def _place(query: ExperimentQuery) -> tuple[str, str] | None:
    """Return after which experiment a page begins, having checked the query."""
    problems = []
    if query.limit < 1:
        problems.append(Problem("limit", "must be 1 or more", query.limit))
    for state in query.states:
        if state not in _STATES:
            hint = did_you_mean(state, _STATES)
            problems.append(Problem("states", f"is no state; there are {', '.join(_STATES)}", state, hint=hint))
    place = None
    if query.after:
        try:
            match json.loads(query.after):
                case [str(namespace), str(name)]:
                    place = namespace, name
        except (ValueError, RecursionError):
            pass
        if place is None:
            problems.append(Problem("after", "is not what a page before this one said; begin again", query.after))
    if problems:
        raise InvalidInput(problems)
    return place


def deleted_uids(tracking: Tracking, name: str) -> list[str]:
    """Return the uids of the deleted experiments that had a name."""
    found: list[str] = []
    cursor = None
    while True:
        page = tracking.find_searches(lifecycle=Lifecycle.DELETED, cursor=cursor)
        found += [search.id for search in page.items if search.name == name]
        cursor = page.cursor
        if cursor is None:
            return found
