"""Matching of texts in SQL that means the same on every database: cases differ, except where the letters A to Z are told not to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from katib.store.query.wildcards import glob, like

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["exact_text", "text_matches"]


class _Exact(FunctionElement[str]):
    """A text whose bytes are compared."""

    name = "exact_text"
    inherit_cache = True


class _Matches(FunctionElement[bool]):
    """A text, a pattern for LIKE and the same for GLOB; each database uses one of the two."""

    name = "text_matches"
    inherit_cache = True
    type = Boolean()


class _MatchesAnyCase(FunctionElement[bool]):
    """The same, whatever the case of the letters A to Z; the patterns are in small letters."""

    name = "text_matches_any_case"
    inherit_cache = True
    type = Boolean()


def exact_text(value: ColumnElement[str]) -> ColumnElement[str]:
    """Return a text of any column as one that is compared and sorted by its bytes, trailing blanks included."""
    exact = _Exact(value)
    exact.type = value.type
    return exact


def text_matches(value: ColumnElement[Any], pieces: list[str], *, ignores_case: bool) -> ColumnElement[bool]:
    """Return the condition under which a text is the pieces in their order with anything between them."""
    kind = _MatchesAnyCase if ignores_case else _Matches
    return kind(value, literal(like(pieces), value.type), literal(glob(pieces), value.type))


def _parts(element: FunctionElement[bool], compiler: SQLCompiler, **options: Any) -> tuple[str, str, str]:
    value, for_like, for_glob = element.clauses
    pattern = for_glob if compiler.dialect.name == "sqlite" else for_like
    return compiler.process(value, **options), compiler.process(pattern, **options), _binary(compiler)


@compiles(_Exact)
def _exact(element: _Exact, compiler: SQLCompiler, **options: Any) -> str:
    value = compiler.process(element.clauses, **options)
    if compiler.dialect.name == "sqlite":
        return f"({value})"
    if compiler.dialect.name == "mysql":
        collation = "utf8mb4_nopad_bin" if getattr(compiler.dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
        return f"(({value}) COLLATE {collation})"
    return f'(({value}) COLLATE "C")'


def _binary(compiler: SQLCompiler) -> str:
    return "utf8mb4_bin" if compiler.dialect.name == "mysql" else '"C"'


@compiles(_Matches)
def _matches(element: _Matches, compiler: SQLCompiler, **options: Any) -> str:
    value, pattern, binary = _parts(element, compiler, **options)
    if compiler.dialect.name == "sqlite":
        return f"({value} GLOB {pattern})"
    return f"({value} COLLATE {binary} LIKE {pattern} ESCAPE '!')"


@compiles(_MatchesAnyCase)
def _matches_any_case(element: _MatchesAnyCase, compiler: SQLCompiler, **options: Any) -> str:
    value, pattern, binary = _parts(element, compiler, **options)
    if compiler.dialect.name == "sqlite":
        return f"(lower({value}) GLOB {pattern})"
    if compiler.dialect.name == "mysql":
        # Its lower() knows all alphabets; that of Latin letters without accents is what the others do.
        small = value
        for code in range(ord("A"), ord("Z") + 1):
            small = f"REPLACE({small}, '{chr(code)}', '{chr(code + 32)}')"
        return f"({small} COLLATE {binary} LIKE {pattern} ESCAPE '!')"
    return f"(lower({value} COLLATE {binary}) LIKE {pattern} ESCAPE '!')"
