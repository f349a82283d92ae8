"""How a trial's process ended, and how that is told: to people as a sentence, to conditions as a Job's status."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Exit", "exit_of", "job_status"]

_REASONS = {
    "Completed": "",
    "BackoffLimitExceeded": "Job has reached the specified backoff limit",
    "DeadlineExceeded": "Job was active longer than specified deadline",
}


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of one trial's process.

    Attributes:
        reason: ``Completed``, ``BackoffLimitExceeded``, ``DeadlineExceeded``, ``Stopped``, ``SupervisorFailed`` or ``SupervisorLost``.
        cause: How the last attempt ended where the reason does not say: ``Error``, ``Signaled``, ``StartError``, ``PodDeadlineExceeded``.
        code: Its exit code, if it exited.
        signal: The signal that ended it, if one did.
        error: Why it could not be started, or what became of its supervisor.
        step: The container that failed.
        attempts: How often it was tried.
        deadline: The seconds it was allowed, if they ran out.
        started: When, UTC.
        finished: When, UTC.
        last_lines: The last lines it printed.
    """

    reason: str
    cause: str = ""
    code: int | None = None
    signal: int | None = None
    error: str = ""
    step: str = ""
    attempts: int = 1
    deadline: float | None = None
    started: datetime | None = None
    finished: datetime | None = None
    last_lines: Sequence[str] = ()

    @property
    def succeeded(self) -> bool:
        """Whether it did what a Job has to do."""
        return self.reason == "Completed"

    def sentence(self) -> str:
        """Say how it ended and what it printed last, in the first line; more of the last lines follow below."""
        said = self._how() + (f" (the last of {self.attempts} attempts)" if self.attempts > 1 else "")
        if self.last_lines and not self.succeeded:
            said += f"; the last it printed: {self.last_lines[-1].strip()}"
        if len(self.last_lines) > 1 and not self.succeeded:
            said += "\nthe last lines:\n" + "\n".join(f"  {line}" for line in self.last_lines)
        return said

    def of_an_attempt(self) -> str:
        """Say how an attempt ended, as the rest of a sentence that begins with the attempt."""
        if self.error:
            return f"could not start: {self.error}"
        if self.cause == "PodDeadlineExceeded":
            return f"ran longer than its pod's activeDeadlineSeconds{_seconds(self.deadline)}"
        if self.signal is not None:
            return f"was ended by signal {_signal_name(self.signal)}{_hint(self.signal)}"
        return f"ended with exit code {self.code}"

    def _how(self) -> str:
        if self.reason == "DeadlineExceeded":
            return f"it ran longer than activeDeadlineSeconds{_seconds(self.deadline)}"
        if self.reason == "Stopped":
            return "it was stopped"
        if self.reason == "SupervisorLost":
            return self.error or "its supervisor was killed (out of memory?), and the trial with it"
        if self.error:
            return self.error
        if self.cause == "PodDeadlineExceeded":
            return f"it ran longer than its pod's activeDeadlineSeconds{_seconds(self.deadline)}"
        if self.signal is not None:
            return f"signal {_signal_name(self.signal)} ended it{_hint(self.signal)}"
        return f"exit code {self.code}"


def _seconds(deadline: float | None) -> str:
    return "" if deadline is None else f" ({deadline:g})"


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return str(number)


def _hint(number: int) -> str:
    return ", which is also what happens when memory runs out" if number == signal.SIGKILL else ""


def exit_of(
    result: Mapping[str, Any] | None, *, last_lines: Sequence[str], deadline: float | None, pod_deadline: float | None
) -> Exit:
    """Return the end that a supervisor's result describes; None is a supervisor that left none."""
    if result is None:
        return Exit("SupervisorLost", last_lines=last_lines)
    cause = str(result.get("cause") or "")
    return Exit(
        reason=str(result.get("reason") or "SupervisorFailed"),
        cause=cause,
        code=result.get("exit_code"),
        signal=result.get("signal"),
        error=str(result.get("error") or ""),
        step=str(result.get("step") or ""),
        attempts=int(result.get("attempts") or 1),
        deadline=pod_deadline if cause == "PodDeadlineExceeded" else deadline,
        started=_moment(result.get("started")),
        finished=_moment(result.get("finished")),
        last_lines=last_lines,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def job_status(end: Exit | None) -> dict[str, Any]:
    """Return the status a cluster would show of the Job; None is one that runs."""
    if end is None:
        return {"active": 1}
    started = end.started.isoformat() if end.started else None
    finished = end.finished.isoformat() if end.finished else None
    condition = {
        "type": "Complete" if end.succeeded else "Failed",
        "status": "True",
        "lastProbeTime": finished,
        "lastTransitionTime": finished,
        # A completed Job says no reason that a trial should pass on.
        **({} if end.succeeded else {"reason": end.reason, "message": _REASONS.get(end.reason) or end.sentence()}),
    }
    count = {"succeeded": 1} if end.succeeded else {"failed": end.attempts}
    times = {"startTime": started, **({"completionTime": finished} if end.succeeded else {})}
    return {**times, **count, "conditions": [condition]}
