"""Times and enums of the experiments' API, from its messages and into them. A fault is told with the field it is in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import TrialState
from katib.errors import InvalidInput, Problem
from katib.experiments.protocol import Outcome
from katib.rpc import experiments_v1 as wire

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "COMPARISONS",
    "EXPERIMENT_STATES",
    "OUTCOMES",
    "TRIAL_STATES",
    "WireNames",
    "fill_time",
    "read_seconds",
    "read_time",
    "request_of",
    "time_of",
]


class WireNames:
    """An enum of the API beside our words for its values.

    Args:
        enum: Its descriptor.
        ours: By the names of the API.

    Attributes:
        words: Ours, for messages.
    """

    def __init__(self, enum: Any, ours: Mapping[str, Any]) -> None:
        self._ours = {enum.values_by_name[name].number: value for name, value in ours.items()}
        self._numbers = {value: number for number, value in self._ours.items()}
        self._names = ", ".join(ours)
        self.words = ", ".join(map(str, ours.values()))

    def number(self, value: Any) -> Any:
        """Return the API's number of one of ours; of what it does not know, that of UNSPECIFIED."""
        return self._numbers.get(value, 0)

    def word(self, number: int) -> Any:
        """Return ours; None for what has no meaning here, as another version of the API may say it."""
        return self._ours.get(number)

    def read(self, number: int, field: str) -> Any:
        """Return ours.

        Raises:
            InvalidInput: It is unspecified, or a number that has no meaning.
        """
        found = self._ours.get(number)
        if found is None:
            raise InvalidInput([Problem(field, f"must be one of {self._names}", number or None)])
        return found


_ENUMS: Final = wire.DESCRIPTOR.enum_types_by_name
_MESSAGES: Final = wire.DESCRIPTOR.message_types_by_name

EXPERIMENT_STATES: Final = WireNames(
    _ENUMS["ExperimentState"],
    {word.upper(): word for word in ("Created", "Running", "Restarting", "Succeeded", "Failed", "Stopped")},
)
TRIAL_STATES: Final = WireNames(_ENUMS["TrialState"], {f"TRIAL_{state.name}": state for state in TrialState})
OUTCOMES: Final = WireNames(
    _MESSAGES["CompleteTrialRequest"].enum_types_by_name["Outcome"], {outcome.name: outcome for outcome in Outcome}
)
COMPARISONS: Final = WireNames(
    _MESSAGES["StoppingRule"].enum_types_by_name["Comparison"],
    {word.upper(): word for word in ("equal", "less", "greater")},
)


def request_of(kind: Any, **fields: Any) -> Any:
    """Return a request.

    Raises:
        InvalidInput: A value is none of its field: a text that has no bytes, or a number that does not fit.
    """
    try:
        return kind(**fields)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"this cannot be sent: {error}") from error


def fill_time(target: Any, moment: datetime | None) -> None:
    """Write a time into a ``google.protobuf.Timestamp``, which stays absent where there is none."""
    if moment is not None:
        target.FromDatetime(moment)
        target.SetInParent()


def time_of(message: Any, field: str) -> datetime | None:
    """Return the time in a field of a message that a server sent, None where there is none."""
    found: datetime | None = getattr(message, field).ToDatetime(UTC) if message.HasField(field) else None
    return found


def read_time(message: Any, field: str, where: str) -> datetime | None:
    """Return the time in a field of a request, None where there is none.

    Args:
        message: A part of the request.
        field: Of that part.
        where: The part, with the full stop that follows it.

    Raises:
        InvalidInput: It is none between the years 1 and 9999.
    """
    try:
        return time_of(message, field)
    except (ValueError, OverflowError):
        raise InvalidInput([Problem(f"{where}{field}", "must be a time of the years 1 to 9999")]) from None


def read_seconds(message: Any, field: str, default: float) -> float:
    """Return how many seconds a ``google.protobuf.Duration`` in a field of a message is."""
    if not message.HasField(field):
        return default
    duration = getattr(message, field)
    seconds: float = duration.seconds + duration.nanos / 1e9
    return seconds
