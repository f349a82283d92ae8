"""Reads the name of a field in a query: ``metrics.loss``, ``params['any text']``, ``min(metrics.loss)``, ``start_time``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.api.similar import did_you_mean
from katib.store.query.tree import Field, Reading
from katib.store.query.vocabulary import DATASET_KEYS, Entity, Type, entity_named

if TYPE_CHECKING:
    from katib.store.query.scanner import Scanner
    from katib.store.query.vocabulary import Vocabulary

__all__ = ["looks_like_field", "read_field"]

_FUNCTIONS: Final = {reading.value: reading for reading in Reading}
_OF_METRICS: Final = frozenset({Reading.VALUE, Reading.FIRST, Reading.MIN, Reading.MAX, Reading.COUNT, Reading.STEP})
_INT64: Final = 2**63


def looks_like_field(scanner: Scanner, vocabulary: Vocabulary) -> bool:
    """Return whether what comes next is the beginning of a comparison rather than a slip of the pen."""
    name = scanner.peek_name()
    if name.lower() in _FUNCTIONS:
        return True
    word, dot, _ = name.partition(".")
    if dot or "[" in word:
        return entity_named(_without(word.partition("[")[0], "`")) in vocabulary.entities
    return vocabulary.attribute(_key(name)) is not None


def read_field(scanner: Scanner, vocabulary: Vocabulary) -> Field:
    """Take a field.

    Raises:
        InvalidInput: There is none, or none of that name.
    """
    function = scanner.function()
    if not function:
        return _plain(scanner, vocabulary)
    start = scanner.was
    reading = _FUNCTIONS.get(function)
    if reading is None:
        raise scanner.fault(
            f"there is no function {function}(): there are {', '.join(_FUNCTIONS)}",
            at=start,
            until=start + len(function),
            hint=did_you_mean(function, _FUNCTIONS),
        )
    inner = scanner.place
    field = _plain(scanner, vocabulary)
    if reading in _OF_METRICS and field.entity is not Entity.METRIC:
        raise scanner.fault(f"{function}() is of a metric", at=inner, until=scanner.place)
    if reading is Reading.NUMBER and not field.entity.is_typed_by_use:
        raise scanner.fault(
            "number() is of a parameter or a property; all else has one type", at=inner, until=scanner.place
        )
    step = _step(scanner) if reading is Reading.STEP else None
    if not scanner.symbol(")"):
        raise scanner.fault(f"expected ) after what {function}() is of")
    return Field(field.entity, field.key, Type.NUMBER, reading, step)


def _step(scanner: Scanner) -> int:
    if not scanner.symbol(","):
        raise scanner.fault("at_step() has two arguments, a metric and a step; expected a comma")
    start = scanner.place
    text = scanner.number()
    digits = "" if text is None else text.lstrip("+-")
    if text is None or not digits.isdecimal() or len(digits) > 19 or not -_INT64 <= int(text) < _INT64:  # noqa: PLR2004
        raise scanner.fault("a step is a whole number of 64 bits", at=start, until=start + len(text or ""))
    return int(text)


def _plain(scanner: Scanner, vocabulary: Vocabulary) -> Field:
    start = scanner.place
    subscripted = scanner.subscripted()
    if subscripted is not None:
        word, key = subscripted
        return _resolved(scanner, vocabulary, word, key, start)
    name = scanner.name()
    if not name and scanner.at_end:
        raise scanner.fault("expected a comparison, such as metrics.loss < 0.1")
    if not name or name.lstrip("+-")[:1].isdecimal():
        raise scanner.fault("expected a comparison, which begins with a name, such as metrics.loss < 0.1", at=start)
    word, dot, key = name.partition(".")
    if dot:
        return _resolved(scanner, vocabulary, _without(word, "`"), _key(key), start)
    return _attribute(scanner, vocabulary, _key(name), start)


def _resolved(scanner: Scanner, vocabulary: Vocabulary, word: str, key: str, start: int) -> Field:
    entity = entity_named(word)
    if entity is None or entity not in vocabulary.entities:
        known = vocabulary.entity_words
        names = ", ".join(each.value for each in Entity if each in vocabulary.entities)
        said = f"{vocabulary.noun} have no {word!r}" if entity else f"there is no kind of name {word!r}"
        raise scanner.fault(
            f"{said}: there are {names}", at=start, until=start + max(1, len(word)), hint=did_you_mean(word, known)
        )
    if entity is Entity.ATTRIBUTE:
        return _attribute(scanner, vocabulary, key, start)
    if entity is Entity.DATASET and key not in DATASET_KEYS:
        raise scanner.fault(
            f"a dataset has no {key!r}: it has {', '.join(DATASET_KEYS)}",
            at=start,
            until=scanner.place,
            hint=did_you_mean(key, DATASET_KEYS),
        )
    return Field(entity, key, Type.NUMBER if entity is Entity.METRIC else Type.TEXT)


def _attribute(scanner: Scanner, vocabulary: Vocabulary, key: str, start: int) -> Field:
    attribute = vocabulary.attribute(key)
    if attribute is not None:
        return Field(Entity.ATTRIBUTE, attribute.name, attribute.type)
    entity = entity_named(key)
    if entity is not None and entity in vocabulary.entities:
        raise scanner.fault(f"{key} needs a name after it, as in {key}.NAME", at=start, until=start + len(key))
    known = [name for each in vocabulary.attributes for name in (each.name, *each.aliases)]
    hint = did_you_mean(key, known)
    others = {Entity.METRIC: "metrics.NAME", Entity.PARAMETER: "params.NAME", Entity.TAG: "tags.NAME"}
    written = ", ".join(form for entity, form in others.items() if entity in vocabulary.entities)
    listed = ", ".join(each.name for each in vocabulary.attributes)
    message = f"{vocabulary.noun} have no attribute {key[:60]!r}"
    if not hint:
        message += f": they have {listed}; other things are written {written}"
    raise scanner.fault(message, at=start, until=start + len(key), hint=hint)


def _key(written: str) -> str:
    """Return what a name means: one pair of quotes around all of it is left out, then one pair of backticks, as in MLflow."""
    for quote in ("'", '"'):
        if _is_in(written, quote):
            written = written[1:-1]
            break
    return _without(written, "`")


def _without(written: str, quote: str) -> str:
    return written[1:-1] if _is_in(written, quote) else written


def _is_in(written: str, quote: str) -> bool:
    return len(written) > 1 and written.startswith(quote) and written.endswith(quote)
