"""From Katib's ``Trial`` message to what an algorithm sees of a trial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from katib.algorithm.history import PastTrial
from katib.api.trial import TrialState
from katib.errors import InvalidInput, Problem
from katib.rpc import v1beta1 as wire
from katib.rpc.request_parts import TrialParts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from katib.space.point import Point
    from katib.space.space import Space

__all__ = ["WireTrial", "decode_placed_trial", "decode_trial"]

_STATES: Final = {
    wire.TrialStatus.CREATED: TrialState.CREATED,
    wire.TrialStatus.RUNNING: TrialState.RUNNING,
    wire.TrialStatus.SUCCEEDED: TrialState.SUCCEEDED,
    wire.TrialStatus.KILLED: TrialState.KILLED,
    wire.TrialStatus.FAILED: TrialState.FAILED,
    wire.TrialStatus.METRICSUNAVAILABLE: TrialState.METRICS_UNAVAILABLE,
    wire.TrialStatus.EARLYSTOPPED: TrialState.EARLY_STOPPED,
    # What is not known to be over may be running.
    wire.TrialStatus.UNKNOWN: TrialState.RUNNING,
}


@dataclass(frozen=True, slots=True)
class WireTrial:
    """A trial of a request. Where it does not say its place in the experiment, only all trials together tell that.

    Attributes:
        order: Sorts trials by their places, or as they were started. Those that have not started yet come last, by name.
        past: The trial, with an index that means nothing if it says none; None when it is no trial of this search.
        name: Its name.
        ignored: Why it is none, as a sentence; empty otherwise.
    """

    order: tuple[float, str]
    past: PastTrial | None
    name: str
    ignored: str = ""


def decode_trial(
    data: bytes, space: Space, objectives: Sequence[str], labels_from_name: Callable[[str], Mapping[str, str]]
) -> WireTrial:
    """Return the trial in these bytes.

    Args:
        data: A ``Trial`` message.
        space: Where its point should be.
        objectives: The metrics that are its result.
        labels_from_name: What a trial's name tells where its labels did not come back, as with Katib's controller.

    A point that is not in the space makes it no trial of this search: Katib's controller mixes in those of an experiment of the same
    name in another namespace. An objective that is no number is one that was not measured.

    Raises:
        InvalidInput: They are no message, or one without a name or with a condition there is not.
    """
    message, state = _decoded(data)
    status = message.status
    started = _time(status.start_time)
    order = (math.inf if started is None else started, message.name)
    point, why = _point(message, space)
    if point is None:
        return WireTrial(order, None, message.name, why)
    labels = message.spec.labels or labels_from_name(message.name)
    ended = _time(status.completion_time)
    past = PastTrial(
        index=0,
        name=message.name,
        point=point,
        state=state,
        values=_values(objectives, message),
        started=started,
        labels=dict(labels),
        seconds=None if started is None or ended is None else max(ended - started, 0.0),
    )
    return WireTrial(order, past, message.name)


def decode_placed_trial(data: bytes, space: Space, objectives: Sequence[str]) -> WireTrial:
    """Return the trial in these bytes, which say its place and whatever else Katib's message has no field for.

    Raises:
        InvalidInput: As from ``decode_trial``; also, they do not say its place, or its point is not in the space.
    """
    message, state = _decoded(data)
    parts = TrialParts.FromString(data)
    if not parts.HasField("place"):
        raise InvalidInput([Problem("trials", f"trial {message.name!r} does not say its place in the experiment")])
    point, why = _point(message, space)
    if point is None:
        raise InvalidInput([Problem("trials", f"trial {message.name!r} is not of this search: {why}")])
    place = parts.place
    past = PastTrial(
        index=place.index,
        name=message.name,
        point=point,
        state=state,
        values=_values(objectives, message),
        started=place.started if place.HasField("started") else None,
        labels=dict(message.spec.labels),
        feasible=not place.infeasible,
        seconds=place.seconds if place.HasField("seconds") else None,
    )
    return WireTrial((place.index, message.name), past, message.name)


def _decoded(data: bytes) -> tuple[wire.Trial, TrialState]:
    try:
        message = wire.Trial.FromString(data)
    except DecodeError as error:
        raise InvalidInput([Problem("trials", f"one of them is no protobuf message: {error}")]) from None
    if not message.name:
        raise InvalidInput([Problem("trials", "one of them has no name")])
    condition = message.status.condition
    state = _STATES.get(condition)
    if state is None:
        raise InvalidInput([Problem("trials", f"the condition of trial {message.name!r} is none", condition)])
    return message, state


def _point(message: wire.Trial, space: Space) -> tuple[Point | None, str]:
    pairs = [(item.name, item.value) for item in message.spec.parameter_assignments.assignments]
    try:
        return space.parse(pairs), ""
    except InvalidInput as error:
        return None, "; ".join(problem.message for problem in error.problems)


def _values(names: Sequence[str], message: wire.Trial) -> tuple[float, ...] | None:
    measured = {metric.name: metric.value for metric in message.status.observation.metrics}
    try:
        return tuple(float(measured[name]) for name in names)
    except (KeyError, ValueError):
        return None


def _time(text: str) -> float | None:
    """Return seconds of the Unix epoch; None for Kubernetes' zero time and for what is no time."""
    if not text or text.startswith("0001-"):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
