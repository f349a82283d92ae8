from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from query_generated import NOW

from katib.errors import InvalidInput
from katib.store.query.order import parse_order
from katib.store.query.parse import parse_filter
from katib.store.query.printing import print_filter
from katib.store.query.records import MetricRecord, Record, TypedText, passes
from katib.store.query.tree import And, Compare, Field, Not, Or, Reading
from katib.store.query.vocabulary import EXPERIMENTS, PROJECTS, RUNS, Entity, Type

LOSS = Field(Entity.METRIC, "loss", Type.NUMBER)
LOW, HIGH = Compare(LOSS, "<", 1.0), Compare(LOSS, ">", 5.0)
ADAM = Compare(Field(Entity.PARAMETER, "opt", Type.TEXT), "=", "adam")


def refusal(text, vocabulary=RUNS):
    with pytest.raises(InvalidInput) as refused:
        parse_filter(text, vocabulary)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("metrics.loss < 1 OR metrics.loss > 5 AND params.opt = 'adam'", Or((LOW, And((HIGH, ADAM))))),
        ("(metrics.loss < 1 OR metrics.loss > 5) AND params.opt = 'adam'", And((Or((LOW, HIGH)), ADAM))),
        ("not metrics.loss < 1 and params.opt = 'adam'", And((Not(LOW), ADAM))),
        ("not (metrics.loss < 1 and params.opt = 'adam')", Not(And((LOW, ADAM)))),
        ("", And(())),
        ("  ", And(())),
        ("last(metrics.loss)<1", LOW),
    ],
)
def test_not_binds_tighter_than_and_and_and_than_or(text, tree):
    assert parse_filter(text, RUNS) == tree


RUN = Record(
    7,
    {"run_name": "Fast ", "start_time": NOW - timedelta(hours=1), "duration": timedelta(minutes=90), "index": 3.0},
    {
        "loss": MetricRecord(0.25, first=2.0, min=0.125, max=4.0, count=9, steps={100: 0.5, 200: float("nan")}),
        "nan": MetricRecord(float("nan")),
        "word": MetricRecord(None),
    },
    {"lr": TypedText("1e-2", 0.01), "opt": TypedText("adam")},
    {"note": TypedText("x", None)},
    {"loss": "low", "100%": "50%_done"},
    [{"name": "mnist", "digest": "d1", "context": "train"}, {"name": "cifar", "digest": None, "context": "test"}],
)

TRUE = """
metrics.loss < 0.3
min(metrics.loss) = 0.125 AND max(metrics.loss) = 4 AND first(metrics.loss) = 2 AND count(metrics.loss) = 9
at_step(metrics.loss, 100) = 0.5 AND at_step(metrics.loss, 200) IS NAN AND at_step(metrics.loss, 300) IS NULL
metrics.nan IS NAN AND metrics.nan != 1 AND metrics.nan NOT BETWEEN 0 AND 1 AND NOT metrics.nan < 1 AND NOT metrics.nan >= 1
metrics.word IS NULL AND metrics.absent IS NULL AND metrics.nan IS NOT NULL AND metrics.loss IS NOT NAN
NOT metrics.absent != 1 AND NOT metrics.absent = 1
params.lr = '1e-2' AND params.lr != '0.01' AND params.lr = 0.01 AND params.lr < 0.1 AND params.lr BETWEEN 0.01 AND 0.02
params.lr IN (1, 0.01) AND params.lr IN ('1e-2') AND params.lr NOT IN ('0.01')
params.opt IS NOT NULL AND number(params.opt) IS NULL AND NOT params.opt < 5 AND NOT params.opt != 5
params.opt CONTAINS 'da' AND params.opt NOT CONTAINS 'DA' AND params.opt ILIKE 'AD%' AND params.opt NOT LIKE 'AD%'
tags.`100%` LIKE '50!%%' ESCAPE '!' AND tags.`100%` LIKE '50__done' AND tags.`100%` NOT LIKE '50!_%' ESCAPE '!'
run_name = 'Fast ' AND run_name != 'Fast' AND run_name LIKE 'Fast_'
start_time > now - 2h AND start_time < now - 30m AND start_time >= '2026-03-01T11:00:00Z' AND start_time = '2026-03-01 12:00+01:00'
start_time = 1772362800000 AND start_time > '2026-03-01' AND start_time < '2026-03-02' AND start_time < now + 1d
duration = 1h30m AND duration > 89m59.9s AND duration BETWEEN 90m AND '2h'
index = 3 AND index IN (3, 4)
datasets.name = 'mnist' AND datasets.name = 'cifar' AND datasets.digest IS NOT NULL AND datasets.name NOT IN ('mnist')
metrics.loss < inf AND metrics.loss > -Infinity AND metrics.loss < +1e0
tags.loss = e'l\\u{6f}w' AND tags['loss'] = "low"
""".strip().splitlines()


