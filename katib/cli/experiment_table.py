"""One line for each experiment, with kubectl's kind of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.api.experiment import ExperimentStatus
from katib.cli.age import age
from katib.cli.measures import Measures, short_number
from katib.engine.conditions import current
from katib.local.runtime import is_of_cluster

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import Experiment

__all__ = ["HEADING", "WIDE", "experiment_row", "state_of"]

HEADING: Final = (
    "NAME",
    "STATUS",
    "RUNNING",
    "SUCCEEDED",
    "FAILED",
    "MAX",
    "BEST",
    "OBJECTIVE",
    "ALGORITHM",
    "AGE",
)
WIDE: Final = ("TRIALS", "BEST-TRIAL", "PARAMETERS", "REASON")


def state_of(experiment: Experiment, *, driven: bool) -> str:
    """Return the current condition; one that should run and that no process drives is ``Interrupted``."""
    condition = current(experiment.status.conditions) if experiment.status else None
    state = condition.type if condition else "Created"
    if not driven and not is_of_cluster(experiment) and state in {"Created", "Running", "Restarting"}:
        return "Interrupted" if state != "Created" else state
    return state


def experiment_row(experiment: Experiment, state: str, at: datetime, *, wide: bool) -> list[str]:
    """Return the cells of one experiment. FAILED counts trials without a usable result."""
    spec, status = experiment.spec, experiment.status or ExperimentStatus()
    best = status.current_optimal_trial
    measures = Measures(spec)
    objective = measures.objectives[0] if measures.objectives else ""
    value = measures.values(best.observation).get(objective, "") if best else ""
    condition = current(status.conditions)
    row = [
        experiment.metadata.name,
        state,
        str(status.trials_running),
        str(status.trials_succeeded + status.trials_early_stopped),
        str(status.trials_failed + status.trial_metrics_unavailable),
        str(spec.max_trial_count if spec.max_trial_count is not None else ""),
        short_number(value),
        f"{spec.objective.type} {objective}" if spec.objective else "",
        spec.algorithm.algorithm_name if spec.algorithm else "",
        age(experiment.metadata.creation_timestamp, at),
    ]
    if wide:
        row += [
            str(status.trials),
            best.best_trial_name if best else "",
            " ".join(f"{item.name}={item.value}" for item in best.parameter_assignments) if best else "",
            (condition.reason or "") if condition else "",
        ]
    return row
