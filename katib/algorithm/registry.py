"""Algorithms by name: which there are, what an experiment asks of one, and a fresh instance of it.

How they are found is ``katib.algorithm.discovery``; other packages offer theirs through the entry-point group ``katib.algorithms``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.discovery import Catalogue, Description, SettingDescription, said
from katib.algorithm.problem import SearchProblem
from katib.algorithm.settings import parse_settings
from katib.errors import AlgorithmError, InvalidInput, KatibError, Problem
from katib.space.space import Space

if TYPE_CHECKING:
    from katib.api.experiment import Experiment

__all__ = [
    "Description",
    "SettingDescription",
    "assigned_texts",
    "create",
    "describe",
    "get",
    "names",
    "problems",
    "space_of",
    "summaries",
]

GROUP: Final = "katib.algorithms"
_PATH: Final = "spec.algorithm.algorithmSettings"
_NAME_PATH: Final = "spec.algorithm.algorithmName"
_CATALOGUE: Final = Catalogue(Algorithm, kind="algorithm", group=GROUP)  # type: ignore[type-abstract]  # only subclasses are made


def names() -> list[str]:
    """Return every algorithm's name, sorted."""
    return _CATALOGUE.names()


def summaries() -> dict[str, str]:
    """Return one line about each algorithm, by name, without importing any of ours."""
    return _CATALOGUE.summaries()


def get(name: str) -> type[Algorithm]:
    """Return an algorithm's class.

    Raises:
        InvalidInput: There is none of this name.
        AlgorithmError: There is one, and it cannot be loaded.
    """
    return _CATALOGUE.get(name)


def describe(name: str) -> Description:
    """Return what people want to know of an algorithm; raises as ``get`` does."""
    return _CATALOGUE.describe(name)


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
        return algorithm(SearchProblem.from_experiment(experiment, seed, algorithm.assigns), settings)
    except KatibError:
        raise
    except Exception as error:  # the same holds for its constructor
        raise AlgorithmError(f"algorithm {stated.algorithm_name!r} cannot begin: {said(error)}") from error


def problems(experiment: Experiment) -> list[Problem]:
    """Return what is wrong with an experiment's algorithm: its name, its settings, or that it cannot do what is asked.

    The experiment's space has to be valid already.
    """
    stated = experiment.spec.algorithm
    if stated is None or not stated.algorithm_name:
        return [Problem("spec.algorithm" if stated is None else _NAME_PATH, "is required")]
    if stated.algorithm_name not in names():
        return [_CATALOGUE.unknown(stated.algorithm_name, _NAME_PATH)]
    try:
        algorithm = get(stated.algorithm_name)
        if (experiment.spec.nas_config is not None) != bool(algorithm.assigns):
            return [_other_kind(stated.algorithm_name, algorithm)]
        problem = SearchProblem.from_experiment(experiment, experiment.spec.seed or 0, algorithm.assigns)
        settings = parse_settings(
            algorithm.Settings, stated.algorithm_settings, algorithm=stated.algorithm_name, path=_PATH
        )
        return list(algorithm.validate(problem, settings))
    except InvalidInput as error:
        return list(error.problems)
    except AlgorithmError as error:
        return [Problem(_NAME_PATH, str(error))]
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the user learns which one did
        message = f"algorithm {stated.algorithm_name!r} failed to check the experiment: {said(error)}"
        return [Problem(_NAME_PATH, message)]


def _other_kind(name: str, algorithm: type[Algorithm]) -> Problem:
    if algorithm.assigns:
        return Problem(
            "spec.parameters", f"algorithm {name!r} searches networks: it needs nasConfig instead of parameters"
        )
    return Problem("spec.nasConfig", f"algorithm {name!r} searches parameters, not networks: use enas or darts")


def assigned_texts(experiment: Experiment) -> tuple[str, ...]:
    """Return the names of the texts that are a point's values in place of parameters; none where there are parameters."""
    stated = experiment.spec.algorithm
    if experiment.spec.nas_config is None or stated is None:
        return ()
    try:
        return get(stated.algorithm_name).assigns
    except KatibError:  # said by ``problems``
        return ()


def space_of(experiment: Experiment) -> Space:
    """Return the space of a validated, defaulted experiment: that of its parameters, or of its algorithm's texts."""
    return Space.from_spec(experiment.spec, assigns=assigned_texts(experiment))