@pytest.mark.parametrize("text", TRUE)
def test_what_is_true_of_one_run(text):
    tree = parse_filter(text, RUNS)
    assert [each for each in tree.items if not passes(each, RUN, now=NOW)] == [] if isinstance(tree, And) else True
    assert passes(tree, RUN, now=NOW)
    assert parse_filter(print_filter(tree), RUNS) == tree


REFUSED = [
    ("statu = 'x'", "column 1: runs have no attribute 'statu'\n  statu = 'x'\n  ^^^^^; did you mean 'status'?"),
    ("metics.a < 1", "did you mean 'metrics'?"),
    ("minn(metrics.a) < 1", "did you mean 'min'?"),
    ("loss < 1", "other things are written metrics.NAME"),
    ("metrics < 1", "metrics needs a name after it"),
    ("metrics.loss < '5'", "column 16: metrics.loss is compared with a number"),
    ("metrics.loss < NaN", "write IS NAN"),
    ("metrics.loss LIKE 'a'", "metrics.loss is a number, not a text"),
    ("metrics.loss", "at the end: expected an operator: = != <"),
    ("metrics.loss == 5", "did you mean =?"),
    ("params.lr < '5'", "leave the quotes out to compare numbers"),
    ("params.lr <> '5'", "did you mean !=?"),
    ("tags.x = 5", "write '5'"),
    ("tags.x IS NAN", "never NaN"),
    ("params.lr IN (1, 'a')", "leave the quotes out"),
    ("params.lr IN ()", "at least one value"),
    ("params.lr IN ('a' 'b')", "expected a comma or )"),
    ("start_time > 'yesterday'", "'yesterday' is no date"),
    ("start_time > 2h", "now - 2h"),
    ("duration > 90", "did you mean 90s?"),
    ("start_time IN (1)", "IN is for texts and numbers"),
    ("min(params.lr) < 1", "min() is of a metric"),
    ("number(metrics.lr) < 1", "number() is of a parameter"),
    ("at_step(metrics.a) < 1", "expected a comma"),
    ("at_step(metrics.a, 1.5) < 1", "whole number"),
    ("at_step(metrics.a, 9223372036854775808) < 1", "whole number"),
    ("datasets.nam = 'x'", "did you mean 'name'?"),
    ("(metrics.loss < 1", "at the end: expected AND, OR or )"),
    ("metrics.loss < 1)", "closes nothing"),
    ("metrics.loss < 1 foo", "column 18: expected AND, OR or the end"),
    ("metrics.loss < 1 OR", "at the end: expected a comparison"),
    ("metrics.loss < 1 OR params.a = 'x' params.b = 'y'", "column 36: expected a comparison on each side"),
    ("status = 'x", "column 10: this quote is not closed"),
    ("status = e'\\q'", "is no escape"),
    ("status = e'\\u{d800}'", "is no escape"),
    ("params.a LIKE 'a!b' ESCAPE '!'", "stands before"),
    ("params.a LIKE 'ab' ESCAPE '%'", "one character"),
    ("params.a = 'a\0b'", "NUL"),
    ("()", "expected a comparison"),
    ("1 < metrics.loss", "column 1: expected a comparison, which begins with a name"),
    (";", "expected a comparison"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[text for text, _ in REFUSED])
def test_a_fault_is_shown_where_it_is_and_with_a_way_out(text, said):
    assert said in refusal(text)


def test_each_kind_of_thing_has_its_own_names():
    assert "projects have no 'metrics'" in refusal("metrics.loss < 1", PROJECTS)
    assert "experiments have no 'params'" in refusal("params.lr < 1", EXPERIMENTS)
    assert parse_filter("trials > 5 AND algorithm = 'tpe' AND best < 0.1", EXPERIMENTS)


def test_limits_are_refusals():
    most = "metrics.a < 1 AND " * 249 + "metrics.a < 1"
    assert parse_filter(most, RUNS)
    assert "more than 250 comparisons" in refusal(f"{most} AND metrics.a < 1")
    assert "more than 20 parentheses" in refusal("(" * 10_000)
    assert "more than 20 parentheses" in refusal("NOT " * 10_000 + "metrics.a < 1")
    assert "more than 5,000 values" in refusal(f"params.a IN ({'1,' * 5001})")
    assert "more than 10 %" in refusal(f"params.a LIKE '{'%a' * 11}'")
    assert "more than 1,000 characters" in refusal(f"params.a CONTAINS '{'a' * 1001}'")
    assert "65,536" in refusal("a" * 65_537)
    assert parse_filter(f"params.a = '{'a' * 60_000}'", RUNS)
    assert len(refusal(f"{'a' * 60_000} = 1")) < 1500


def test_long_numbers_are_read():
    assert parse_filter(f"metrics.a < {'9' * 60_000}", RUNS).value == float("inf")
    assert parse_filter(f"start_time < {'9' * 60_000}", RUNS)
    assert "too long" in refusal("duration < 999999999d")


def test_a_lone_surrogate_is_what_the_store_makes_of_it():
    assert parse_filter("tags.a = '\udc80'", RUNS).value == r"\udc80"


PIECES = st.sampled_from([
    "AND", "OR", "NOT", "(", ")", "metrics.loss", "params.lr", "tags['", "e'", "=", "<", "'", '"', "`", "1", "-", ",", "IS", "NULL", "NAN",
    "IN", "BETWEEN", "LIKE", "ESCAPE", ".", " ", "\n", "now", "2h", "min(", "at_step(", "é", "\\", "]", "start_time", "duration", "ASC",
])  # fmt: skip


@settings(deadline=None, max_examples=1500)
@given(st.lists(PIECES, max_size=25).map(" ".join) | st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    for vocabulary in (RUNS, EXPERIMENTS, PROJECTS):
        try:
            tree = parse_filter(text, vocabulary)
        except InvalidInput as refused:
            assert str(refused)  # noqa: PT017
        else:
            assert parse_filter(print_filter(tree), vocabulary) == tree
            passes(tree, RUN, now=NOW)
        try:
            parse_order(text, vocabulary)
        except InvalidInput as refused:
            assert str(refused)  # noqa: PT017


def test_an_order_is_the_keys_then_the_default_then_the_id():
    assert str(parse_order([], RUNS)) == "start_time DESC, id DESC"
    assert str(parse_order([], PROJECTS)) == "creation_time DESC, id DESC"
    order = parse_order(
        ["metrics.loss, min(metrics.loss) desc", "number(params.lr)", "created ASC", "metrics.loss DESC"], RUNS
    )
    assert str(order) == "metrics.loss ASC, min(metrics.loss) DESC, number(params.lr) ASC, start_time ASC, id DESC"
    assert order.keys[1].field.reading is Reading.MIN


@pytest.mark.parametrize(
    ("clause", "said"),
    [
        ("metrics.loss DOWN", "expected ASC, DESC, a comma or the end"),
        ("metrics.loss,", "expected a key after the comma"),
        ("datasets.name", "several datasets"),
        ("los", "order_by: column 1: runs have no attribute 'los'"),
        (", ".join(f"metrics.m{number}" for number in range(9)), "more than 8 keys"),
    ],
)
def test_an_order_that_cannot_be_read_is_refused(clause, said):
    with pytest.raises(InvalidInput) as refused:
        parse_order(clause, RUNS)
    assert said in str(refused.value)
