"""From the names the world uses to the integer keys inside."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from katib.errors import InvalidInput, NotFound, Problem
from katib.store.sql.schema import LONGEST_NAME, experiments, metrics, trials
from katib.store.sql.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

__all__ = [
    "IN_LIMIT",
    "check_length",
    "digest_of",
    "experiment_key",
    "lock_experiment",
    "metric_keys",
    "trial_key",
    "trial_keys",
]

IN_LIMIT = 500
"""Values in one IN list; databases bound the number of parameters of a statement."""

_EXPERIMENT = select(experiments.c.id).where(experiments.c.uid == bindparam("uid"))
_LOCK_EXPERIMENT = _EXPERIMENT.with_for_update(key_share=True)  # rows of other tables may refer to it meanwhile
_TRIAL = (
    select(trials.c.id)
    .join(experiments)
    .where(experiments.c.uid == bindparam("uid"), trials.c.name == bindparam("name"))
)
_TRIALS = (
    select(trials.c.name, trials.c.id)
    .join(experiments)
    .where(experiments.c.uid == bindparam("uid"), trials.c.name.in_(bindparam("names", expanding=True)))
)
_METRICS = select(metrics.c.digest, metrics.c.id).where(metrics.c.digest.in_(bindparam("digests", expanding=True)))
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


def trial_keys(connection: Connection, uid: str, names: Sequence[str]) -> dict[str, int]:
    """Return the keys of trials by their names, or raise NotFound where one of them is not there."""
    found: dict[str, int] = {}
    for start in range(0, len(names), IN_LIMIT):
        asked = {"uid": uid, "names": names[start : start + IN_LIMIT]}
        found.update((name, key) for name, key in connection.execute(_TRIALS, asked))
    for name in names:
        if name not in found:
            trial_key(connection, uid, name)  # says what is not there
    return found


def lock_experiment(connection: Connection, uid: str) -> int:
    """Return the key of an experiment that no other writer changes until the transaction ends, or raise NotFound.

    A call that takes the number of a change (``next_change``) locks its experiment first: always in that order, so that no two
    writers wait for each other.
    """
    key = connection.execute(_LOCK_EXPERIMENT, {"uid": uid}).scalar()
    return experiment_key(connection, uid) if key is None else int(key)


def check_length(what: str, name: str) -> None:
    """Raise InvalidInput for a name that is longer than the columns of names."""
    if len(storable(name)) > LONGEST_NAME:
        raise InvalidInput([Problem(what, f"has {len(name)} characters, the store takes {LONGEST_NAME}")])


def digest_of(name: str) -> str:
    """Return what stands for the name of a metric in its index."""
    return hashlib.sha256(name.encode()).hexdigest()


def metric_keys(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the keys of metrics, giving keys to those seen for the first time (inside a write transaction).

    Args:
        names: As the database holds them (``storable``).
    """
    digests = {digest_of(name): name for name in names}
    wanted = sorted(digests)  # an order for all writers, so that no two wait for each other
    keys = _known_metrics(connection, wanted)
    new = [{"name": digests[digest], "digest": digest} for digest in wanted if digest not in keys]
    if new:
        connection.execute(_NEW_METRIC, new)
        keys.update(_known_metrics(connection, [row["digest"] for row in new]))
    return {digests[digest]: key for digest, key in keys.items()}


def _known_metrics(connection: Connection, digests: Sequence[str]) -> dict[str, int]:
    keys: dict[str, int] = {}
    for start in range(0, len(digests), IN_LIMIT):
        rows = connection.execute(_METRICS, {"digests": digests[start : start + IN_LIMIT]})
        keys.update((digest, key) for digest, key in rows)
    return keys
