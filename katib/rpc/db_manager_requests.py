"""Requests to Katib's DB manager as what the store is asked, and logs as replies; every fault is told with its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.message import Message

from katib.errors import InvalidInput, Overloaded, Problem
from katib.metrics.sample import Sample
from katib.rpc import v1beta1 as wire
from katib.rpc.services import MOST_BYTES
from katib.rpc.wire_time import read_time, time_text
from katib.store.observation_logs import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from katib.store.observation_logs import Logged

__all__ = [
    "MOST_ROWS",
    "NAMESPACE_KEY",
    "bounds_of",
    "named_namespace",
    "named_trial",
    "reply_of",
    "report_of",
]

NAMESPACE_KEY: Final = "x-katib-namespace"
"""In a call's metadata, where the trial is: Katib's messages have no place for it."""

M = TypeVar("M", bound=Message)

MOST_ROWS: Final = MOST_BYTES // 32
"""More of them are more than a message: a row has a time of 20 bytes, and the lengths of its parts."""
_LONGEST_NAME: Final = 255
_LONGEST_VALUE: Final = 65_535
"""In bytes; both as in Katib's own table."""
_MOST_PROBLEMS: Final = 20


def named_trial(request: Any) -> str:
    """Return the name of the trial that a request is about.

    Raises:
        InvalidInput: It has none that a trial can have.
    """
    name: str = request.trial_name
    if fault := _fault_of_name(name):
        raise InvalidInput([Problem("trial_name", fault)])
    return name


def named_namespace(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """Return the namespace that a caller names, or None.

    Raises:
        InvalidInput: It names several, or what cannot be one.
    """
    named = {str(value) for key, value in metadata if key == NAMESPACE_KEY and value}
    if len(named) > 1:
        raise InvalidInput([Problem(NAMESPACE_KEY, "must be one namespace", ", ".join(sorted(named)))])
    for name in named:
        if fault := _fault_of_name(name):
            raise InvalidInput([Problem(NAMESPACE_KEY, fault)])
        return name
    return None


def report_of(request: wire.ReportObservationLogRequest, namespace: str | None) -> Report:
    """Return what is reported; rows without a time are left out, as Katib does.

    Raises:
        InvalidInput: A row has a time, a name or a value that Katib would not store.
    """
    trial = named_trial(request)
    samples: list[Sample] = []
    problems: list[Problem] = []
    for number, entry in enumerate(request.observation_log.metric_logs):
        if not entry.time_stamp:
            continue
        metric = entry.metric
        try:
            samples.append(Sample(metric.name, metric.value, read_time(entry.time_stamp)))
        except ValueError:
            problems.append(_fault_of_time(f"{_row(number)}.time_stamp", entry.time_stamp))
        if fault := _fault_of_name(metric.name):
            problems.append(Problem(f"{_row(number)}.metric.name", fault))
        if len(metric.value) > _LONGEST_VALUE // 4 and len(metric.value.encode()) > _LONGEST_VALUE:
            problems.append(Problem(f"{_row(number)}.metric.value", f"must have at most {_LONGEST_VALUE} bytes"))
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise InvalidInput(problems)
    return Report(trial, samples, namespace)


def _row(number: int) -> str:
    return f"observation_log.metric_logs[{number}]"


def _fault_of_time(path: str, text: str) -> Problem:
    return Problem(path, "must be a time such as 2006-01-02T15:04:05.999999Z (RFC 3339)", text)


def _fault_of_name(name: str) -> str:
    """Return what is wrong with a name; nothing for a good one."""
    if not name:
        return "is required"
    if len(name) > _LONGEST_NAME:
        return f"must have at most {_LONGEST_NAME} characters, this has {len(name)}"
    return ""


def bounds_of(request: wire.GetObservationLogRequest) -> tuple[datetime | None, datetime | None]:
    """Return the least and the greatest time that are wanted; None for any.

    Raises:
        InvalidInput: One is no time.
    """
    problems = []
    times: list[datetime | None] = []
    for field, text in (("start_time", request.start_time), ("end_time", request.end_time)):
        try:
            # The unset time is a time here: the least one.
            times.append((read_time(text) or datetime.min.replace(tzinfo=UTC)) if text else None)
        except ValueError:
            problems.append(_fault_of_time(field, text))
    if problems:
        raise InvalidInput(problems)
    start, end = times
    return start, end


def reply_of(rows: Sequence[Logged]) -> bytes:
    """Return the reply with a log.

    Raises:
        Overloaded: It is larger than a message may be.
    """
    reply = wire.GetObservationLogReply()
    if len(rows) <= MOST_ROWS:
        add = reply.observation_log.metric_logs.add
        for row in rows:
            entry = add()  # and then its parts: three times as fast as a message for each
            entry.time_stamp = time_text(row.time)
            entry.metric.name, entry.metric.value = row.metric, row.text
        encoded = reply.SerializeToString()
        if len(encoded) <= MOST_BYTES:
            return encoded
    raise Overloaded(
        f"the log is larger than the {MOST_BYTES >> 20} MiB of a message: ask for one metric, or for a span of time"
    )
