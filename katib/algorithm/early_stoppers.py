"""Early stoppers by name: which there are, what an experiment asks of one, and a fresh instance of it.

The counterpart of ``katib.algorithm.registry``; other packages offer theirs through the entry-point group ``katib.early_stoppers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.algorithm.discovery import Catalogue, Description, SettingDescription, said
from katib.algorithm.early_stopper import EarlyStopper
from katib.algorithm.problem import SearchProblem
from katib.algorithm.registry import assigned_texts
from katib.algorithm.settings import parse_settings
from katib.errors import AlgorithmError, InvalidInput, KatibError, Problem

if TYPE_CHECKING:
    from katib.api.experiment import AlgorithmSpec, Experiment

__all__ = [
    "Description",
    "SettingDescription",
    "create",
    "describe",
    "get",
    "names",
    "problems",
    "settings_problems",
    "summaries",
]

GROUP: Final = "katib.early_stoppers"
_PATH: Final = "spec.earlyStopping.algorithmSettings"
_NAME_PATH: Final = "spec.earlyStopping.algorithmName"
_CATALOGUE: Final = Catalogue(EarlyStopper, kind="early stopper", group=GROUP)  # type: ignore[type-abstract]  # only subclasses are made


def names() -> list[str]:
    """Return every early stopper's name, sorted."""
    return _CATALOGUE.names()


def summaries() -> dict[str, str]:
    """Return one line about each early stopper, by name, without importing any of ours."""
    return _CATALOGUE.summaries()


def get(name: str) -> type[EarlyStopper]:
    """Return an early stopper's class.

    Raises:
        InvalidInput: There is none of this name.
        AlgorithmError: There is one, and it cannot be loaded.
    """
    return _CATALOGUE.get(name)


def describe(name: str) -> Description:
    """Return what people want to know of an early stopper; raises as ``get`` does."""
    return _CATALOGUE.describe(name)


def create(experiment: Experiment, seed: int) -> EarlyStopper:
    """Return a fresh instance of an experiment's early stopper.

    Raises:
        InvalidInput: It asks for none, there is no such early stopper, or its settings or the problem do not suit it.
        AlgorithmError: It cannot be loaded.
    """
    stated = experiment.spec.early_stopping
    if stated is None:
        raise InvalidInput([Problem("spec.earlyStopping", "is required")])
    found = problems(experiment)
    if found:
        raise InvalidInput(found)
    try:
        problem = SearchProblem.from_experiment(experiment, seed, assigned_texts(experiment))
        return get(stated.algorithm_name)(problem, _settings(stated))
    except KatibError:
        raise
    except Exception as error:  # a plug-in's constructor may raise anything
        raise AlgorithmError(f"early stopper {stated.algorithm_name!r} cannot begin: {said(error)}") from error


def problems(experiment: Experiment) -> list[Problem]:
    """Return what is wrong with an experiment's early stopping; nothing where there is none.

    The experiment's space has to be valid already.
    """
    stated = experiment.spec.early_stopping
    if stated is None:
        return []
    found = settings_problems(stated)
    if found:
        return found
    try:
        problem = SearchProblem.from_experiment(experiment, experiment.spec.seed or 0, assigned_texts(experiment))
        return list(get(stated.algorithm_name).validate(problem, _settings(stated)))
    except InvalidInput as error:
        return list(error.problems)
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the user learns which one did
        message = f"early stopper {stated.algorithm_name!r} failed to check the experiment: {said(error)}"
        return [Problem(_NAME_PATH, message)]


def settings_problems(stated: AlgorithmSpec) -> list[Problem]:
    """Return what is wrong with a name and its settings alone, without an experiment (Katib's ValidateEarlyStoppingSettings)."""
    if not stated.algorithm_name:
        return [Problem(_NAME_PATH, "is required", katib_text="unknown algorithm name ")]
    if stated.algorithm_name not in names():
        return [_CATALOGUE.unknown(stated.algorithm_name, _NAME_PATH)]
    try:
        _settings(stated)
    except InvalidInput as error:
        return list(error.problems)
    except AlgorithmError as error:
        return [Problem(_NAME_PATH, str(error))]
    except Exception as error:  # noqa: BLE001 - a plug-in's validators may raise anything
        message = f"early stopper {stated.algorithm_name!r} failed to check its settings: {said(error)}"
        return [Problem(_NAME_PATH, message)]
    return []


def _settings(stated: AlgorithmSpec) -> Any:
    name = stated.algorithm_name
    return parse_settings(
        get(name).Settings, stated.algorithm_settings, algorithm=name, path=_PATH, kind="early stopper"
    )
