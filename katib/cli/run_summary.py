"""The end of a run on one screen: what came of it, the best trial, what failed, where to look and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from katib.api.trial import TrialState
from katib.cli.age import duration
from katib.cli.counted import counted
from katib.cli.safe_text import one_line
from katib.cli.table import table_lines
from katib.engine.conditions import current

if TYPE_CHECKING:
    from katib.api.experiment import ExperimentStatus, OptimalTrial
    from katib.cli.measures import Measures
    from katib.cli.run_progress import RunProgress
    from katib.local.home import Home

__all__ = ["best_lines", "command_of", "count_line", "outcomes", "summary_lines"]

_FAILURES_SHOWN = 3


def command_of(verb: str, name: str, namespace: str | None) -> str:
    """Return a command to type, with the namespace where it is not the default one."""
    where = f" -n {shlex.quote(namespace)}" if namespace not in {None, "default"} else ""
    return f"katib {verb} {shlex.quote(name)}{where}"


def best_lines(best: OptimalTrial, measures: Measures) -> list[str]:
    """Return the best trial, its metrics and its parameters, as aligned lines."""
    values = measures.values(best.observation)
    rows = [[f"  {one_line(name)}", value] for name, value in values.items()]
    rows += [[f"  {one_line(item.name)}", item.value] for item in best.parameter_assignments]
    return [f"best trial {best.best_trial_name}", *table_lines((), rows)]


def summary_lines(status: ExperimentStatus, progress: RunProgress, home: Home) -> list[str]:
    """Return what to print when a run has ended."""
    experiment = progress.experiment
    name, namespace, uid = experiment.metadata.name, experiment.metadata.namespace, experiment.metadata.uid or ""
    condition = current(status.conditions)
    state = condition.type if condition else "ended"
    message = one_line(condition.message or "") if condition else ""
    lines = [f"experiment {name} {state}: {message}", f"{count_line(status)} in {duration(progress.elapsed)}"]
    best = status.current_optimal_trial
    if status.pareto_optimal_trials:
        lines += ["", f"{counted(len(status.pareto_optimal_trials), 'trial')} that no other beats in every objective"]
        lines.append(f"see: {command_of('best', name, namespace)}")
    if best is not None and best.best_trial_name:
        lines += ["", *best_lines(best, progress.measures)]
        lines.append(f"its output: {home.output(uid, best.best_trial_name)}")
    lines += _failures(progress)
    lines += ["", f"next: {_next(state, name, namespace)}"]
    return lines


def count_line(status: ExperimentStatus) -> str:
    """Return how many trials there are and what became of them."""
    return f"{counted(status.trials, 'trial')}: {outcomes(status)}" if status.trials else "no trials"


def outcomes(status: ExperimentStatus) -> str:
    """Return what became of the trials."""
    counts = {
        "succeeded": status.trials_succeeded,
        "stopped early": status.trials_early_stopped,
        "failed": status.trials_failed,
        "without metrics": status.trial_metrics_unavailable,
        "killed": status.trials_killed,
        "running": status.trials_running,
        "waiting": status.trials_pending,
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)


def _failures(progress: RunProgress) -> list[str]:
    """Return the first failed trials with the first line of their reasons."""
    ledger = progress.ledger
    if ledger is None:
        return []
    names = [*ledger.names(TrialState.FAILED), *ledger.names(TrialState.METRICS_UNAVAILABLE)]
    if not names:
        return []
    lines = ["", "trials without a result"]
    lines += [
        f"  {name}: {one_line(ledger.trial(name).message.split(chr(10), 1)[0])}" for name in names[:_FAILURES_SHOWN]
    ]
    if len(names) > _FAILURES_SHOWN:
        lines.append(f"  and {len(names) - _FAILURES_SHOWN} more")
    lines.append(f"why: {command_of('describe trial', names[0], progress.experiment.metadata.namespace)}")
    return lines


def _next(state: str, name: str, namespace: str | None) -> str:
    verb = {"Stopped": "resume", "Failed": "describe"}.get(state, "trials")
    return command_of(verb, name, namespace)
