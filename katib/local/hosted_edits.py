"""Records another budget, or that an experiment goes on, whoever drives it at that moment.

Its driver, if it has one, hears of it before it writes anything more (``reload``): the trials and the rest of the status are its own, and
so are the decisions that follow. So an edit that meets the end of an experiment is made before or after it, and lost in no case.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from katib.algorithm import registry
from katib.api.validate import problems_of_update
from katib.engine.ledger import Ledger
from katib.engine.resume import problems as problems_of_resume
from katib.engine.resume import resumed
from katib.engine.status import over
from katib.errors import InvalidExperiment
from katib.experiments.over import RESUMED
from katib.local.hosted_search import state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.api.experiment import Experiment
    from katib.local.hosted_answers import AskedFor
    from katib.store.protocol import Store

__all__ = ["record_edit"]


def record_edit(
    store: Store,
    namespace: str,
    name: str,
    edit: Callable[[Experiment], Experiment],
    asked: AskedFor,
    *,
    resumes: bool,
) -> Experiment:
    """Change the spec of an experiment and return it; one that used up its budget goes on, and a stopped one if it is resumed.

    Raises:
        NotFound: It is not there.
        InvalidExperiment: It may not become that, or not go on.
        Conflict: Something else was asked for by this request.
    """
    with store.transaction():
        answered = asked.experiment()
        if answered is not None:
            return answered
        experiment = store.experiment(namespace, name)
        uid = experiment.metadata.uid or ""
        edited = edit(experiment)
        goes_on = over(experiment.status) and (resumes or state_of(experiment.status) != "Stopped")
        changes = edited.spec != experiment.spec
        ledger = Ledger.from_records(edited, store.trials(uid)) if goes_on else Ledger(edited)
        found = problems_of_resume(experiment, edited, ledger) if goes_on else problems_of_update(experiment, edited)
        if changes and not found:
            found = registry.problems(edited)
        if found:
            raise InvalidExperiment(found)
        if changes:
            store.update_spec(uid, edited.spec)
            store.record_event(uid, "ExperimentBudgetEdited", _budget_sentence(edited))
        if goes_on:
            # The trials that run again are recorded by the driver, which may be ending them at this moment.
            status, _ = resumed(edited, ledger, datetime.now(UTC))
            store.save_status(uid, status)
            store.record_event(uid, RESUMED, "Experiment is resumed")
        if resumes:
            store.clear_requests(uid)  # an end that was asked for before
        if changes or goes_on:
            store.request(uid, "reload")
        answer = store.experiment(namespace, name)
        asked.keep_experiment(answer)
    return answer


def _budget_sentence(experiment: Experiment) -> str:
    spec = experiment.spec
    counts = {
        "maxTrialCount": spec.max_trial_count,
        "parallelTrialCount": spec.parallel_trial_count,
        "maxFailedTrialCount": spec.max_failed_trial_count,
    }
    return f"Budget is now {', '.join(f'{name} {count}' for name, count in counts.items() if count is not None)}"
