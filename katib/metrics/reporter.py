"""What a trial reports, as lines of the file that ``KATIB_METRICS_FILE`` names. Standard library only: training scripts import it.

Reports are appended in one write under a lock, so that threads, forks and several processes may report at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = ["Report", "append_reports", "metric_texts"]


@dataclass(frozen=True, slots=True)
class Report:
    """Values of some metrics at one moment.

    Attributes:
        metrics: The values by name, as texts.
        time: When they were measured; aware.
        step: The step of training they belong to.
    """

    metrics: Mapping[str, str]
    time: datetime
    step: int | None = None


def metric_texts(metrics: Mapping[str, object]) -> dict[str, str]:
    """Return how values of metrics are written.

    Raises:
        TypeError: There is no mapping, a name is no text, or a value neither a number nor a text.
        ValueError: There are no metrics, or a name is empty.
    """
    if not hasattr(metrics, "items"):
        message = f"metrics are a mapping from names to values, not {type(metrics).__name__}"
        raise TypeError(message)
    if not metrics:
        message = "report at least one metric"
        raise ValueError(message)
    return {_name(name): _text(name, value) for name, value in metrics.items()}


def append_reports(path: str, reports: Iterable[Report]) -> None:
    """Append reports to a trial's file.

    Raises:
        OSError: They cannot be written, such as on a full disk; nothing of them was then written.
    """
    _append(path, b"".join(_line(report) for report in reports))


def _line(report: Report) -> bytes:
    fields: dict[str, object] = {"time": report.time.isoformat(), "metrics": dict(report.metrics)}
    if report.step is not None:
        fields["step"] = report.step
    return json.dumps(fields).encode() + b"\n"


def _name(name: object) -> str:
    if not isinstance(name, str):
        message = f"a metric's name is text, not {type(name).__name__}"
        raise TypeError(message)
    if not name.strip():
        message = "a metric's name must not be empty"
        raise ValueError(message)
    return name


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        message = f"metric {name!r} must be a number or a text, not {value!r}"
        raise TypeError(message)
    try:
        number = float(value)  # type: ignore[arg-type] # whatever can be a number: numpy, torch, Decimal
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor of several elements is a RuntimeError
        message = f"metric {name!r} must be a number or a text, not {type(value).__name__}"
        raise TypeError(message) from error
    if isinstance(value, int):
        return str(value)
    return repr(number) if math.isfinite(number) else str(number)


def _append(path: str, lines: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = os.fstat(descriptor).st_size
        try:
            _write_whole(descriptor, lines, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)  # half a line would be read as a broken one
            raise
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, line: bytes, path: str) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
