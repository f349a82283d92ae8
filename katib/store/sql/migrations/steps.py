"""Steps of migrations that can be taken again: where DDL is not transactional, a killed upgrade has taken some of them already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column

__all__ = ["add_column", "create_index"]


def add_column(op: Any, table: str, column: Column[Any]) -> None:
    """Add a column unless it is there."""
    if column.name not in {known["name"] for known in inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def create_index(op: Any, name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """Create an index unless it is there."""
    if name not in {known["name"] for known in inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns, unique=unique)
