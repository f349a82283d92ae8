from contextlib import contextmanager

import query_generated as generated
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from query_generated import NOW
from query_tables import TrialFields, fill, trials
from sqlalchemy import select

from katib.store.query.order import parse_order, sort_records
from katib.store.query.pages import page_of
from katib.store.query.parse import DEEPEST, parse_filter
from katib.store.query.records import passes
from katib.store.query.to_sql import compile_filter
from katib.store.query.tree import And
from katib.store.query.vocabulary import RUNS

slow_data = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def filled(engine, records):
    with engine.connect() as connection:
        transaction = connection.begin()
        fill(connection, records)
        yield connection
        transaction.rollback()


def found_by_sql(connection, tree):
    statement = select(trials.c.id).where(compile_filter(tree, TrialFields(), now=NOW)).order_by(trials.c.id)
    return list(connection.execute(statement).scalars())


LISTS_OF_TREES = st.lists(generated.trees(generated.SOME_KEYS), min_size=1, max_size=6)


@slow_data
@given(records=generated.RECORDS, trees=LISTS_OF_TREES)
def test_a_database_finds_what_plain_python_finds(engine, records, trees):
    check_finding(engine, records, trees)


def check_finding(engine, records, trees):
    with filled(engine, records) as connection:
        for tree in trees:
            expected = [record.id for record in records if passes(tree, record, now=NOW)]
            assert found_by_sql(connection, tree) == expected, tree


def pages(connection, tree, order, limit):
    cursor, seen = None, []
    while True:
        page = page_of(trials, TrialFields(), tree, order, limit=limit, after=cursor, now=NOW)
        rows = connection.execute(page.statement).all()
        seen += page.ids(rows)
        assert len(page.ids(rows)) <= limit
        cursor = page.next_cursor(rows)
        if cursor is None:
            return seen


@slow_data
@given(
    records=generated.RECORDS,
    order=generated.ORDERS,
    limit=st.integers(1, 4),
    tree=generated.trees(generated.SOME_KEYS),
)
def test_paging_gives_the_sorted_list_once_each(engine, records, order, limit, tree):
    check_paging(engine, records, order, limit, tree)


def check_paging(engine, records, order, limit, tree):
    with filled(engine, records) as connection:
        for wanted in (And(()), tree):
            expected = [record.id for record in sort_records(order, records) if passes(wanted, record, now=NOW)]
            assert pages(connection, wanted, order, limit) == expected


def test_no_literal_is_written_into_the_statement():
    tree = parse_filter(
        "params.`x'); DROP TABLE trials; --` = 'evil1' AND tags.a LIKE 'evil2%' AND status IN ('evil3') AND run_name CONTAINS 'evil4'"
        " AND metrics.evil5 < 123.5 AND at_step(metrics.evil6, 77) > 99.25 AND duration > 1234s",
        RUNS,
    )
    statement = str(select(trials.c.id).where(compile_filter(tree, TrialFields(), now=NOW)))
    assert not any(word in statement for word in ("evil", "DROP", "123", "77", "99"))


def test_the_largest_filters_allowed_are_taken_by_the_database(engine):
    wide = parse_filter(" OR ".join(["(metrics.loss < 0.5 AND NOT params.lr = 'x')"] * 125), RUNS)
    leaf = "at_step(metrics.loss, 5) NOT BETWEEN 0.5 AND 3"
    alternating = negated = leaf
    for level in range(DEEPEST):
        alternating = f"{leaf} {'OR' if level % 2 else 'AND'} ({alternating})"
        negated = f"NOT ({leaf} AND {negated})" if level % 2 else negated
    deep = parse_filter(f"{alternating} AND status = 'x'", RUNS)
    deeper = parse_filter(f"status = 'x' AND {negated}", RUNS)
    long = parse_filter(f"run_id IN ({', '.join(map(repr, map(str, range(5000))))})".replace("run_id", "status"), RUNS)
    pattern = parse_filter("status LIKE '" + "%aaaa" * 10 + "a" * 950 + "'", RUNS)
    with engine.connect() as connection:
        for tree in (wide, deep, deeper, long, pattern):
            assert (
                connection.execute(page_of(trials, TrialFields(), tree, parse_order([], RUNS), limit=1).statement).all()
                == []
            )


def test_long_texts_page(engine):
    order = parse_order(["tags.note DESC"], RUNS)
    texts = ["é" * 20_000 + str(number % 3) for number in range(5)] + ["b", "é" * 499, ""]
    records = [generated.record_of(number, ({}, {}, {}, {}, {"note": text}, [])) for number, text in enumerate(texts)]
    with filled(engine, records) as connection:
        assert pages(connection, And(()), order, 2) == [4, 3, 2, 1, 0, 6, 5, 7]


def test_the_largest_order_allowed_pages(engine):
    order = parse_order([f"metrics.m{number} DESC" for number in range(8)], RUNS)
    with filled(engine, [generated.record_of(number, ({}, {}, {}, {}, {}, [])) for number in range(5)]) as connection:
        assert pages(connection, And(()), order, 2) == [4, 3, 2, 1, 0]


@settings(deadline=None, max_examples=60, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(
    records=generated.RECORDS,
    trees=LISTS_OF_TREES,
    order=generated.ORDERS,
    limit=st.integers(1, 4),
)
def test_servers_find_and_sort_alike(server_engine, records, trees, order, limit):
    check_finding(server_engine, records, trees)
    check_paging(server_engine, records, order, limit, trees[0])
