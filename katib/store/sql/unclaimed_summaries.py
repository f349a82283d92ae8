"""Summaries of what was reported of trials that no experiment has yet. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from katib.store.protocol import Summary
from katib.store.sql.named_trials import claim, find_named
from katib.store.sql.schema import metrics, unclaimed_observations
from katib.store.summary import Fold, reported_number

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

__all__ = ["unclaimed_summaries"]

_ROWS = (
    select(metrics.c.name, unclaimed_observations.c.text, unclaimed_observations.c.time)
    .join(metrics, metrics.c.id == unclaimed_observations.c.metric_id)
    .where(unclaimed_observations.c.trial_id == bindparam("trial"))
    .order_by(unclaimed_observations.c.sequence)
)


def unclaimed_summaries(
    connection: Connection, namespace: str, names: Collection[str]
) -> dict[str, dict[str, Summary]]:
    """Return the summaries of trials by name and metric; those of experiments, and those nobody reported of, are absent."""
    found: dict[str, dict[str, Summary]] = {}
    for name, trials in find_named(connection, names).items():
        chosen = claim(trials, namespace)
        if chosen.known is not None or not chosen.unclaimed:
            continue
        folds: dict[str, Fold] = {}
        for metric, text, time in connection.execute(_ROWS, {"trial": chosen.unclaimed[0]}):
            folds.setdefault(metric, Fold()).add(text, reported_number(text), time)
        if folds:
            found[name] = {
                metric: Summary(first=fold.first, latest=fold.latest, min=fold.min, max=fold.max, count=fold.count)
                for metric, fold in folds.items()
            }
    return found
