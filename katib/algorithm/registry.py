"""Finds algorithms and early stoppers by name: those in the folder ``suggestions`` and those that installed packages offer.

Which file holds which name is read from its class statements, without running it: listing all names imports no numpy, and asking
for one algorithm imports that one. Other packages offer theirs through the entry-point group ``katib.algorithms``. One that cannot
be read, loaded or made is reported with its name when it is asked for, and never stands in the way of the others; a file that cannot
even be read for its class statements goes by the name of the file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.problem import SearchProblem
from katib.algorithm.settings import parse_settings
from katib.api.similar import did_you_mean
from katib.errors import AlgorithmError, InvalidInput, KatibError, Problem

if TYPE_CHECKING:
    from katib.api.experiment import Experiment

__all__ = ["Description", "SettingDescription", "create", "describe", "get", "names", "problems", "summaries"]

GROUP: Final = "katib.algorithms"
_PACKAGE: Final = "suggestions"
_PATH: Final = "spec.algorithm.algorithmSettings"


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One setting as people read about it."""

    name: str
    type: str
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class Description:
    """One algorithm as people read about it."""

    name: str
    summary: str
    details: str
    settings: tuple[SettingDescription, ...]


@dataclass(frozen=True, slots=True)
class _Listing:
    """Where an algorithm's class is and the first line of its docstring."""

    module: str
    class_name: str
    summary: str


@cache
def _shipped() -> dict[str, _Listing]:
    """Read the class statements ``class X(Algorithm, name="x")`` of our own files."""
    spec = importlib.util.find_spec(_PACKAGE)
    found: dict[str, _Listing] = {}
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.py")):
            module = f"{_PACKAGE}.{path.stem}"
            try:
                body = ast.parse(path.read_bytes(), path.name).body
            except (OSError, SyntaxError, ValueError, RecursionError):
                found.setdefault(path.stem, _Listing(module, "", "cannot be read"))
                continue
            for node in body:
                if isinstance(node, ast.ClassDef) and (name := _stated_name(node)):
                    summary = (ast.get_docstring(node) or "").split("\n", 1)[0]
                    found[name] = _Listing(module, node.name, summary)
    return found


def _stated_name(node: ast.ClassDef) -> str | None:
    if not any(isinstance(base, ast.Name) and base.id == "Algorithm" for base in node.bases):
        return None
    for keyword in node.keywords:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None


@cache
def _offered() -> dict[str, EntryPoint]:
    """Return what other packages offer; our own names cannot be taken."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in _shipped()}


def names() -> list[str]:
    """Return every algorithm's name, sorted."""
    return sorted({*_shipped(), *_offered()})


def summaries() -> dict[str, str]:
    """Return one line about each algorithm, by name, without importing any of ours."""
    listed = {name: listing.summary for name, listing in _shipped().items()}
    return dict(sorted({**{name: f"from {point.value}" for name, point in _offered().items()}, **listed}.items()))


def get(name: str) -> type[Algorithm]:
    """Return an algorithm's class.

    Raises:
        InvalidInput: There is none of this name.
        AlgorithmError: There is one, and it cannot be loaded.
    """
    listing, point = _shipped().get(name), _offered().get(name)
    if listing is None and point is None:
        raise InvalidInput([_unknown(name, "")])
    origin = listing.module if listing else point.value if point else ""
    try:
        if listing is not None:
            loaded = getattr(importlib.import_module(listing.module), listing.class_name)
        else:
            loaded = point.load() if point else None
    except Exception as error:  # importing a plug-in runs its code, which may raise anything
        raise AlgorithmError(f"algorithm {name!r} of {origin} cannot be loaded: {_said(error)}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Algorithm)):
        raise AlgorithmError(f"algorithm {name!r}: {origin} is no subclass of katib.algorithm.algorithm.Algorithm")
    loaded.name = name
    return loaded


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _unknown(name: str, path: str) -> Problem:
    known = names()
    return Problem(path, f"is no algorithm; there are {', '.join(known)}", name, did_you_mean(name, known))


def describe(name: str) -> Description:
    """Return what people want to know of an algorithm; raises as ``get`` does."""
    algorithm = get(name)
    lines = (algorithm.__doc__ or "").strip().split("\n", 1)
    settings = tuple(
        SettingDescription(
            name=field_name,
            type=_type_name(field.annotation),
            default="required" if field.is_required() else "" if field.default is None else str(field.default),
            description=" ".join((field.description or "").split()),
        )
        for field_name, field in algorithm.Settings.model_fields.items()
    )
    details = "\n".join(line.strip() for line in lines[1].strip().splitlines()) if len(lines) > 1 else ""
    return Description(name, lines[0], details, settings)


def _type_name(annotation: Any) -> str:
    import typing

    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return " | ".join(map(str, arguments))
    if typing.get_origin(annotation) is typing.Annotated:
        return _type_name(arguments[0])
    if arguments:
        return " | ".join(_type_name(argument) for argument in arguments if argument is not type(None))
    return str(getattr(annotation, "__name__", annotation))


def create(experiment: Experiment, seed: int) -> Algorithm:
    """Return a fresh instance of an experiment's algorithm.

    Raises:
        InvalidInput: There is no such algorithm, or its settings or the problem do not suit it.
        AlgorithmError: It cannot be loaded.
    """
    found = problems(experiment)
    if found:
        raise InvalidInput(found)
    stated = experiment.spec.algorithm
    if stated is None:
        raise InvalidInput([Problem("spec.algorithm", "is required")])
    algorithm = get(stated.algorithm_name)
    settings = parse_settings(
        algorithm.Settings, stated.algorithm_settings, algorithm=stated.algorithm_name, path=_PATH
    )
    try:
        return algorithm(SearchProblem.from_experiment(experiment, seed), settings)
    except KatibError:
        raise
    except Exception as error:  # the same holds for its constructor
        raise AlgorithmError(f"algorithm {stated.algorithm_name!r} cannot begin: {_said(error)}") from error


def problems(experiment: Experiment) -> list[Problem]:
    """Return what is wrong with an experiment's algorithm: its name, its settings, or that it cannot do what is asked.

    The experiment's space has to be valid already.
    """
    stated = experiment.spec.algorithm
    if stated is None or not stated.algorithm_name:
        return [Problem("spec.algorithm" if stated is None else "spec.algorithm.algorithmName", "is required")]
    if stated.algorithm_name not in names():
        return [_unknown(stated.algorithm_name, "spec.algorithm.algorithmName")]
    problem = SearchProblem.from_experiment(experiment, experiment.spec.seed or 0)
    try:
        algorithm = get(stated.algorithm_name)
        settings = parse_settings(
            algorithm.Settings, stated.algorithm_settings, algorithm=stated.algorithm_name, path=_PATH
        )
        return list(algorithm.validate(problem, settings))
    except InvalidInput as error:
        return list(error.problems)
    except AlgorithmError as error:
        return [Problem("spec.algorithm.algorithmName", str(error))]
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the user learns which one did
        message = f"algorithm {stated.algorithm_name!r} failed to check the experiment: {_said(error)}"
        return [Problem("spec.algorithm.algorithmName", message)]
