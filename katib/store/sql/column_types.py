"""Column types that hold the same on every database: any text, compared byte by byte, and documents of any length.

Migrations use them too, so what a type makes on a database never changes once that database is supported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, Text, TypeDecorator
from sqlalchemy.dialects import mysql
from typing_extensions import override

from katib.store.sql.text import storable

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["TABLE_OPTIONS", "Document", "StoredName", "StoredText"]

TABLE_OPTIONS: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
"""What every table says, because a database of MySQL may have other defaults."""

_ESCAPE: Final = "\x1a"
"""The character "substitute": PostgreSQL's text has no NUL, which is stored as this one and a zero; this one is stored doubled."""

_ESCAPED: Final = re.compile("[\x00\x1a]")
_UNESCAPED: Final = re.compile("\x1a(.)", re.DOTALL)


def _collation(dialect: Dialect) -> str | None:
    """Return the collation under which names differ when any of their bytes does, trailing blanks included."""
    if dialect.name == "postgresql":
        return "C"
    if dialect.name == "mysql":
        return "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
    return None


class StoredName(TypeDecorator[str]):
    """A name that anyone may look for: what a database cannot hold is escaped instead of failing the query."""

    impl = String
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        if dialect.name == "mysql":
            return mysql.VARCHAR(self._length, charset="utf8mb4", collation=_collation(dialect))
        return String(self._length, collation=_collation(dialect))

    @property
    def _length(self) -> int | None:
        length: int | None = getattr(self.impl, "length", None)
        return length

    @override
    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        text = storable(value)
        if dialect.name == "postgresql" and ("\x00" in text or _ESCAPE in text):
            return _ESCAPED.sub(lambda found: _ESCAPE + ("0" if found[0] == "\x00" else _ESCAPE), text)
        return text

    @override
    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is not None and dialect.name == "postgresql" and _ESCAPE in value:
            return _UNESCAPED.sub(lambda found: "\x00" if found[1] == "0" else found[1], value)
        return value


class StoredText(StoredName):
    """Text as reported by strangers, of any length."""

    impl = Text
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        if dialect.name == "mysql":
            return mysql.LONGTEXT(charset="utf8mb4", collation=_collation(dialect))
        return Text(collation=_collation(dialect))


class Document(TypeDecorator[str]):
    """A document as JSON text (control characters are escaped in it), of any length."""

    impl = Text
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        if dialect.name == "mysql":
            return mysql.LONGTEXT(charset="utf8mb4", collation=_collation(dialect))
        return Text()
