"""``katib.report_metrics``: what a training script calls, wherever it runs. Light until a report goes over the network.

Where a report goes is looked up with each one:

1. ``KATIB_METRICS_FILE`` names a file, as in every trial of ours: it is appended there, and a collector brings it to the store.
2. There is ``KATIB_TRIAL_NAME`` and the address of a DB manager, as in a trial that Katib's own controller started: it is sent there.
3. Else the script is run by hand, and it is printed as ``name=value``.
"""

from __future__ import annotations

import contextlib
import os
import threading
from datetime import UTC, datetime
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from katib.metrics.reporter import Report, append_reports, metric_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["report_metrics", "reporting"]

_TIMEOUT: Final = 120
"""Katib's own, in seconds."""
_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class _Place(NamedTuple):
    """Where reports go: a file, or a trial at a server; the unset one is the screen."""

    file: str = ""
    server: str = ""
    trial: str = ""
    namespace: str = ""
    timeout: float = _TIMEOUT


def report_metrics(
    metrics: Mapping[str, float | str],
    db_manager_address: str | None = None,
    timeout: float = _TIMEOUT,
    *,
    step: int | None = None,
    time: datetime | None = None,
    must_arrive: bool = False,
) -> None:
    """Report the current values of some metrics of this trial.

    A server that is away does not end the training: after ``timeout`` there is a warning, what was not sent goes with the next
    report, and as long as the server stays away nobody waits for it longer than two seconds.

    Example::

        katib.report_metrics({"accuracy": 0.97, "loss": 0.08}, step=epoch)

    Args:
        metrics: Numbers (also numpy's and one-element tensors; NaN and infinities are kept) or texts, by name.
        db_manager_address: ``HOST:PORT`` of Katib's DB manager, where there is no file to report to; by default
            ``KATIB_DB_MANAGER_ADDRESS``, or Katib's own one in a cluster.
        timeout: Seconds that a server has.
        step: The step of training they belong to; Katib's DB manager has no place for it.
        time: When they were measured; now by default. A time without a zone is local.
        must_arrive: Raise an error instead of a warning when a server does not take the report.

    Raises:
        TypeError: A name is no text, a value neither a number nor a text, or a step no whole number.
        ValueError: There are no metrics, or a name is empty.
        OSError: The file cannot be written, such as on a full disk; nothing of the report was then written.
        KatibError: It must arrive, and did not.
    """
    moment = datetime.now(UTC) if time is None else time.astimezone(UTC)
    report = Report(metric_texts(metrics), moment, None if step is None else _whole(step))
    place = _place(db_manager_address, timeout)
    if not place.file and not place.server:
        print(" ".join(f"{name}={text}" for name, text in report.metrics.items()), flush=True)  # noqa: T201 - by hand
    elif must_arrive or not _HELD.hold(place, report):
        _HELD.flush()
        _deliver(place, [report], must_arrive=must_arrive)


@contextlib.contextmanager
def reporting(*, every: float = 1.0) -> Iterator[None]:
    """Gather what is reported within this block, and bring it on its way at most ``every`` so many seconds, together.

    For scripts that report after each batch. At the end of the block, also by an error, everything is on its way. A process that is
    killed loses what it gathered last.

    Example::

        with katib.reporting(every=2.0):
            train()

    Args:
        every: Seconds.

    Raises:
        ValueError: It is no time to wait.
    """
    if not 0 < every < threading.TIMEOUT_MAX:
        message = f"every must be a number of seconds greater than 0, not {every!r}"
        raise ValueError(message)
    outer = _HELD.begin(every)
    try:
        yield
    finally:
        _HELD.end(outer)


class _Held:
    """The reports that wait for their turn."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._every: float | None = None
        self._waiting: list[tuple[_Place, Report]] = []
        self._timer: threading.Timer | None = None

    def begin(self, every: float) -> float | None:
        """Hold reports from now on, and return how it was before."""
        with self._lock:
            outer, self._every = self._every, every
            return outer

    def end(self, outer: float | None) -> None:
        with self._lock:
            self._every = outer
        self.flush()

    def hold(self, place: _Place, report: Report) -> bool:
        """Keep a report for a while; False: nothing is held now."""
        with self._lock:
            if self._every is None:
                return False
            self._waiting.append((place, report))
            if self._timer is None:
                # A thread, because the next report may come after an hour.
                self._timer = threading.Timer(self._every, self._flush_in_time)
                self._timer.daemon = True
                self._timer.start()
            return True

    def flush(self) -> None:
        """Bring what is held on its way.

        Raises:
            OSError: A file cannot be written; what should go there is held on.
        """
        with self._lock:  # until the end, so that reports arrive in their order
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            while self._waiting:
                place = self._waiting[0][0]
                _deliver(place, [report for other, report in self._waiting if other == place])
                self._waiting = [item for item in self._waiting if item[0] != place]

    def _flush_in_time(self) -> None:
        # Nobody would see the error here: it is raised by the next flush that somebody waits for.
        with contextlib.suppress(OSError):
            self.flush()

    def forget(self) -> None:
        """Leave what is held to the process that this one is a copy of."""
        self._lock = threading.RLock()
        self._waiting, self._timer = [], None


_HELD: Final = _Held()
os.register_at_fork(after_in_child=_HELD.forget)


def _deliver(place: _Place, reports: list[Report], *, must_arrive: bool = False) -> None:
    if place.file:
        append_reports(place.file, reports)
        return
    from katib.client.remote_reports import send

    send(
        place.server,
        place.trial,
        reports,
        namespace=place.namespace,
        timeout=place.timeout,
        must_arrive=must_arrive,
    )


def _place(address: str | None, timeout: float) -> _Place:
    environment = os.environ
    file = environment.get("KATIB_METRICS_FILE")
    if file:
        return _Place(file=file)
    trial = environment.get("KATIB_TRIAL_NAME")
    if not trial:
        return _Place()
    namespace = environment.get("KATIB_NAMESPACE") or _own_namespace()
    server = address or environment.get("KATIB_DB_MANAGER_ADDRESS") or (_katibs_own() if namespace else "")
    return _Place(server=server, trial=trial, namespace=namespace, timeout=timeout)


def _own_namespace() -> str:
    """Return the namespace of the pod that this runs in; empty elsewhere."""
    try:
        return _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _katibs_own() -> str:
    """Return where Katib's DB manager is by default, and by the variables that its SDK reads."""
    environment = os.environ
    name = environment.get("KATIB_DB_MANAGER_SERVICE_NAME") or "katib-db-manager"
    namespace = (
        environment.get("KATIB_DB_MANAGER_SERVICE_NAMESPACE") or environment.get("KATIB_CORE_NAMESPACE") or "kubeflow"
    )
    return f"{name}.{namespace}:{environment.get('KATIB_DB_MANAGER_SERVICE_PORT') or '6789'}"


def _whole(step: int) -> int:
    try:
        return index(step)
    except TypeError:
        number = float(step)
        if number != int(number):
            message = f"a step is a whole number, not {step!r}"
            raise TypeError(message) from None
        return int(number)
