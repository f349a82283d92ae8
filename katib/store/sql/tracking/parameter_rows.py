"""Hyperparameters in a table of their own, typed, so that a search compares numbers with numbers. In the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from katib.errors import Conflict, InvalidInput, Problem
from katib.store.sql.key_lists import ByLists, among_keys
from katib.store.sql.keys import digest_of
from katib.store.sql.row_inserts import RowInsert
from katib.store.sql.text import storable
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import parameter_names, parameters
from katib.store.sql.values import pack
from katib.store.summary import reported_number
from katib.store.tracking.records import Parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

__all__ = [
    "add_parameters",
    "check_names",
    "delete_parameters",
    "insert_parameters",
    "parameters_of",
    "replace_parameters",
]

_NAMES = ByLists(
    lambda among: select(parameter_names.c.digest, parameter_names.c.id).where(
        among(parameter_names.c.digest, "digests")
    )
)
_NEW_NAME = insert(parameter_names)
_INSERT = RowInsert(parameters)
_READ = (
    select(parameters.c.trial_id, parameter_names.c.name, parameters.c.text)
    .join(parameter_names)
    .where(among_keys(parameters.c.trial_id, "trials"))
    .order_by(parameters.c.trial_id, parameters.c.parameter_id)
)
_CLEAR = delete(parameters).where(parameters.c.trial_id.in_(bindparam("trials", expanding=True)))


def parameters_of(connection: Connection, runs: Sequence[int]) -> dict[int, tuple[Parameter, ...]]:
    """Return the parameters of runs by key, in the order in which their names were first seen; who has none is absent."""
    found: dict[int, list[Parameter]] = {}
    for some in chunks(runs):
        for run, name, text in connection.execute(_READ, {"trials": some}).all():
            found.setdefault(run, []).append(Parameter(name, text, reported_number(text)))
    return {run: tuple(some) for run, some in found.items()}


def replace_parameters(connection: Connection, given: Mapping[int, Iterable[tuple[str, str]]]) -> None:
    """Make these the parameters of runs, whatever they had."""
    for some in chunks(list(given)):
        connection.execute(_CLEAR, {"trials": some})
    insert_parameters(connection, given)


def insert_parameters(connection: Connection, given: Mapping[int, Iterable[tuple[str, str]]]) -> None:
    """Give parameters to runs that have none of these."""
    wanted = {run: {storable(name): storable(text) for name, text in some} for run, some in given.items()}
    keys = _keys(connection, dict.fromkeys(name for some in wanted.values() for name in some))
    rows = [
        {"trial_id": run, "parameter_id": keys[name], "text": text, "number": pack(reported_number(text))[0]}
        for run, some in wanted.items()
        for name, text in some.items()
    ]
    _INSERT.execute(connection, rows)


def check_names(given: Iterable[str]) -> None:
    """Raise InvalidInput for a parameter without a name."""
    if not all(given):
        raise InvalidInput([Problem("the name of a parameter", "is required")])


def add_parameters(connection: Connection, run: int, given: Mapping[str, str], *, replace: bool) -> bool:
    """Add parameters to a run whose row is locked or new, and return whether that changed anything.

    Raises:
        Conflict: One has another text, and is not to be replaced.
        InvalidInput: A name is empty.
    """
    check_names(given)
    known = {parameter.name: parameter.text for parameter in parameters_of(connection, [run]).get(run, ())}
    wanted = {storable(name): storable(text) for name, text in given.items()}
    other = sorted(name for name in wanted.keys() & known.keys() if wanted[name] != known[name])
    if other and not replace:
        told = ", ".join(f"{name!r} is {known[name]!r} and not {wanted[name]!r}" for name in other[:5])
        raise Conflict(f"parameters keep their values: {told}")
    if other:
        delete_parameters(connection, run, other)
    new = {name: text for name, text in wanted.items() if name not in known or name in other}
    insert_parameters(connection, {run: new.items()})
    return bool(new)


def delete_parameters(connection: Connection, run: int, names: Collection[str] | None) -> None:
    """Remove parameters of a run, or all."""
    mine = delete(parameters).where(parameters.c.trial_id == run)
    if names is None:
        connection.execute(mine)
        return
    for some in chunks(sorted({digest_of(storable(name)) for name in names})):
        of_names = select(parameter_names.c.id).where(parameter_names.c.digest.in_(some))
        connection.execute(mine.where(parameters.c.parameter_id.in_(of_names)))


def _keys(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the keys of names, giving keys to those seen for the first time, in the order given."""
    digests = {digest_of(name): name for name in names}
    keys = _known(connection, list(digests))
    new = [{"name": name, "digest": digest} for digest, name in digests.items() if digest not in keys]
    if new:
        connection.execute(_NEW_NAME, new)
        keys |= _known(connection, [row["digest"] for row in new])
    return {digests[digest]: key for digest, key in keys.items()}


def _known(connection: Connection, digests: Sequence[str]) -> dict[str, int]:
    return dict(_NAMES.rows(connection, {"digests": digests}))
