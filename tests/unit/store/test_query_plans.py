"""White box: what a query reads, as the database plans it, so that its cost cannot grow with the experiment unseen."""

import pytest
from sqlalchemy import create_engine

from katib.store.sql import (
    answer_rows,
    event_rows,
    keys,
    named_trials,
    observation_rows,
    request_rows,
    stored_reports,
    summary_rows,
    trial_records,
    trial_writes,
)
from katib.store.sql.key_lists import ByLists
from katib.store.sql.schema import metadata, observations
from katib.store.sql.tracking import root_runs

SOME_METRICS = observations.c.metric_id.in_([1, 2])

QUERIES = {
    "experiment by uid": (keys._EXPERIMENT, {"uid": "u"}, ["(uid=?)"]),
    "trial by name": (keys._TRIAL, {"uid": "u", "name": "n"}, ["(uid=?)", "(experiment_id=? AND name=?)"]),
    "trials about to be recorded": (
        trial_writes._KNOWN,
        {"experiment": 1, "indices": [1, 2], "names": ["a", "b"]},
        ["(experiment_id=? AND trial_index=?)", "(experiment_id=? AND name=?)"],
    ),
    "page of trials": (
        trial_records._LIST.where(trial_records._columns.trial_index > 7).limit(10),
        {"experiment": 1},
        ["(experiment_id=? AND trial_index>?)"],
    ),
    "changed trials": (
        trial_records._CHANGED,
        {"experiment": 1, "since": 9},
        ["(experiment_id=? AND change>?)"],
    ),
    "page of points": (
        observation_rows._SERIES.where(observation_rows._OF_TRIAL, SOME_METRICS, observations.c.sequence > 7),
        {"trial": 1},
        ["(trial_id=? AND metric_id=? AND sequence>?)"],
    ),
    "summaries": (summary_rows._SUMMARIES, {"trial": 1}, ["(trial_id=?)", "(rowid=?)"]),
    "summaries to go on with": (
        summary_rows._FOLDS,
        {"trials": [1, 2], "metrics": [1, 2]},
        ["(trial_id=? AND metric_id=?)"],
    ),
    "trials by their name alone": (
        named_trials._KNOWN,
        {"names": ["a", "b"]},
        ["(name=?)", "(rowid=?)"],
    ),
    "trials that no experiment has": (named_trials._UNCLAIMED, {"names": ["a", "b"]}, ["(name=?)"]),
    "points that may be reported again": (
        stored_reports._TIMED[True],
        {"trial": 1, "metric": 2, "since": 3, "until": 4},
        ["(trial_id=? AND metric_id=? AND time>? AND time<?)"],
    ),
    "points without a time that may be reported again": (
        stored_reports._TIMELESS[True],
        {"trial": 1, "metric": 2},
        ["(trial_id=? AND metric_id=?)"],  # in such a series usually all are
    ),
    "unclaimed points that may be reported again": (
        stored_reports._TIMED[False],
        {"trial": 1, "metric": 2, "since": 3, "until": 4},
        ["(trial_id=? AND metric_id=? AND time>? AND time<?)"],
    ),
    "newest events": (event_rows._READ.limit(5), {"experiment": 1}, ["(experiment_id=?)"]),
    "requests": (request_rows._READ, {"of_uid": "u"}, ["(uid=?)", "(experiment_id=?) LEFT-JOIN"]),
    "trials by their names": (
        keys._TRIALS,
        {"uid": "u", "names": ["a", "b"]},
        ["(uid=?)", "(experiment_id=? AND name=?)"],
    ),
    "metrics by their names": (keys._METRICS, {"digests": ["a", "b"]}, ["(digest=?)"]),
    "summaries of several trials": (summary_rows._SUMMARIES_OF, {"trials": [1, 2]}, ["(trial_id=?)", "(rowid=?)"]),
    "places of collectors": (observation_rows._LOCK_COLLECTORS, {"trials": [1, 2]}, ["(rowid=?)"]),
    "an experiment and its root run": (root_runs._READ, {"uid": "u"}, ["(uid=?)", "(rowid=?) LEFT-JOIN"]),
    "an answer": (answer_rows._READ, {"of_digest": "d"}, ["(digest=?)"]),
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize("length", [1, 2, 17])
def test_a_query_reads_what_it_returns_and_no_more(name, length):
    query, parameters, searches = QUERIES[name]
    if isinstance(query, ByLists):
        lists = {name: (each * length)[:length] for name, each in parameters.items() if isinstance(each, list)}
        query, given = query.prepared(lists)
        parameters = {name: each for name, each in parameters.items() if name not in lists} | dict(given)
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        options = {"literal_binds": True, "render_postcompile": True}
        statement = query.params(**parameters).compile(dialect=engine.dialect, compile_kwargs=options)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
    engine.dispose()
    steps = [row[3] for row in rows if row[3].startswith(("SEARCH", "SCAN"))]
    assert [step[step.index("(") :] for step in steps] == searches, steps
