"""Counts and times: how many trials, how long, from which seed, and which of them may change later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.api.duration import parse_duration
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import Experiment, ExperimentSpec

__all__ = ["budget_problems", "is_over", "update_problems"]

_EDITABLE: Final = ("maxFailedTrialCount", "maxRuntime", "maxTrialCount", "parallelTrialCount")


def budget_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Yield what is wrong with the budgets of an experiment."""
    parallel, most, failed = spec.parallel_trial_count, spec.max_trial_count, spec.max_failed_trial_count
    if parallel is not None and parallel < 1:
        yield Problem("spec.parallelTrialCount", "must be more than 0", parallel)
    if most is not None and most < 1:
        yield Problem("spec.maxTrialCount", "must be more than 0", most)
    if failed is not None and failed < 0:
        yield Problem("spec.maxFailedTrialCount", "must be 0 or more", failed)
    if most is not None and most > 0:
        if failed is not None and failed > most:
            yield Problem("spec.maxFailedTrialCount", f"must be at most maxTrialCount ({most})", failed)
        if parallel is not None and parallel > most:
            yield Problem("spec.parallelTrialCount", f"must be at most maxTrialCount ({most})", parallel)
    for path, text in (("spec.maxRuntime", spec.max_runtime), ("spec.trialTimeout", spec.trial_timeout)):
        if text is not None:
            try:
                parse_duration(text)
            except InvalidInput as error:
                yield Problem(path, error.problems[0].message)
    if spec.seed is not None and not 0 <= spec.seed < 2**63:
        yield Problem("spec.seed", "must be from 0 to 2^63 - 1", spec.seed)


def update_problems(old: Experiment, new: Experiment) -> Iterator[Problem]:
    """Yield why ``new`` may not take the place of ``old``: what may change is the budget, and when."""
    if old.spec == new.spec:
        return
    before, after = old.spec.model_dump(by_alias=True), new.spec.model_dump(by_alias=True)
    for name, value in after.items():
        if value != before[name] and name not in _EDITABLE:
            yield Problem(
                f"spec.{name}", f"cannot be changed once the experiment exists; only {', '.join(_EDITABLE)} can"
            )
    yield from budget_problems(new.spec)
    status = old.status
    most = new.spec.max_trial_count
    if status is not None and most is not None and is_over(old) and most <= status.trials:
        yield Problem(
            "spec.maxTrialCount",
            f"must be more than the {status.trials} trials there are, to run a finished experiment again",
            most,
        )


def is_over(experiment: Experiment) -> bool:
    """Whether the experiment's current condition is a final one."""
    conditions = experiment.status.conditions if experiment.status else []
    return bool(conditions) and conditions[-1].type in ("Succeeded", "Failed") and conditions[-1].status == "True"
