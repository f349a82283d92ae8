"""Steps of migrations that can be taken again: where DDL is not transactional, a killed upgrade has taken some of them already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column

__all__ = ["add_column", "create_index", "drop_not_null"]


def add_column(op: Any, table: str, column: Column[Any]) -> None:
    """Add a column unless it is there."""
    if column.name not in {known["name"] for known in inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def create_index(op: Any, name: str, table: str, columns: Sequence[str], *, unique: bool = False) -> None:
    """Create an index unless it is there."""
    if name not in {known["name"] for known in inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns, unique=unique)


def drop_not_null(op: Any, table: str, column: Column[Any]) -> None:
    """Let a column be NULL unless it may be already.

    SQLite has no statement for it; its way is to edit the table's definition, which is safe for what does not change the rows.
    """
    bind = op.get_bind()
    known = {known["name"]: known for known in inspect(bind).get_columns(table)}
    if known[column.name]["nullable"]:
        return
    if bind.dialect.name != "sqlite":
        op.alter_column(table, column.name, nullable=True, existing_type=column.type)
        return
    old = f"{column.name} {column.type.compile(bind.dialect)} NOT NULL"
    (version,) = bind.exec_driver_sql("PRAGMA schema_version").one()
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    edited = bind.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ? AND instr(sql, ?) > 0",
        (old, old.removesuffix(" NOT NULL"), table, old),
    )
    if edited.rowcount != 1:
        raise RuntimeError(f"the definition of {table} has no {old!r}")
    bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = OFF")
