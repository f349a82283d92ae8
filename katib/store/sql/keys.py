"""From the names the world uses to the integer keys inside."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select

from katib.errors import InvalidInput, NotFound, Problem
from katib.store.sql.key_lists import IN_LIMIT, ByLists
from katib.store.sql.known_keys import known_keys
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
    "no_experiment",
    "trial_key",
    "trial_keys",
]

_EXPERIMENT = select(experiments.c.id).where(experiments.c.uid == bindparam("uid"))
_LOCK_EXPERIMENT = _EXPERIMENT.with_for_update(key_share=True)  # rows of other tables may refer to it meanwhile
_TRIAL = (
    select(trials.c.id)
    .join(experiments)
    .where(experiments.c.uid == bindparam("uid"), trials.c.name == bindparam("name"))
)
_TRIALS = ByLists(
    lambda among: (
        select(trials.c.name, trials.c.id)
        .join(experiments)
        .where(experiments.c.uid == bindparam("uid"), among(trials.c.name, "names"))
    )
)
_METRICS = ByLists(lambda among: select(metrics.c.digest, metrics.c.id).where(among(metrics.c.digest, "digests")))
_NEW_METRIC = insert(metrics)


def experiment_key(connection: Connection, uid: str) -> int:
    """Return the key of an experiment, or raise NotFound."""
    known = known_keys(connection)
    key = known.experiments.get(uid)
    if key is None:
        key = connection.execute(_EXPERIMENT, {"uid": uid}).scalar()
        if key is None:
            raise no_experiment(uid)
        known.experiments[uid] = key
    return key


def no_experiment(uid: str) -> NotFound:
    """Return what is said where an experiment is not there."""
    return NotFound(f"no experiment has the uid {uid!r}; it may have been deleted")


def trial_key(connection: Connection, uid: str, name: str) -> int:
    """Return the key of a trial, or raise NotFound."""
    known = known_keys(connection)
    key = known.trials.get((uid, name))
    if key is None:
        key = connection.execute(_TRIAL, {"uid": uid, "name": name}).scalar()
        if key is None:
            experiment_key(connection, uid)  # says so when it is the experiment that is not there
            raise NotFound(f"no trial is named {name!r} in this experiment")
        known.trials[uid, name] = key
    return key


def trial_keys(connection: Connection, uid: str, names: Sequence[str]) -> dict[str, int]:
    """Return the keys of trials by their names, or raise NotFound where one of them is not there."""
    known = known_keys(connection).trials
    unknown = [name for name in names if (uid, name) not in known]
    if unknown:
        for name, key in _TRIALS.rows(connection, {"names": unknown}, {"uid": uid}):
            known[uid, name] = key
    return {name: known.get((uid, name)) or trial_key(connection, uid, name) for name in names}


def lock_experiment(connection: Connection, uid: str) -> int:
    """Return the key of an experiment that no other writer changes until the transaction ends, or raise NotFound.

    A call that takes the number of a change (``next_change``) locks its experiment first: always in that order, so that no two
    writers wait for each other.
    """
    known = known_keys(connection)
    key = known.locked(uid)
    if key is None:
        key = connection.execute(_LOCK_EXPERIMENT, {"uid": uid}).scalar()
        if key is None:
            raise no_experiment(uid)
        known.lock(uid, key)
    return key


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
    return dict(_METRICS.rows(connection, {"digests": digests}))
