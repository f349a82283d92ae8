"""What the views show of an experiment and of its trials, whatever form those come in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.api.duration import format_duration
from katib.api.metric_names import metric_names, objective_names
from katib.api.trial import Trial
from katib.engine.observe import UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.api.experiment import Experiment, ExperimentSpec, Metric, ObjectiveSpec, Observation
    from katib.engine.trial import TrialRecord

__all__ = [
    "ACTIVE",
    "ENDED_WELL",
    "Standing",
    "TrialRow",
    "columns_of",
    "finished_of",
    "name_of",
    "readable",
    "short_number",
    "spread",
    "state_of",
]

ACTIVE: Final = ("Created", "Running", "Stopping")
ENDED_WELL: Final = ("Succeeded", "EarlyStopped")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that show nothing or turn round what is shown."""
_LONG: Final = 12


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial.

    Attributes:
        state: As of its last condition; ``Stopping`` while it is told to end.
        parameters: As they were given.
        metrics: The value that stands for the trial, of each metric that was reported.
        message: Why it is in this state.
    """

    name: str
    state: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, str]
    message: str = ""
    started: datetime | None = None
    finished: datetime | None = None

    @classmethod
    def of(cls, trial: TrialRecord | Trial, spec: ExperimentSpec | None = None) -> TrialRow:
        """Return what is to be shown of a trial; without the experiment's spec the values stand for it that its own objective names, or the latest."""
        objective = spec.objective if spec else None
        if isinstance(trial, Trial):
            status = trial.status
            last = status.conditions[-1] if status and status.conditions else None
            return cls(
                name=trial.metadata.name,
                state=state_of(trial),
                parameters={one.name: one.value for one in trial.spec.parameter_assignments or []},
                metrics=_metrics(status.observation if status else None, objective or trial.spec.objective),
                message=(last.message or "") if last else "",
                started=status.start_time if status else None,
                finished=status.completion_time if status else None,
            )
        return cls(
            name=trial.name,
            state=state_of(trial),
            parameters=dict(trial.assignments),
            metrics=_metrics(trial.observation, objective),
            message=trial.message,
            started=trial.started,
            finished=trial.finished,
        )

    @property
    def took(self) -> str:
        """How long it ran, or has run."""
        if self.started is None:
            return ""
        return format_duration((self.finished or datetime.now(UTC)) - self.started)


def state_of(trial: TrialRecord | Trial) -> str:
    """Return a trial's state as people read it: ``Stopping`` while it is told to end."""
    if isinstance(trial, Trial):
        conditions = trial.status.conditions if trial.status else None
        return conditions[-1].type if conditions else "Created"
    return "Stopping" if trial.stopping is not None and trial.state.is_active else trial.state.value


def finished_of(trial: TrialRecord | Trial) -> datetime | None:
    """Return when a trial ended."""
    if isinstance(trial, Trial):
        return trial.status.completion_time if trial.status else None
    return trial.finished


def name_of(trial: TrialRecord | Trial) -> str:
    """Return a trial's name."""
    return trial.metadata.name if isinstance(trial, Trial) else trial.name


def _metrics(observation: Observation | None, objective: ObjectiveSpec | None) -> dict[str, str]:
    strategies = {one.name: str(one.value) for one in (objective.metric_strategies or [])} if objective else {}
    measured = observation.metrics if observation else []
    return {one.name: _value(one, strategies.get(one.name, "latest")) for one in measured}


