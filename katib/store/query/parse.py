"""Reads a filter: MLflow's grammar and more, by descent over a scanner, into a tree of values.

All types are checked here, so that a tree always makes sense to whoever evaluates or compiles it. There are limits on length,
depth and numbers of things, all below what a database refuses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from katib.store.query.fields import looks_like_field, read_field
from katib.store.query.literals import read_text, read_value, sees_number, text_in_list
from katib.store.query.printing import print_field
from katib.store.query.scanner import Scanner
from katib.store.query.tree import And, Between, Compare, Contains, In, IsNan, IsNull, Like, Not, Or, Reading
from katib.store.query.vocabulary import Type

if TYPE_CHECKING:
    from katib.store.query.tree import Comparison, Field, Filter, Operator, Value
    from katib.store.query.vocabulary import Vocabulary

__all__ = ["DEEPEST", "LONGEST_PATTERN", "MOST_COMPARISONS", "MOST_VALUES", "MOST_WILDCARDS", "parse_filter"]

DEEPEST: Final = 20
"""Parentheses and NOTs inside one another; SQLite before 3.46 reads 100 levels, of which each of ours is up to three."""
MOST_COMPARISONS: Final = 250
MOST_VALUES: Final = 5_000
"""Of all lists together; SQLite takes 32,766 values in a statement, PostgreSQL 65,535."""
LONGEST_PATTERN: Final = 1_000
"""Characters of a text for LIKE or CONTAINS."""
MOST_WILDCARDS: Final = 10
"""Runs of ``%`` in one pattern: databases match each by trying everything."""

_OPERATORS: Final[dict[str, Operator]] = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OFTEN_MEANT: Final = {"==": "=", "<>": "!=", "=>": ">=", "=<": "<=", "~": "LIKE", "=~": "LIKE", "!~": "NOT LIKE"}
_OF_TEXT: Final = "= != LIKE ILIKE CONTAINS IN, IS NULL"
_EXPECTED: Final = {
    Type.TEXT: _OF_TEXT,
    Type.NUMBER: "= != < <= > >= BETWEEN IN, IS NULL, IS NAN",
    Type.TIME: "= != < <= > >= BETWEEN, IS NULL",
    Type.DURATION: "= != < <= > >= BETWEEN, IS NULL",
}


def parse_filter(text: str, vocabulary: Vocabulary, *, what: str = "filter") -> Filter:
    """Return the tree of a filter; an empty text is the filter that everything passes.

    Example::

        parse_filter("metrics.loss < 0.1 AND (params.optimizer = 'adam' OR params.lr < 0.01)", RUNS)

    Args:
        text: As someone wrote it.
        what: What the text is called in messages.

    Raises:
        InvalidInput: It cannot be read, names what is not there, or is too long, too deep or too much.
    """
    return _Parser(Scanner(text, what), vocabulary).filter()


class _Parser:
    def __init__(self, scanner: Scanner, vocabulary: Vocabulary) -> None:
        self._scanner = scanner
        self._vocabulary = vocabulary
        self._comparisons = self._values = 0
        # MLflow reads "a AND", "AND a", "a AND AND b" and "a b" as if the ANDs were right. So do we, where the rest of the filter
        # is MLflow's too; beside an OR, a NOT or parentheses a missing AND is more likely a missing OR.
        self._slack: int | None = None
        self._is_mlflows = True

    def filter(self) -> Filter:
        scanner = self._scanner
        tree = And(()) if scanner.at_end else self._disjunction(0)
        if not scanner.at_end:
            if scanner.sees_symbol(")"):
                raise scanner.fault("this parenthesis closes nothing")
            raise scanner.fault("expected AND, OR or the end")
        if self._slack is not None and not self._is_mlflows:
            raise scanner.fault(
                "expected a comparison on each side of every AND, and AND or OR between any two", at=self._slack
            )
        return tree

    def _disjunction(self, depth: int) -> Filter:
        items = [self._conjunction(depth)]
        while self._scanner.keyword("OR"):
            self._is_mlflows = False
            items.append(self._conjunction(depth))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _conjunction(self, depth: int) -> Filter:
        scanner = self._scanner
        items: list[Filter] = []
        while True:
            before, ands = scanner.place, 0
            while scanner.keyword("AND"):
                ands += 1
            ends = scanner.at_end or scanner.sees_symbol(")") or scanner.sees("OR")
            if ends and not ands and items:
                break
            if ands != (1 if items else 0) or ends:
                self._allow_slack(before, ands, items)
            if ends:
                break
            items.append(self._negation(depth))
        return items[0] if len(items) == 1 else And(tuple(items))

    def _allow_slack(self, place: int, ands: int, items: list[Filter]) -> None:
        scanner = self._scanner
        missing = items and not ands
        if missing and not looks_like_field(scanner, self._vocabulary):
            raise scanner.fault("expected AND, OR or the end")
        if not items and not ands:
            raise scanner.fault("expected a comparison, such as metrics.loss < 0.1")
        if self._slack is None:
            self._slack = place

    def _negation(self, depth: int) -> Filter:
        scanner = self._scanner
        start = scanner.place
        negated = bool(scanner.keyword("NOT"))
        if not negated and not scanner.symbol("("):
            return self._comparison()
        self._is_mlflows = False
        if depth >= DEEPEST:
            raise scanner.fault(f"more than {DEEPEST} parentheses and NOTs inside one another", at=start)
        if negated:
            return Not(self._negation(depth + 1))
        tree = self._disjunction(depth + 1)
        if not scanner.symbol(")"):
            raise scanner.fault("expected AND, OR or )")
        return tree

    def _comparison(self) -> Filter:
        scanner = self._scanner
        start = scanner.place
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            raise scanner.fault(f"more than {MOST_COMPARISONS} comparisons", at=start)
        field = read_field(scanner, self._vocabulary)
        place = scanner.place
        written = scanner.operator()
        if written:
            if written not in _OPERATORS:
                meant = _OFTEN_MEANT.get(written)
                hint = f"did you mean {meant}?" if meant else ""
                raise scanner.fault(f"there is no operator {written}", at=place, until=place + len(written), hint=hint)
            return self._compare(field, _OPERATORS[written], place)
        if scanner.keyword("IS"):
            return self._is(field)
        negated = bool(scanner.keyword("NOT"))
        word = scanner.keyword("LIKE", "ILIKE", "CONTAINS", "IN", "BETWEEN")
        if not word:
            expected = "LIKE, ILIKE, CONTAINS, IN or BETWEEN after NOT" if negated else self._operators_of(field)
            raise scanner.fault(f"expected an operator: {expected}", at=scanner.place)
        return self._with_word(field, word, place, negated=negated)

    @staticmethod
    def _operators_of(field: Field) -> str:
        if field.entity.is_typed_by_use and field.reading is Reading.VALUE:
            return f"{_OF_TEXT}; for a number also < <= > >= BETWEEN"
        return _EXPECTED[field.type]

    def _count(self, values: int, place: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise self._scanner.fault(f"more than {MOST_VALUES:,} values", at=place)

    def _as_used(self, field: Field) -> Field:
        """Return the field as the literal that comes next makes it: a parameter beside a number is a number."""
        if field.entity.is_typed_by_use and field.reading is Reading.VALUE and sees_number(self._scanner):
            return replace(field, type=Type.NUMBER, reading=Reading.NUMBER)
        return field

    def _value(self, field: Field) -> Value:
        place = self._scanner.place
        self._count(1, place)
        return read_value(self._scanner, field.type, print_field(field))

    def _compare(self, field: Field, operator: Operator, place: int) -> Compare:
        field = self._as_used(field)
        if field.type is Type.TEXT and operator not in {"=", "!="}:
            quoted = self._scanner.quoted() if field.entity.is_typed_by_use else None
            raise self._scanner.fault(
                f"texts have no order: {print_field(field)} has {_OF_TEXT}",
                at=place,
                until=place + len(operator),
                hint="leave the quotes out to compare numbers" if quoted else "",
            )
        return Compare(field, operator, self._value(field))

    def _is(self, field: Field) -> IsNull | IsNan:
        scanner = self._scanner
        negated = bool(scanner.keyword("NOT"))
        place = scanner.place
        word = scanner.keyword("NULL", "NAN")
        if word == "NULL":
            return IsNull(field, negated=negated)
        if not word:
            raise scanner.fault("expected NULL, NOT NULL, NAN or NOT NAN after IS")
        if field.entity.is_typed_by_use:
            field = replace(field, type=Type.NUMBER, reading=Reading.NUMBER)
        if field.type is not Type.NUMBER:
            raise scanner.fault(
                f"{print_field(field)} is a {field.type.value}, which is never NaN", at=place, until=place + 3
            )
        return IsNan(field, negated=negated)

    def _with_word(self, field: Field, word: str, place: int, *, negated: bool) -> Comparison:
        if word == "IN":
            return self._in(field, negated=negated)
        if word == "BETWEEN":
            field = self._as_used(field)
            if field.type is Type.TEXT:
                raise self._scanner.fault(
                    f"texts have no order: {print_field(field)} has {_OF_TEXT}", at=place, until=place + 7
                )
            low = self._value(field)
            if not self._scanner.keyword("AND"):
                raise self._scanner.fault("expected AND and the upper end of BETWEEN")
            return Between(field, low, self._value(field), negated=negated)
        if field.type is not Type.TEXT:
            expected = _EXPECTED[field.type]
            raise self._scanner.fault(
                f"{print_field(field)} is a {field.type.value}, not a text: it has {expected}",
                at=place,
                until=self._scanner.was + len(word),
            )
        if word == "CONTAINS":
            return Contains(field, self._pattern(field), negated=negated)
        return self._like(field, ignores_case=word == "ILIKE", negated=negated)

    def _pattern(self, field: Field) -> str:
        place = self._scanner.place
        self._count(1, place)
        text = read_text(self._scanner, print_field(field)).text
        if len(text) > LONGEST_PATTERN:
            raise self._scanner.fault(f"more than {LONGEST_PATTERN:,} characters to search for", at=place)
        return text

    def _like(self, field: Field, *, ignores_case: bool, negated: bool) -> Like:
        scanner = self._scanner
        place = scanner.place
        pattern = self._pattern(field)
        escape = ""
        if scanner.keyword("ESCAPE"):
            at = scanner.place
            escape = read_text(scanner, "ESCAPE").text
            if len(escape) != 1 or escape in "%_":
                raise scanner.fault("ESCAPE has one character, neither % nor _", at=at, until=scanner.place)
        runs, was_percent, position = 0, False, 0
        while position < len(pattern):
            character = pattern[position]
            if escape and character == escape:
                if pattern[position + 1 : position + 2] not in {"%", "_", escape}:
                    raise scanner.fault(f"{escape} stands before %, _ or itself", at=place, until=place + 1)
                position += 1
            runs += character == "%" and not was_percent
            was_percent = character == "%"
            position += 1
        if runs > MOST_WILDCARDS:
            raise scanner.fault(f"more than {MOST_WILDCARDS} % in one pattern", at=place)
        return Like(field, pattern, escape, ignores_case=ignores_case, negated=negated)

    def _in(self, field: Field, *, negated: bool) -> In:
        scanner = self._scanner
        if not scanner.symbol("("):
            raise scanner.fault("expected a list in parentheses after IN")
        field = self._as_used(field)
        if field.type not in {Type.TEXT, Type.NUMBER}:
            raise scanner.fault(f"{print_field(field)} is a {field.type.value}; IN is for texts and numbers")
        values: list[Value] = []
        while not (values and scanner.sees_symbol(")")):
            place = scanner.place
            if not values and scanner.sees_symbol(")"):
                raise scanner.fault("a list has at least one value", at=place)
            self._count(1, place)
            if field.type is Type.TEXT:
                values.append(text_in_list(read_text(scanner, print_field(field))))
            else:
                values.append(read_value(scanner, field.type, print_field(field)))
            if not scanner.symbol(","):
                break
        if not scanner.symbol(")"):
            raise scanner.fault("expected a comma or ) in the list")
        return In(field, tuple(values), negated=negated)
