"""An experiment's status as the API server keeps it: bounded, however many trials there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.api.column_values import objective_text, parameters_text
from katib.engine.status import with_trial_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import ExperimentSpec, ExperimentStatus
    from katib.engine.ledger import Ledger

__all__ = ["NAME_LISTS", "experiment_status", "says_the_same"]

_LONGEST_LIST: Final = 100
"""Names in one list; the newest ones. An object in etcd must not grow with the number of trials."""
_MOST_OPTIMA: Final = 100
NAME_LISTS: Final = (
    "running_trial_list",
    "pending_trial_list",
    "failed_trial_list",
    "succeeded_trial_list",
    "killed_trial_list",
    "early_stopped_trial_list",
    "metrics_unavailable_trial_list",
)
"""Fields of a status with the names of trials."""


def experiment_status(
    status: ExperimentStatus, spec: ExperimentSpec, ledger: Ledger, *, waiting: str
) -> dict[str, Any]:
    """Return the status to write.

    Args:
        status: As the engine made it.
        spec: The experiment's, for the texts of its columns.
        ledger: For the lists of names.
        waiting: What the experiment waits for; becomes the message of its condition ``Running``.
    """
    listed = with_trial_lists(status, ledger)
    cut: dict[str, Any] = {name: (getattr(listed, name) or [])[-_LONGEST_LIST:] or None for name in NAME_LISTS}
    pareto = listed.pareto_optimal_trials
    if pareto is not None:
        cut["pareto_optimal_trials"] = pareto[:_MOST_OPTIMA]
    optimal = listed.current_optimal_trial
    if optimal is not None:
        cut["best_objective"] = objective_text(spec.objective, optimal.observation)
        cut["best_parameters"] = parameters_text(optimal.parameter_assignments)
    conditions = listed.conditions
    if waiting and conditions and conditions[-1].type == "Running":
        told = conditions[-1].model_copy(update={"message": f"Experiment is running: {waiting}"})
        conditions = [*conditions[:-1], told]
    return listed.model_copy(update={**cut, "conditions": conditions}).to_document()


def says_the_same(document: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two statuses differ at most in the order of names, which an operator does not know of an experiment it did not see run."""
    return _unordered(document) == _unordered(other)


def _unordered(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a status with its names in order; of a list that was cut, what order there was has decided, so that only its length counts."""
    found = dict(document)
    for name in [name for name in found if name.endswith("TrialList")]:
        names = found[name] or ()
        found[name] = sorted(names) if len(names) < _LONGEST_LIST else len(names)
    return found