def _value(metric: Metric, strategy: str) -> str:
    text = {"min": metric.min, "max": metric.max}.get(strategy, metric.latest)
    return str(metric.latest or "") if text in {None, "", UNAVAILABLE} else str(text)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an experiment has come.

    Attributes:
        state: As of its last condition.
        message: What goes with it.
        counts: How many trials are in each state, those only that there are.
        ended: How many trials are over.
        most: How many there are to be; None for no limit.
        best: Names and values of the objectives in the best trial.
        best_trial: Its name.
        best_parameters: Its parameters.
    """

    name: str
    state: str
    message: str
    counts: Mapping[str, int]
    ended: int
    most: int | None
    best: Mapping[str, str] = field(default_factory=dict)
    best_trial: str = ""
    best_parameters: Mapping[str, str] = field(default_factory=dict)
    started: datetime | None = None
    finished: datetime | None = None

    @classmethod
    def of(cls, experiment: Experiment, trials: Sequence[TrialRecord | Trial] | None = None) -> Standing:
        """Return the standing of an experiment: by its trials where they are given, or else by its status.

        Of thousands of trials nothing but their states is looked at: this is asked for several times a second.
        """
        status, spec = experiment.status, experiment.spec
        last = status.conditions[-1] if status and status.conditions else None
        optimal = status.current_optimal_trial if status else None
        counts = dict(Counter(map(state_of, trials))) if trials is not None else _counts(experiment)
        values = _metrics(optimal.observation, spec.objective) if optimal else {}
        return cls(
            name=experiment.metadata.name,
            state=last.type if last else "Created",
            message=(last.message or "") if last else "",
            counts=counts,
            ended=sum(count for state, count in counts.items() if state not in ACTIVE),
            most=spec.max_trial_count,
            best={name: values[name] for name in objective_names(spec) if name in values},
            best_trial=optimal.best_trial_name if optimal else "",
            best_parameters={one.name: one.value for one in optimal.parameter_assignments} if optimal else {},
            started=(status.start_time if status else None) or experiment.metadata.creation_timestamp,
            finished=status.completion_time if status else None,
        )

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to come."""
        return self.state in {"Succeeded", "Failed", "Stopped"}

    @property
    def share(self) -> float | None:
        """Which part of the trials are over, 0 to 1; None without a limit."""
        if not self.most or self.most < 0:
            return None
        return min(1.0, self.ended / self.most)

    @property
    def took(self) -> str:
        """How long it has taken."""
        if self.started is None:
            return ""
        return format_duration((self.finished or datetime.now(UTC)) - self.started)

    @property
    def line(self) -> str:
        """All that matters, on one line."""
        of = f"{self.ended}" if self.most is None else f"{self.ended}/{self.most}"
        parts = [f"{readable(self.name)}: {self.state}", f"{of} trials"]
        parts += [f"{count} {spread(state)}" for state, count in self.counts.items() if state != "Succeeded"]
        if self.best:
            parts.append("best " + " ".join(f"{readable(k)}={readable(short_number(v))}" for k, v in self.best.items()))
        return ", ".join(parts)


def _counts(experiment: Experiment) -> dict[str, int]:
    status = experiment.status
    if status is None:
        return {}
    counts = {
        "Running": status.trials_running,
        "Created": status.trials_pending,
        "Succeeded": status.trials_succeeded,
        "EarlyStopped": status.trials_early_stopped,
        "Failed": status.trials_failed,
        "Killed": status.trials_killed,
        "MetricsUnavailable": status.trial_metrics_unavailable,
    }
    return {state: count for state, count in counts.items() if count}


def columns_of(experiment: Experiment | None, rows: Sequence[TrialRow]) -> tuple[list[str], list[str]]:
    """Return which metrics and which parameters a table of trials has, the experiment's own first."""
    metrics = dict.fromkeys(metric_names(experiment.spec) if experiment else ())
    parameters = dict.fromkeys(one.name for one in (experiment.spec.parameters or [])) if experiment else {}
    for row in rows:
        metrics |= dict.fromkeys(row.metrics)
        parameters |= dict.fromkeys(row.parameters)
    return list(metrics), list(parameters)


def readable(text: str) -> str:
    """Return a text on one line, with characters that cannot be seen as escapes: nothing in it can move a cursor or deceive."""
    if text.isprintable():
        return text
    return "".join(
        one if unicodedata.category(one) not in _HIDDEN else one.encode("unicode_escape").decode("ascii")
        for one in text
    )


def short_number(text: str) -> str:
    """Return a long number with six significant digits; anything else as it is."""
    if len(text) <= _LONG - 4 or "_" in text:
        return text
    try:
        number = float(text)
    except ValueError:
        return text
    return text if text.lstrip("+-").isdigit() else f"{number:.6g}"


def spread(state: str) -> str:
    """Return a state as words: ``MetricsUnavailable`` as ``metrics unavailable``."""
    return "".join(f" {one.lower()}" if one.isupper() else one for one in state).strip()
