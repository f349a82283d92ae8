"""An experiment with another budget than its file says, as ``--max-trials`` and ``--parallel`` ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.validate import problems
from katib.errors import InvalidExperiment

if TYPE_CHECKING:
    from katib.api.experiment import Experiment

__all__ = ["with_budget"]


def with_budget(
    experiment: Experiment,
    *,
    max_trials: int | None = None,
    parallel: int | None = None,
    max_failed: int | None = None,
    seed: int | None = None,
) -> Experiment:
    """Return the experiment with what is stated here instead; limits that were not stated are lowered to ``max_trials``.

    Raises:
        InvalidExperiment: It would not be valid any more.
    """
    stated = {
        "max_trial_count": max_trials,
        "parallel_trial_count": parallel,
        "max_failed_trial_count": max_failed,
        "seed": seed,
    }
    changes = {field: value for field, value in stated.items() if value is not None}
    if max_trials is not None and max_trials > 0:  # else that alone is what is wrong
        # Who tries a file with two trials means its other limits no more than its own.
        for field in {"parallel_trial_count", "max_failed_trial_count"} - changes.keys():
            limit = getattr(experiment.spec, field)
            if limit is not None and limit > max_trials:
                changes[field] = max_trials
    if not changes:
        return experiment
    changed = experiment.model_copy(update={"spec": experiment.spec.model_copy(update=changes)})
    found = problems(changed)
    if found:
        raise InvalidExperiment(found)
    return changed
