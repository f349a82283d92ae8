"""Rows by a list of keys: on PostgreSQL as one parameter, because an ``IN`` of a hundred costs its driver more than the answer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Integer, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import Boolean

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["among_keys"]


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
