"""From the names the world uses to the integer keys inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from katib.errors import NotFound
from katib.store.sql.schema import experiments, metrics, trials

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

__all__ = ["IN_LIMIT", "experiment_key", "metric_keys", "trial_key"]

IN_LIMIT = 500
"""Values in one IN list; databases bound the number of parameters of a statement."""

_EXPERIMENT = select(experiments.c.id).where(experiments.c.uid == bindparam("uid"))
_TRIAL = (
    select(trials.c.id)
    .join(experiments)
    .where(experiments.c.uid == bindparam("uid"), trials.c.name == bindparam("name"))
)
_METRICS = select(metrics.c.name, metrics.c.id).where(metrics.c.name.in_(bindparam("names", expanding=True)))
_METRIC = select(metrics.c.id).where(metrics.c.name == bindparam("name"))
_NEW_METRIC = insert(metrics)


def experiment_key(connection: Connection, uid: str) -> int:
    """Return the key of an experiment, or raise NotFound."""
    key = connection.execute(_EXPERIMENT, {"uid": uid}).scalar()
    if key is None:
        raise NotFound(f"no experiment has the uid {uid!r}; it may have been deleted")
    return int(key)


def trial_key(connection: Connection, uid: str, name: str) -> int:
    """Return the key of a trial, or raise NotFound."""
    key = connection.execute(_TRIAL, {"uid": uid, "name": name}).scalar()
    if key is None:
        experiment_key(connection, uid)  # says so when it is the experiment that is not there
        raise NotFound(f"no trial is named {name!r} in this experiment")
    return int(key)


def metric_keys(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the keys of metrics, giving keys to those seen for the first time (inside a write transaction).

    Args:
        names: As the database holds them (``storable``).
    """
    wanted = list(dict.fromkeys(names))
    keys: dict[str, int] = {}
    for start in range(0, len(wanted), IN_LIMIT):
        rows = connection.execute(_METRICS, {"names": wanted[start : start + IN_LIMIT]})
        keys.update((name, key) for name, key in rows)
    for name in wanted:
        if name not in keys:
            connection.execute(_NEW_METRIC, {"name": name})
            keys[name] = connection.execute(_METRIC, {"name": name}).scalar_one()
    return keys
