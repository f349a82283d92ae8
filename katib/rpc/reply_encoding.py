"""The answers of a suggestion server that may be anybody's: read with limits, and believed only as far as they were checked.

A message of 64 MiB can say thirty million times that there is nothing, and takes gigabytes once it is decoded. So the outermost
fields are counted before anything is decoded.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from katib.algorithm import registry
from katib.api.trial import EarlyStoppingRule
from katib.errors import AlgorithmError, InvalidInput
from katib.rpc import v1beta1 as wire
from katib.rpc.request_parts import ReplyParts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from katib.api.experiment import Experiment
    from katib.space.space import Space

__all__ = ["Suggested", "Suggestions", "rules_in", "says_it_was_read", "suggestions_in"]

_MOST_BYTES: Final = 4 << 20
"""Of one point, of all settings, of all rules."""
_MOST_FIELDS: Final = 1_000
"""Settings, or rules; beside its points an answer has no more."""
_MOST_LABELS: Final = 64
_IDENTITY: Final = frozenset(f"katib.kubeflow.org/{name}" for name in ("experiment", "experiment-uid", "trial"))
"""Labels by which a trial is found; an algorithm has no say in them."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_COMPARISONS: Final = {wire.EQUAL: "equal", wire.LESS: "less", wire.GREATER: "greater"}
_POINTS, _ALGORITHM = 1, 2
_VARINT, _EIGHT_BYTES, _BYTES_FOLLOW, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Suggested:
    """One point.

    Attributes:
        assignments: Names and values as the server wrote them, in the order of the experiment.
        name: What the trial should be called; empty where whoever creates it may choose.
        labels: What the algorithm wants to find again on the trial.
    """

    assignments: tuple[tuple[str, str], ...]
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suggestions:
    """One answer.

    Attributes:
        points: At most as many as were asked for.
        settings: Of third-party algorithms that keep their state there; to be sent again with the next request.
    """

    points: tuple[Suggested, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


def suggestions_in(
    reply: bytes, experiment: Experiment, *, count: int, is_taken: Callable[[str], bool], who: str
) -> Suggestions:
    """Return what a server suggests.

    Args:
        reply: A ``GetSuggestionsReply``.
        experiment: What was asked about.
        count: How many points were asked for.
        is_taken: Whether a trial has this name already.
        who: The server, as a subject.

    Raises:
        AlgorithmError: It is no such message, has too many points, or one that no trial can be made of.
    """
    with _answer_of(who):
        return _suggestions(reply, experiment, count, is_taken)


def rules_in(reply: bytes, who: str) -> tuple[EarlyStoppingRule, ...]:
    """Return the rules that new trials take along.

    Raises:
        AlgorithmError: It is no ``GetEarlyStoppingRulesReply``, or has a rule that makes no sense.
    """
    with _answer_of(who):
        for _ in _fields(_limited(reply), most=_MOST_FIELDS):
            pass
        return tuple(_rule(rule) for rule in wire.GetEarlyStoppingRulesReply.FromString(reply).early_stopping_rules)


def says_it_was_read(reply: bytes) -> bool:
    """Whether an answer, checked already, is that of the experiment as JSON: only our own server reads it."""
    try:
        return ReplyParts.FromString(reply).experiment_json_read
    except DecodeError:
        return False


class _Nonsense(Exception):
    """What an answer has that it should not have."""


@contextlib.contextmanager
def _answer_of(who: str) -> Iterator[None]:
    """Say of whatever is found wrong within whose answer it is."""
    try:
        yield
    except _Nonsense as error:
        raise AlgorithmError(f"the answer of {who} has {error}") from None
    except DecodeError as error:
        raise AlgorithmError(f"the answer of {who} is no message: {error}") from None


def _suggestions(reply: bytes, experiment: Experiment, count: int, is_taken: Callable[[str], bool]) -> Suggestions:
    points: list[Suggested] = []
    algorithm, space = b"", _space(experiment)
    for number, content in _fields(reply, most=count + _MOST_FIELDS):
        if number == _POINTS:
            if len(points) == count:
                raise _Nonsense(f"more points than the {count} that were asked for")
            points.append(_suggested(_limited(content), space))
        elif number == _ALGORITHM:
            algorithm = _limited(algorithm + content)
    _check_names([point.name for point in points if point.name], is_taken)
    return Suggestions(tuple(points), _settings(algorithm))


def _fields(message: bytes, *, most: int) -> Iterator[tuple[int, bytes]]:
    """Yield the outermost fields of a message that have a length; none is decoded."""
    place = fields = 0
    while place < len(message):
        fields += 1
        if fields > most:
            raise _Nonsense(f"more than {most} fields")
        tag, place = _number(message, place)
        kind = tag & 7
        if kind == _BYTES_FOLLOW:
            size, place = _number(message, place)
            if place + size > len(message):
                raise _Nonsense("an end that is missing")
            yield tag >> 3, message[place : place + size]
            place += size
        elif kind == _VARINT:
            _, place = _number(message, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            place += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise _Nonsense("bytes that are no message")


def _number(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(message) and shift < 70:  # noqa: PLR2004 - ten bytes at most
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return number, place
    raise _Nonsense("bytes that are no message")


def _limited(content: bytes) -> bytes:
    if len(content) > _MOST_BYTES:
        raise _Nonsense(f"a part of {len(content)} bytes, of which at most {_MOST_BYTES} are read")
    return content


def _space(experiment: Experiment) -> Space | None:
    """Return where points should be; None for a search of networks by an algorithm that only the server knows."""
    if experiment.spec.nas_config is not None and not registry.assigned_texts(experiment):
        return None
    return registry.space_of(experiment)


def _suggested(content: bytes, space: Space | None) -> Suggested:
    for _ in _fields(content, most=_MOST_FIELDS + (0 if space is None else space.dimension)):
        pass
    message = wire.GetSuggestionsReply.ParameterAssignments.FromString(content)
    texts = {item.name: item.value for item in message.assignments}
    if len(texts) < len(message.assignments):
        raise _Nonsense("a point in which a parameter has two values")
    if message.trial_name and not _NAME.fullmatch(message.trial_name):
        raise _Nonsense(f"a name that no trial can have: {_shown(message.trial_name)}")
    if len(message.labels) > _MOST_LABELS:
        raise _Nonsense(f"more than {_MOST_LABELS} labels on a trial")
    if taken := _IDENTITY & message.labels.keys():
        raise _Nonsense(f"a label that says whose a trial is: {min(taken)}")
    if space is None:
        if not texts:
            raise _Nonsense("a point without a value")
        assignments = tuple(texts.items())
    else:
        try:
            assignments = tuple((name, texts[name]) for name in space.parse(list(texts.items())))
        except InvalidInput as error:
            why = "; ".join(_shown(problem.message, plain=True) for problem in error.problems[:3])
            raise _Nonsense(f"a point that is not in the space: {why}") from None
    return Suggested(assignments, message.trial_name, dict(message.labels))


def _check_names(names: list[str], is_taken: Callable[[str], bool]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen or is_taken(name):
            raise _Nonsense(f"a name that two trials would have: {_shown(name)}")
        seen.add(name)


def _settings(content: bytes) -> tuple[tuple[str, str], ...]:
    """Return the settings of an ``AlgorithmSpec``, the last value of each."""
    for _ in _fields(content, most=_MOST_FIELDS):
        pass
    stated = wire.AlgorithmSpec.FromString(content).algorithm_settings
    return tuple({setting.name: setting.value for setting in stated}.items())


def _rule(rule: wire.EarlyStoppingRule) -> EarlyStoppingRule:
    if rule.comparison not in _COMPARISONS or not rule.name or rule.start_step < 0:
        raise _Nonsense(f"a rule that compares nothing: {_shown(str(rule))}")
    try:
        float(rule.value)
    except ValueError:
        raise _Nonsense(f"a rule whose value is no number: {_shown(rule.value)}") from None
    return EarlyStoppingRule.model_validate(
        {
            "name": rule.name,
            "value": rule.value,
            "comparison": _COMPARISONS[rule.comparison],
            "startStep": rule.start_step or None,
        }
    )


def _shown(text: str, *, plain: bool = False) -> str:
    shown = text if plain else repr(text)
    return shown if len(shown) <= 200 else f"{shown[:199]}…"  # noqa: PLR2004 - enough to see what it is
