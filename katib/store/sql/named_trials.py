"""Finds trials by their name alone, as Katib's wire has them. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, insert, select

from katib.store.sql.key_lists import ByLists
from katib.store.sql.schema import experiments, trials, unclaimed_trials
from katib.store.sql.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

__all__ = ["Chosen", "Found", "Named", "any_unclaimed", "claim", "find_named", "forget_unclaimed", "new_unclaimed"]

_KNOWN = ByLists(
    lambda among: (
        select(trials.c.name, trials.c.id, experiments.c.namespace)
        .join(experiments)
        .where(among(trials.c.name, "names"))
        .order_by(trials.c.created.desc(), trials.c.id.desc())
    )
)
_UNCLAIMED = ByLists(
    lambda among: (
        select(unclaimed_trials.c.name, unclaimed_trials.c.id, unclaimed_trials.c.namespace)
        .where(among(unclaimed_trials.c.name, "names"))
        .order_by(unclaimed_trials.c.id.desc())
    )
)
_INSERT = insert(unclaimed_trials)
_DELETE = delete(unclaimed_trials).where(unclaimed_trials.c.id == bindparam("key"))


class Named(NamedTuple):
    """One trial of a name.

    Attributes:
        key: In its table.
        namespace: Empty where unknown.
    """

    key: int
    namespace: str


class Found(NamedTuple):
    """All trials of a name, the most recent ones first.

    Attributes:
        known: Of experiments.
        unclaimed: Of none.
    """

    known: list[Named]
    unclaimed: list[Named]


class Chosen(NamedTuple):
    """The trial that is meant.

    Attributes:
        known: Its key among the trials of experiments; None where none is meant.
        unclaimed: The keys of what was reported before its experiment had it; for an unknown one, its own key, if it has one.
        of: The namespaces among which there was a choice, the chosen one first; empty where there was none.
    """

    known: int | None
    unclaimed: Sequence[int]
    of: tuple[str, ...] = ()


def any_unclaimed(connection: Connection, names: Sequence[str]) -> bool:
    """Whether something was reported of a trial of one of the names that no experiment had."""
    return bool(_UNCLAIMED.rows(connection, {"names": [storable(name) for name in names]}))


def find_named(connection: Connection, names: Iterable[str]) -> dict[str, Found]:
    """Return the trials of each name; a name that nobody has is there with none."""
    found = {name: Found([], []) for name in map(storable, names)}
    wanted = sorted(found)
    for name, key, namespace in _KNOWN.rows(connection, {"names": wanted}):
        found[name].known.append(Named(key, namespace))
    for name, key, namespace in _UNCLAIMED.rows(connection, {"names": wanted}):
        found[name].unclaimed.append(Named(key, namespace))
    return found


def claim(found: Found, namespace: str | None) -> Chosen:
    """Return which of the trials of a name is meant.

    Args:
        found: All of them.
        namespace: Where it is; None if nobody said.
    """
    if namespace is not None:
        namespace = storable(namespace)
    known = [trial for trial in found.known if namespace in (None, trial.namespace)]
    if known:
        own = known[0].namespace
        return Chosen(
            known[0].key,
            [trial.key for trial in found.unclaimed if trial.namespace in ("", own)],
            _choice(known, namespace),
        )
    if namespace is None:
        return Chosen(None, [trial.key for trial in found.unclaimed[:1]], _choice(found.unclaimed, namespace))
    # What nobody said the namespace of may well be the same trial; its own namespace counts more.
    unclaimed = sorted(
        (trial for trial in found.unclaimed if trial.namespace in (namespace, "")),
        key=lambda trial: trial.namespace != namespace,
    )
    return Chosen(None, [trial.key for trial in unclaimed[:1]])


def _choice(trials_of_name: Sequence[Named], namespace: str | None) -> tuple[str, ...]:
    several = namespace is None and len(trials_of_name) > 1
    return tuple(trial.namespace for trial in trials_of_name) if several else ()


def new_unclaimed(connection: Connection, name: str, namespace: str | None) -> int:
    """Give a trial that no experiment has a key (inside a write transaction)."""
    row = {"name": name, "namespace": namespace or "", "next_sequence": 0}
    key = connection.execute(_INSERT, row).inserted_primary_key
    return int(key[0]) if key else 0


def forget_unclaimed(connection: Connection, keys: Iterable[int]) -> None:
    """Remove trials that no experiment has, with what was reported of them."""
    for key in keys:
        connection.execute(_DELETE, {"key": key})
