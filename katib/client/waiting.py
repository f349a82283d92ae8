"""Waiting for an experiment to come to a condition, and saying how it stands meanwhile."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Final

from katib.api.trial import TrialState
from katib.client.views.progress import progress_view
from katib.engine.conditions import current
from katib.engine.status import over
from katib.errors import Conflict, DeadlineExceeded, InvalidInput, KatibError, NotFound, Problem
from katib.experiments.over import is_being_deleted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from katib.api.experiment import Experiment
    from katib.client.views.progress import ProgressView
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Changes, Experiments

__all__ = ["CONDITIONS", "Standing", "changes_of", "first_failure", "has_condition", "wait_for"]

CONDITIONS: Final = ("Created", "Running", "Restarting", "Succeeded", "Failed", "Stopped")
_ENDS: Final = ("Succeeded", "Failed", "Stopped")
_SILENCE: Final = 5.0
"""Seconds after which somebody who waits is told why nothing happens."""
_SHORTEST: Final = 0.05
_LONGEST: Final = 1.0
"""Seconds between two looks: soon again while something happens."""
_DELETION_SECONDS: Final = 60.0
"""How long an experiment that ends because it is deleted has to be gone; a deletion that was killed may never come to it."""


def has_condition(experiment: Experiment, kind: str) -> bool:
    """Whether an experiment is in a condition: it has one of this type, which is true."""
    conditions = experiment.status.conditions if experiment.status else []
    return any(condition.type == kind and condition.status == "True" for condition in conditions)


def changes_of(
    experiments: Experiments, namespace: str, name: str, longest: float = _LONGEST, *, until_over: bool = False
) -> Iterator[Changes]:
    """Yield what changes of an experiment, at first everything, for as long as somebody asks; ends when it is gone.

    Args:
        longest: Seconds between two looks, where nothing happens.
        until_over: End when it is over, with all that its trials came to.
    """
    cursor, pause = "", _SHORTEST
    while True:
        changes = experiments.changes(namespace, name, cursor)
        cursor = changes.cursor
        is_news = bool(changes.experiments or changes.trials or changes.deleted)
        yield changes
        if changes.deleted:
            return
        if until_over and any(over(experiment.status) for experiment in changes.experiments):
            yield experiments.changes(namespace, name, cursor)  # what was recorded between the one and the others
            return
        pause = _SHORTEST if is_news else min(pause * 1.5, max(longest, _SHORTEST))
        time.sleep(pause)


class Standing:
    """An experiment and its trials as they are now, from changes.

    Attributes:
        experiment: None before it was heard of.
        trials: By name.
    """

    def __init__(self) -> None:
        self.experiment: Experiment | None = None
        self.trials: dict[str, TrialRecord] = {}

    def take(self, changes: Changes) -> bool:
        """Take changes in, and return whether there were any."""
        for experiment in changes.experiments:
            self.experiment = experiment
        for trial in changes.trials:
            self.trials[trial.name] = trial
        return bool(changes.experiments or changes.trials)

    @property
    def records(self) -> list[TrialRecord]:
        """The trials by index."""
        return sorted(self.trials.values(), key=lambda record: record.index)


class _Idleness:
    """Says once why nothing happens to an experiment that is waited for.

    Args:
        experiments: Where it is.
    """

    def __init__(self, experiments: Experiments) -> None:
        self._reason: Callable[[Experiment], str] = getattr(experiments, "idle_reason", _not_taken_up)
        self._next = time.monotonic() + _SILENCE
        self._told = False

    def reason(self, experiment: Experiment) -> str:
        """Return why nothing happens; empty when something does, or when that cannot be known."""
        try:
            return self._reason(experiment)
        except KatibError:
            return ""

    def look(self, experiment: Experiment) -> None:
        """Tell whoever sits there, if nothing has happened for long enough."""
        if self._told or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SILENCE
        reason = self.reason(experiment)
        if reason:
            self._told = True
            said = f"katib: nothing happens to experiment {experiment.metadata.name!r}: {reason}"
            print(said, file=sys.stderr)  # noqa: T201 - to whoever sits there


def _not_taken_up(experiment: Experiment) -> str:
    """Return what can be said where the place itself does not say it: over gRPC."""
    if experiment.status is not None and experiment.status.conditions:
        return ""
    selector = "katib.kubeflow.org/component=operator"
    return (
        "nothing has taken it up. Where the server is a cluster's, no operator watches namespace "
        f"{experiment.metadata.namespace!r}, or it does not run: `kubectl get deployments --all-namespaces --selector={selector} "
        "--output=wide` shows which there are"
    )


def wait_for(
    experiments: Experiments,
    namespace: str,
    name: str,
    *,
    condition: str = "Succeeded",
    timeout: float | None = None,
    longest_pause: float = _LONGEST,
    view: Callable[[], ProgressView] | None = None,
    on_interrupt: str = "",
) -> Experiment:
    """Return an experiment once it is in a condition.

    Args:
        condition: One of ``CONDITIONS``.
        timeout: Seconds; None for as long as it takes.
        longest_pause: Seconds between two looks.
        view: Makes what shows the experiment meanwhile.
        on_interrupt: What to say to whoever presses Ctrl-C.

    Raises:
        InvalidInput: There is no such condition.
        NotFound: There is no such experiment, or not any more.
        Conflict: It has ended in another condition; the message says why.
        DeadlineExceeded: It has not come to it in time; the message says why, where nothing happens to it.
    """
    if condition not in CONDITIONS:
        raise InvalidInput([Problem("expected_condition", f"must be one of {', '.join(CONDITIONS)}", condition)])
    deadline = None if timeout is None else time.monotonic() + timeout
    standing = Standing()
    idleness = _Idleness(experiments)
    ended: float | None = None
    # It is there, or NotFound says so before anything is shown.
    standing.experiment = experiments.get(namespace, name)
    with contextlib.ExitStack() as stack:
        shown = stack.enter_context((view or progress_view)())
        try:
            for changes in changes_of(experiments, namespace, name, longest_pause):
                if standing.take(changes):
                    shown.update(standing.experiment, standing.records)
                if changes.deleted:
                    raise NotFound(f"experiment {name!r} was deleted while it was waited for")
                if _has_reached(standing.experiment, condition):
                    return standing.experiment
                if other_end := _other_end(standing, condition):
                    ended = ended or time.monotonic()
                    if time.monotonic() - ended >= _DELETION_SECONDS or not _is_going(experiments, namespace, name):
                        raise Conflict(other_end)
                idleness.look(standing.experiment)
                if deadline is not None and time.monotonic() >= deadline:
                    reason = idleness.reason(standing.experiment)
                    raise DeadlineExceeded(_late(standing.experiment, condition, timeout, reason))
        except KeyboardInterrupt:
            if on_interrupt:
                print(on_interrupt, file=sys.stderr)  # noqa: T201 - to whoever sits there
            raise
    raise AssertionError  # the loop returns or raises


def _has_reached(experiment: Experiment, condition: str) -> bool:
    """Whether it is in a condition; one that has succeeded has run, also where that was too quick to be seen."""
    return has_condition(experiment, condition) or (condition == "Running" and has_condition(experiment, "Succeeded"))


def _late(experiment: Experiment, condition: str, timeout: float | None, reason: str) -> str:
    last = current(experiment.status.conditions) if experiment.status else None
    state = f"it is {last.type} ({last.message})" if last else "it has no condition yet"
    ending = f"Nothing happens to it: {reason}" if reason else "It goes on; wait for it again, with a longer timeout"
    return (
        f"experiment {experiment.metadata.name!r} did not come to {condition} within {timeout:g} s: {state}. {ending}"
    )


def _is_going(experiments: Experiments, namespace: str, name: str) -> bool:
    """Whether an experiment that is over is so because it is being deleted, or is gone already."""
    try:
        return is_being_deleted(experiments.events(namespace, name))
    except NotFound:
        return True
    except KatibError:
        return False


def _other_end(standing: Standing, condition: str) -> str:
    """Return how an experiment has ended that does not come to a condition any more; empty where it has not."""
    experiment = standing.experiment
    last = current(experiment.status.conditions) if experiment is not None and experiment.status else None
    if experiment is None or last is None or last.type not in _ENDS or last.status != "True":
        return ""
    reason = f"experiment {experiment.metadata.name!r} is {last.type}, not {condition}: {last.message}"
    if last.type == "Failed":
        reason += first_failure(standing.records)
    return reason


def first_failure(records: Iterable[TrialRecord]) -> str:
    """Return a line with what became of the first trial that failed or measured nothing; empty where there is none."""
    for record in records:
        if record.state in {TrialState.FAILED, TrialState.METRICS_UNAVAILABLE}:
            return f"\nits trial {record.name}: {record.message}"
    return ""
