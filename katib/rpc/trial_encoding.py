"""The trials of one experiment as the bytes that a suggestion server is sent, each encoded once for each change.

Katib's protocol sends all trials with every call. A message that is repeated in a request is its own bytes behind a number and a
length, so a request is joined from what was encoded before.
"""

from __future__ import annotations

import threading
from datetime import UTC
from typing import TYPE_CHECKING, Final

from katib.api.trial import TrialState
from katib.engine.observe import UNAVAILABLE, is_feasible, is_measured
from katib.rpc import v1beta1 as wire
from katib.rpc.request_message import OBJECTIVE_TYPES, TRIAL_STATES, ZERO_TIME
from katib.rpc.request_parts import TrialParts

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import ExperimentSpec, Metric
    from katib.engine.trial import TrialRecord

__all__ = ["EncodedHistory", "encoded_trial"]

_TRIALS: Final = 2
_BYTES_FOLLOW: Final = 2
"""The wire type of what stands behind its length."""


class EncodedHistory:
    """The trials of one experiment, changed by difference. May be told and sent by different threads at a time.

    Example::

        history = EncodedHistory()
        history.record(record)
        client.suggest(experiment, history, count=1, issued=1, deadline=60)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed: dict[str, TrialRecord] = {}
        self._sent: dict[str, bytes] = {}
        self._unmeasured: dict[str, bytes] = {}
        """What Katib's controller does not send."""

    def record(self, record: TrialRecord) -> None:
        """Add a trial, or put what is known now in the place of what was known; it is encoded when it is sent next."""
        with self._lock:
            self._changed[record.name] = record

    def forget(self, name: str) -> None:
        """Drop a trial; one that is not here changes nothing."""
        with self._lock:
            for known in (self._changed, self._sent, self._unmeasured):
                known.pop(name, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._sent.keys() | self._unmeasured.keys() | self._changed.keys())

    def __contains__(self, name: object) -> bool:
        with self._lock:
            return name in self._sent or name in self._unmeasured or name in self._changed

    def joined(self, spec: ExperimentSpec, *, extended: bool) -> bytes:
        """Return the field ``trials`` of a request.

        Args:
            spec: The defaulted spec: which metrics there are, and which of their values count.
            extended: Whether trials without a result are sent as well.
        """
        with self._lock:
            for name, record in self._changed.items():
                field = _field(_TRIALS, encoded_trial(record, spec))
                here, elsewhere = self._sent, self._unmeasured
                if _is_kept_back(record, spec):
                    here, elsewhere = elsewhere, here
                elsewhere.pop(name, None)
                here[name] = field
            self._changed.clear()
            known = b"".join(self._sent.values())
            return known + b"".join(self._unmeasured.values()) if extended else known


def encoded_trial(record: TrialRecord, spec: ExperimentSpec) -> bytes:
    """Return a trial as Katib's wire has it, and beside that in our own field what Katib's has no place for."""
    message = wire.Trial(name=record.name)
    assignments = message.spec.parameter_assignments.assignments
    for name, value in record.assignments:
        assignments.add(name=name, value=value)
    if spec.objective is not None:
        # Katib's services look for the metric of this name in the observation.
        message.spec.objective.type = OBJECTIVE_TYPES[spec.objective.type]
        message.spec.objective.goal = spec.objective.goal or 0.0
        message.spec.objective.objective_metric_name = spec.objective.objective_metric_name
        message.spec.objective.additional_metric_names.extend(spec.objective.additional_metric_names or [])
    message.spec.labels.update(record.labels)
    message.status.condition = TRIAL_STATES[record.state]
    message.status.start_time = _time(record.started)
    message.status.completion_time = _time(record.finished)
    message.status.observation.SetInParent()
    strategies = {item.name: item.value for item in (spec.objective.metric_strategies or [])} if spec.objective else {}
    seen = set()
    for metric in record.observation.metrics if record.observation else []:
        if metric.name not in seen:
            seen.add(metric.name)
            value = _counting(metric, strategies.get(metric.name, "latest"))
            message.status.observation.metrics.add(name=_sendable(metric.name), value=_sendable(value))
    return message.SerializeToString() + _place(record, spec)


def _place(record: TrialRecord, spec: ExperimentSpec) -> bytes:
    parts = TrialParts()
    parts.place.index = record.index
    if record.started is not None:
        parts.place.started = record.started.timestamp()
        if record.finished is not None:
            parts.place.seconds = (record.finished - record.started).total_seconds()
    parts.place.infeasible = record.observation is not None and not is_feasible(record.observation, spec)
    return parts.SerializeToString()


def _is_kept_back(record: TrialRecord, spec: ExperimentSpec) -> bool:
    """Whether Katib's controller would not send this trial."""
    if record.state is TrialState.EARLY_STOPPED:
        return not is_measured(record.observation, spec)
    return record.state is TrialState.METRICS_UNAVAILABLE


def _counting(metric: Metric, strategy: str) -> str:
    """Return the text of a metric that counts by its strategy."""
    text = metric.min if strategy == "min" else metric.max if strategy == "max" else metric.latest
    return (metric.latest if text == UNAVAILABLE else text) or ""


def _sendable(text: str) -> str:
    """Return a text without the halves of characters that a trial may have printed and UTF-8 has no bytes for."""
    return text.encode(errors="replace").decode()


def _time(moment: datetime | None) -> str:
    return ZERO_TIME if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a message that holds bytes or a message."""
    head = bytearray([number << 3 | _BYTES_FOLLOW])
    size = len(content)
    while size > 0x7F:  # noqa: PLR2004 - seven bits a byte, the lowest first
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + content
