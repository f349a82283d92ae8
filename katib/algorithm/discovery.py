"""Finds plug-ins by name: those in the folder ``suggestions`` and those that installed packages offer; algorithms and early stoppers alike.

Which file holds which name is read from its class statements, without running it: listing all names imports no numpy, and asking
for one plug-in imports that one. Other packages offer theirs through an entry-point group. One that cannot be read, loaded or made is
reported with its name when it is asked for, and never stands in the way of the others; a file that cannot even be read for its class
statements goes by the name of the file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import typing
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar

from katib.api.similar import did_you_mean
from katib.errors import AlgorithmError, InvalidInput, Problem

if TYPE_CHECKING:
    from katib.algorithm.settings import AlgorithmSettings

__all__ = ["Catalogue", "Description", "SettingDescription", "forget", "said"]

_PACKAGE: Final = "suggestions"


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting as people read about it."""

    name: str
    type: str
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Description:
    """One plug-in as people read about it."""

    name: str
    summary: str
    details: str
    settings: tuple[SettingDescription, ...]


class _Named(Protocol):
    """What algorithms and early stoppers have in common."""

    name: ClassVar[str]
    Settings: ClassVar[type[AlgorithmSettings]]


PluginT = TypeVar("PluginT", bound=_Named)


@dataclass(frozen=True, slots=True)
class _Listing:
    """Where a plug-in's class is, its base and the first line of its docstring."""

    base: str
    name: str
    module: str
    class_name: str
    summary: str


@cache
def _shipped() -> tuple[_Listing, ...]:
    """Read the class statements ``class X(Algorithm, name="x")`` of our own files; of a file that cannot be read, its name."""
    spec = importlib.util.find_spec(_PACKAGE)
    found: list[_Listing] = []
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.py")):
            module = f"{_PACKAGE}.{path.stem}"
            try:
                body = ast.parse(path.read_bytes(), path.name).body
            except (OSError, SyntaxError, ValueError, RecursionError):
                found.append(_Listing("", path.stem, module, "", "cannot be read"))
                continue
            found += [listing for node in body if isinstance(node, ast.ClassDef) for listing in _listed(node, module)]
    return tuple(found)


def _listed(node: ast.ClassDef, module: str) -> list[_Listing]:
    named = [keyword.value for keyword in node.keywords if keyword.arg == "name"]
    summary = (ast.get_docstring(node) or "").split("\n", 1)[0]
    return [
        _Listing(base.id, str(value.value), module, node.name, summary)
        for base in node.bases
        if isinstance(base, ast.Name)
        for value in named
        if isinstance(value, ast.Constant)
    ]


@cache
def _offered(group: str) -> dict[str, EntryPoint]:
    """Return what other packages offer."""
    return {point.name: point for point in entry_points(group=group)}


def forget() -> None:
    """Look again at files and packages when the next question comes; for tests that add some."""
    _shipped.cache_clear()
    _offered.cache_clear()


def said(error: Exception) -> str:
    """Return what a plug-in's error says, with its type."""
    return f"{type(error).__name__}: {error}"


class Catalogue(Generic[PluginT]):
    """Every plug-in of one kind.

    Args:
        base: The class they derive from; files name it so in their class statements.
        kind: What messages call one, such as ``algorithm``.
        group: The entry-point group in which other packages offer theirs.
    """

    def __init__(self, base: type[PluginT], *, kind: str, group: str) -> None:
        self._base: type[PluginT] = base
        self._kind = kind
        self._group = group

    def _shipped(self) -> dict[str, _Listing]:
        found: dict[str, _Listing] = {}
        for listing in _shipped():
            if listing.base == self._base.__name__:
                found[listing.name] = listing
            elif not listing.base:
                found.setdefault(listing.name, listing)
        return found

    def _offered(self) -> dict[str, EntryPoint]:
        """Return what other packages offer; our own names cannot be taken."""
        shipped = self._shipped()
        return {name: point for name, point in _offered(self._group).items() if name not in shipped}

    def names(self) -> list[str]:
        """Return every name, sorted."""
        return sorted({*self._shipped(), *self._offered()})

    def summaries(self) -> dict[str, str]:
        """Return one line about each, by name, without importing any of ours."""
        listed = {name: listing.summary for name, listing in self._shipped().items()}
        offered = {name: f"from {point.value}" for name, point in self._offered().items()}
        return dict(sorted({**offered, **listed}.items()))

    def get(self, name: str) -> type[PluginT]:
        """Return a plug-in's class.

        Raises:
            InvalidInput: There is none of this name.
            AlgorithmError: There is one, and it cannot be loaded.
        """
        listing, point = self._shipped().get(name), self._offered().get(name)
        if listing is None and point is None:
            raise InvalidInput([self.unknown(name, "")])
        origin = listing.module if listing else point.value if point else ""
        try:
            if listing is not None:
                loaded = getattr(importlib.import_module(listing.module), listing.class_name)
            else:
                loaded = point.load() if point else None
        except Exception as error:  # importing a plug-in runs its code, which may raise anything
            raise AlgorithmError(f"{self._kind} {name!r} of {origin} cannot be loaded: {said(error)}") from error
        if not (isinstance(loaded, type) and issubclass(loaded, self._base)):
            base = f"{self._base.__module__}.{self._base.__name__}"
            raise AlgorithmError(f"{self._kind} {name!r}: {origin} is no subclass of {base}")
        loaded.name = name
        return loaded

    def unknown(self, name: str, path: str) -> Problem:
        """Return what to say of a name that nobody has."""
        known = self.names()
        return Problem(
            path,
            f"is no {self._kind}; there are {', '.join(known)}",
            name,
            did_you_mean(name, known),
            katib_text=f"unknown algorithm name {name}",
        )

    def describe(self, name: str) -> Description:
        """Return what people want to know of a plug-in; raises as ``get`` does."""
        plugin = self.get(name)
        lines = (plugin.__doc__ or "").strip().split("\n", 1)
        settings = tuple(
            SettingDescription(
                name=field_name,
                type=_type_name(field.annotation),
                default="required" if field.is_required() else "" if field.default is None else str(field.default),
                description=" ".join((field.description or "").split()),
            )
            for field_name, field in plugin.Settings.model_fields.items()
        )
        details = "\n".join(line.strip() for line in lines[1].strip().splitlines()) if len(lines) > 1 else ""
        return Description(name, lines[0], details, settings)


def _type_name(annotation: Any) -> str:
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return " | ".join(map(str, arguments))
    if typing.get_origin(annotation) is typing.Annotated:
        return _type_name(arguments[0])
    if arguments:
        return " | ".join(_type_name(argument) for argument in arguments if argument is not type(None))
    return str(getattr(annotation, "__name__", annotation))
