"""What is found in the real tables is what the plain evaluator of filters and orders says, and never another namespace's."""

from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple
from unittest import mock

import finding_rows as rows
import pytest
import query_generated as generated
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from query_generated import NOW, SOME_KEYS
from sqlalchemy import and_, create_engine

from katib.errors import InvalidInput
from katib.store.query.cursor import encode_cursor
from katib.store.query.order import Order, parse_order, sort_records
from katib.store.query.pages import page_of
from katib.store.query.printing import print_filter, print_sort_key
from katib.store.query.records import passes
from katib.store.query.tree import And
from katib.store.query.vocabulary import EXPERIMENTS, PROJECTS, RUNS
from katib.store.sql.schema import metadata, trials
from katib.store.sql.tracking import run_search
from katib.store.sql.tracking.finding import (
    MOST_IDS,
    count_projects,
    count_runs,
    count_searches,
    find_project_keys,
    find_run_keys,
    find_search_keys,
)
from katib.store.sql.tracking.run_fields import RunFields
from katib.store.sql.tracking.scope import Scope
from katib.store.tracking.records import Lifecycle, RunScope

SCOPE = Scope(rows.NAMESPACE, "somebody")
slow_data = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
on_servers = settings(
    deadline=None, max_examples=25, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def engine():
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server_engine(request):
    server = request.getfixturevalue(request.param)
    url = server.new_database()
    engine = create_engine(url)
    metadata.create_all(engine)
    yield engine
    engine.dispose()
    server.drop(url)


@contextmanager
def filled(engine, put, *args):
    with engine.connect() as connection:
        transaction = connection.begin()
        put(connection, *args)
        yield connection
        transaction.rollback()


def all_pages(find, limit):
    """Ask page after page for everything."""
    cursor, seen = None, []
    while True:
        keys, cursor = find(limit=limit, cursor=cursor)
        assert len(keys) <= limit
        seen += keys
        if cursor is None:
            return seen


TREES_OF_RUNS = generated.trees(SOME_KEYS, attributes=rows.RUN_ATTRIBUTES)
TREES_OF_SEARCHES = generated.trees(SOME_KEYS, rows.OF_SEARCHES, rows.SEARCH_ATTRIBUTES)
TREES_OF_PROJECTS = generated.trees(SOME_KEYS, rows.OF_PROJECTS, rows.PROJECT_ATTRIBUTES)
ORDERS_OF_RUNS = generated.orders(attributes=rows.RUN_ATTRIBUTES)
ORDERS_OF_SEARCHES = generated.orders(rows.OF_SEARCHES[:-1], rows.SEARCH_ATTRIBUTES)
ORDERS_OF_PROJECTS = generated.orders(rows.OF_PROJECTS, rows.PROJECT_ATTRIBUTES)


class Task(NamedTuple):
    """Something to look for."""

    records: list
    trees: list
    order: Order
    deleted: frozenset
    lifecycle: Lifecycle
    limit: int
    near: int
    few: int

    @property
    def wanted(self):
        """The records that are in the lifecycle."""
        return [
            record
            for record in self.records
            if self.lifecycle is Lifecycle.ALL or (record.id in self.deleted) == (self.lifecycle is Lifecycle.DELETED)
        ]


def tasks(records, trees, orders):
    return st.builds(
        Task,
        records,
        st.lists(trees, min_size=1, max_size=5),
        orders,
        st.frozensets(st.integers(1, 8), max_size=3),
        st.sampled_from(list(Lifecycle)),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(0, 6),
    )


TASKS_OF_RUNS = tasks(rows.run_lists(), TREES_OF_RUNS, ORDERS_OF_RUNS)
TASKS_OF_SEARCHES = tasks(rows.search_lists(), TREES_OF_SEARCHES, ORDERS_OF_SEARCHES)
TASKS_OF_PROJECTS = tasks(rows.project_lists(), TREES_OF_PROJECTS, ORDERS_OF_PROJECTS)


def check(vocabulary, task, find, count):
    clauses = [print_sort_key(key) for key in task.order.keys]
    in_order = sort_records(parse_order(clauses, vocabulary), task.wanted)
    for tree in task.trees:
        text = print_filter(tree)
        expected = [record.id for record in in_order if passes(tree, record, now=NOW)]
        assert all_pages(lambda text=text, **page: find(text, clauses, **page), task.limit) == expected, text
        assert count(text) == len(expected), text


def check_runs(engine, task):
    scope = RunScope(lifecycle=task.lifecycle, project_ids=[rows.uid_of("project", rows.MINE)] if task.few % 2 else [])
    if task.lifecycle is not Lifecycle.ACTIVE:  # without the root runs, which are deleted here
        scope = replace(scope, run_ids=[record.attributes["run_id"] for record in task.records])
    of_project = [record for record in task.records if not task.few % 2 or record.attributes["project"] == "mine"]
    ways = mock.patch.multiple(
        run_search, _NEAR=task.near, _FIRST=1, _FEW=task.few
    )  # all ways, though there are few runs
    with ways, filled(engine, rows.put_runs, task.records, task.deleted) as connection:
        check(
            RUNS,
            task._replace(records=of_project),
            lambda text, clauses, **page: find_run_keys(connection, SCOPE, text, clauses, scope, now=NOW, **page),
            lambda text: count_runs(connection, SCOPE, text, scope, now=NOW),
        )


def check_searches(engine, task):
    asked = {"lifecycle": task.lifecycle, "now": NOW}
    with filled(engine, rows.put_searches, task.records, task.deleted) as connection:
        check(
            EXPERIMENTS,
            task,
            lambda text, clauses, **page: find_search_keys(connection, SCOPE, text, clauses, [], **asked, **page),
            lambda text: count_searches(connection, SCOPE, text, [], **asked),
        )


def check_projects(engine, task):
    asked = {"lifecycle": task.lifecycle, "now": NOW}
    with filled(engine, rows.put_some_projects, task.records, task.deleted) as connection:
        check(
            PROJECTS,
            task,
            lambda text, clauses, **page: find_project_keys(connection, SCOPE, text, clauses, **asked, **page),
            lambda text: count_projects(connection, SCOPE, text, **asked),
        )


@slow_data
@given(task=TASKS_OF_RUNS)
def test_runs_are_found_as_plain_python_finds_them(engine, task):
    check_runs(engine, task)


@slow_data
@given(task=TASKS_OF_SEARCHES)
def test_experiments_are_found_as_plain_python_finds_them(engine, task):
    check_searches(engine, task)


@slow_data
@given(task=TASKS_OF_PROJECTS)
def test_projects_are_found_as_plain_python_finds_them(engine, task):
    check_projects(engine, task)


@on_servers
@given(runs=TASKS_OF_RUNS, searches=TASKS_OF_SEARCHES, projects=TASKS_OF_PROJECTS)
def test_servers_find_alike(server_engine, runs, searches, projects):
    check_runs(server_engine, runs)
    check_searches(server_engine, searches)
    check_projects(server_engine, projects)


@slow_data
@given(records=rows.run_lists(), data=st.data())
def test_a_scope_is_what_all_its_conditions_leave(engine, records, data):
    uid_of = rows.uid_of
    projects = data.draw(st.lists(st.sampled_from([uid_of("project", each) for each in (1, 2, 3)]), max_size=2))
    experiments = data.draw(
        st.lists(st.sampled_from([uid_of("experiment", 1), uid_of("experiment", 2), "x"]), max_size=2)
    )
    parents = data.draw(st.lists(st.sampled_from([uid_of("root", 1), uid_of("root", 2), uid_of("run", 1)]), max_size=2))
    runs = data.draw(st.lists(st.sampled_from([uid_of("run", 1), uid_of("run", 2), uid_of("stranger", 1)]), max_size=2))
    roots_only = data.draw(st.booleans())
    scope = RunScope(projects, experiments, parents, runs, roots_only)

    def is_inside(record):
        of = record.attributes
        parent = of["experiment_id"] and uid_of("root", 1 if of["project"] == "mine" else 2)
        return (
            (not projects or of["project_id"] in projects)
            and (not experiments or of["experiment_id"] in experiments)
            and (not parents or parent in parents)
            and (not runs or of["run_id"] in runs)
            and (not roots_only or of["experiment_id"] is None)
        )

    expected = {record.id for record in records if is_inside(record)}
    with filled(engine, rows.put_runs, records) as connection:
        found, _ = find_run_keys(connection, SCOPE, "", "", scope, limit=100, cursor=None, now=NOW)
        assert set(found) == expected
        assert count_runs(connection, SCOPE, "", scope, now=NOW) == len(expected)


def test_a_scope_has_a_bound(engine):
    scope = RunScope(run_ids=[str(number) for number in range(MOST_IDS + 1)])
    with engine.connect() as connection, pytest.raises(InvalidInput, match="at most 5,000 ids at once"):
        find_run_keys(connection, SCOPE, "", "", scope, limit=1, cursor=None, now=NOW)


def test_many_ids_are_taken(engine):
    scope = RunScope(run_ids=[rows.uid_of("run", number) for number in range(MOST_IDS)])
    with engine.connect() as connection:
        assert find_run_keys(connection, SCOPE, "", "", scope, limit=1, cursor=None, now=NOW) == ([], None)


def test_a_namespace_without_projects_has_nothing(engine):
    with engine.connect() as connection:
        for vocabulary_of in (find_search_keys, find_project_keys):
            more = ([],) if vocabulary_of is find_search_keys else ()
            asked = {"lifecycle": Lifecycle.ALL, "limit": 5, "cursor": None, "now": NOW}
            assert vocabulary_of(connection, SCOPE, "", "", *more, **asked) == ([], None)
        assert count_runs(connection, SCOPE, "metrics.loss > 1", RunScope(), now=NOW) == 0


@pytest.mark.parametrize(
    ("place", "searched"), [(None, "(project_id=?)"), ((0, 1_700_000_000_000_000, 7), "(project_id=? AND began<?)")]
)
def test_the_newest_runs_of_a_project_come_along_an_index(engine, place, searched):
    order = parse_order("", RUNS)
    page = page_of(
        trials,
        RunFields({}, {}),
        And(()),
        order,
        limit=100,
        after=None if place is None else encode_cursor(order, place),
        scope=and_(trials.c.project_id == 1, trials.c.deleted.is_(None)),
    )
    options = {"literal_binds": True, "render_postcompile": True}
    statement = page.statement.compile(dialect=engine.dialect, compile_kwargs=options)
    with engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")]
    assert plan == [f"SEARCH trials USING COVERING INDEX ix_trials_project_id_began_id_deleted {searched}"]
