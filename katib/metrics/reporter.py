"""``katib.report_metrics``: what a training script calls. Standard library only; costs nothing until the first report.

A report is one line appended to the file that ``KATIB_METRICS_FILE`` names, in one write under a lock, so that threads, forks and
several processes may report at once. Outside a trial it is printed as ``name=value``, so the same script runs by itself.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["report_metrics"]


def report_metrics(
    metrics: Mapping[str, float | str], *, step: int | None = None, time: datetime | None = None
) -> None:
    """Report the current values of some metrics of this trial.

    Example::

        katib.report_metrics({"accuracy": 0.97, "loss": 0.08}, step=epoch)

    Args:
        metrics: Numbers (also numpy's and one-element tensors; NaN and infinities are kept) or texts, by name.
        step: The step of training they belong to.
        time: When they were measured; now by default. A time without a zone is local.

    Raises:
        TypeError: A name is no text, or a value neither a number nor a text.
        ValueError: There are no metrics, or a name is empty.
        OSError: The report cannot be written, such as on a full disk; nothing of it was then written.
    """
    if not metrics:
        message = "report at least one metric"
        raise ValueError(message)
    texts = {_name(name): _text(name, value) for name, value in metrics.items()}
    moment = datetime.now(UTC) if time is None else time.astimezone(UTC)
    path = os.environ.get("KATIB_METRICS_FILE")
    if not path:
        print(" ".join(f"{name}={text}" for name, text in texts.items()), flush=True)  # noqa: T201 - a script run by hand
        return
    report: dict[str, object] = {"time": moment.isoformat(), "metrics": texts}
    if step is not None:
        report["step"] = int(step)
    _append(path, json.dumps(report).encode() + b"\n")


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
    except (TypeError, ValueError) as error:
        message = f"metric {name!r} must be a number or a text, not {type(value).__name__}"
        raise TypeError(message) from error
    if isinstance(value, int):
        return str(value)
    return repr(number) if math.isfinite(number) else str(number)


def _append(path: str, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = os.fstat(descriptor).st_size
        try:
            _write_whole(descriptor, line, path)
        except OSError:
            os.ftruncate(descriptor, before)  # half a line would be read as a broken one
            raise
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, line: bytes, path: str) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
