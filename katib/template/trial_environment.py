"""The variables by which a trial knows what it is: the same on one machine and on a cluster. ``katib.current_trial`` reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from katib.api.typed_value import typed_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from katib.api.experiment import ExperimentSpec

__all__ = ["parameter_kinds", "trial_environment"]

_LONGEST: Final = 100_000
"""Bytes of a variable; the kernel starts no program with one of 128 KiB."""


def trial_environment(
    *,
    name: str,
    experiment: str,
    namespace: str,
    index: int | None,
    assignments: Iterable[tuple[str, str]],
    kinds: Mapping[str, str] | None,
) -> dict[str, str]:
    """Return the variables of a trial.

    Args:
        name: The trial's.
        experiment: Its experiment's name.
        namespace: Where both are.
        index: Its place in the experiment; None where that is not known.
        assignments: Its point, as texts.
        kinds: The types of the parameters; None where they are not known, so that values cannot be told.
    """
    found = {"KATIB_TRIAL_NAME": name, "KATIB_EXPERIMENT_NAME": experiment, "KATIB_NAMESPACE": namespace}
    if index is not None:
        found["KATIB_TRIAL_INDEX"] = str(index)
    if kinds is None:
        return found
    values = {parameter: typed_value(kinds.get(parameter, "categorical"), text) for parameter, text in assignments}
    text = json.dumps(values, separators=(",", ":"))
    if len(text) <= _LONGEST:  # the description of a network may be longer
        found["KATIB_TRIAL_PARAMETERS"] = text
    return found


def parameter_kinds(spec: ExperimentSpec) -> dict[str, str]:
    """Return the types of an experiment's parameters by name."""
    return {parameter.name: parameter.parameter_type for parameter in spec.parameters or []}
