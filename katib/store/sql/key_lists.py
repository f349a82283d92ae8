"""Rows by a list of keys: short lists without writing the statement anew, and long ones on PostgreSQL as one parameter.

SQLAlchemy writes the text of an ``IN`` anew for each list: with one value that took three times as long as all the rest of the statement.
And an ``IN`` of a hundred costs PostgreSQL's driver more than the answer takes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import ARRAY, Integer, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import Boolean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, CursorResult, Executable

__all__ = ["IN_LIMIT", "Among", "ByLists", "among_keys"]

IN_LIMIT: Final = 500
"""Values in one IN list; databases bound the number of parameters of a statement."""

_SHORT: Final = (1, 2, 4, 8, 16)
"""How long the lists of statements are that are written once; a list between two of them repeats its last value."""


class Among(Protocol):
    """Returns whether a column has one of the values of a list, which is named as parameters are."""

    def __call__(self, column: ColumnElement[Any], name: str, /) -> ColumnElement[bool]:
        """Return it."""


class ByLists:
    """A statement about the values of one list, or of several that are equally long.

    Example::

        _NAMED = ByLists(lambda among: select(trials.c.id).where(among(trials.c.name, "names")))
        rows = _NAMED.rows(connection, {"names": ["search-1", "search-2"]})

    Args:
        make: Makes the statement; given what compares a column with a list.
    """

    def __init__(self, make: Callable[[Among], Executable]) -> None:
        self._make = make
        self._short: dict[int, Executable] = {}
        self._long: Executable | None = None

    def rows(
        self, connection: Connection, lists: Mapping[str, Sequence[Any]], values: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Return the rows of as many executions as the lists need.

        Args:
            connection: In the caller's transaction.
            lists: By name; equally long.
            values: Of the other parameters.
        """
        length = max(map(len, lists.values()), default=0)
        if 0 < length <= IN_LIMIT:
            return list(self._execute(connection, lists, values or {}))
        found: list[Any] = []
        for start in range(0, length, IN_LIMIT):
            some = {name: each[start : start + IN_LIMIT] for name, each in lists.items()}
            found += self._execute(connection, some, values or {})
        return found

    def _execute(
        self, connection: Connection, lists: Mapping[str, Sequence[Any]], values: Mapping[str, Any]
    ) -> CursorResult[Any]:
        statement, given = self.prepared(lists)
        return connection.execute(statement, {**values, **given})

    def prepared(self, lists: Mapping[str, Sequence[Any]]) -> tuple[Executable, Mapping[str, Any]]:
        """Return the statement for lists of this length, and their parameters."""
        length = max(map(len, lists.values()))
        size = next((size for size in _SHORT if size >= length), None)
        if size is None:
            if self._long is None:
                self._long = self._make(_in_any)
            return self._long, lists
        statement = self._short.get(size)
        if statement is None:
            statement = self._short[size] = self._make(partial(_in_some, size))
        given = {
            f"{name}_{number}": each[min(number, len(each) - 1)]
            for name, each in lists.items()
            for number in range(size)
        }
        return statement, given


def _in_some(size: int, column: ColumnElement[Any], name: str, /) -> ColumnElement[bool]:
    if size == 1:
        return column == bindparam(f"{name}_0", type_=column.type)
    return column.in_([bindparam(f"{name}_{number}", type_=column.type) for number in range(size)])


def _in_any(column: ColumnElement[Any], name: str, /) -> ColumnElement[bool]:
    return column.in_(bindparam(name, expanding=True))


class _AmongKeys(GenericFunction[bool]):
    """Whether a column has one of the keys."""

    type = Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True  # or else databases without booleans compare it with 1, and use no index
    _register = False


@compiles(_AmongKeys)
def _in_list(element: Any, compiler: Any, **more: Any) -> str:
    # SQLite has no driver to speak of, and reads whole tables where it does not know how short a list is.
    column, keys = element.clauses
    return str(compiler.process(column.in_(bindparam(keys.key, expanding=True)), **more))


@compiles(_AmongKeys, "postgresql")
def _in_array(element: Any, compiler: Any, **more: Any) -> str:
    column, keys = (compiler.process(clause, **more) for clause in element.clauses)
    return f"{column} = ANY ({keys})"


def among_keys(column: ColumnElement[int], parameter: str) -> ColumnElement[bool]:
    """Return whether a column has one of the keys that a parameter lists when the statement is executed."""
    return _AmongKeys(column, bindparam(parameter, type_=ARRAY(Integer)))
