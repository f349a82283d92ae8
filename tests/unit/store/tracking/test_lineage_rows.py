"""White box: what the tables hold after writers met, and what the queries read."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, func, select

from katib.errors import NotFound
from katib.store import open_store
from katib.store.sql.schema import counters, metadata
from katib.store.sql.tracking import artifact_rows, comment_rows, dataset_rows, lineage_rows, lineage_ways
from katib.store.sql.tracking_tables import artifacts, lineage
from katib.store.tracking.records import ArtifactState, LineageEdge, NewRun, Node, NodeKind

ROUNDS = 30


def new_run(tracking):
    return Node(NodeKind.RUN, tracking.create_run(NewRun(project_id=tracking.default_project().id)).id)


def test_no_edge_points_at_an_artifact_that_was_removed_meanwhile(server):
    url = server.new_store()
    with open_store(url) as store:
        tracking = store.tracking("team", actor="ann")
        run, reader = new_run(tracking), new_run(tracking)
        start = threading.Barrier(2)

        def remove():
            for number in range(ROUNDS):
                start.wait()
                tracking.delete_artifact(run.id, str(number))

        def read():
            there = 0
            for file in files:
                start.wait()
                try:
                    tracking.add_lineage([LineageEdge(file, reader)])
                except NotFound:
                    continue
                there += 1
            return there

        files = [
            Node(
                NodeKind.ARTIFACT,
                tracking.put_artifact(run.id, str(number), state=ArtifactState.PENDING).id,
            )
            for number in range(ROUNDS)
        ]
        with ThreadPoolExecutor(2) as pool:
            removing, reading = pool.submit(remove), pool.submit(read)
            removing.result()
            reading.result()
        counts = [
            store._database.read(
                lambda connection, query: connection.execute(query).scalar(), select(func.count(column))
            )
            for column in (artifacts.c.id, lineage.c.input_id)
        ]
        assert counts == [0, 0]
    server.drop(url)


def test_each_namespace_has_a_lock_of_its_own(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        for namespace in ("a" * 250, "b", "b"):
            tracking = store.tracking(namespace)
            tracking.add_lineage([LineageEdge(new_run(tracking), new_run(tracking))])
        with store._database.reading() as connection:
            names = connection.execute(select(counters.c.name).where(counters.c.name.startswith("lineage "))).all()
    assert len(names) == 2


QUERIES = {
    "next edges": (
        lineage_ways._WAYS[True].one_step,
        {"kind": "run", "keys": [1, 2]},
        ["(output_kind=? AND output_id=?)"],
    ),
    "all edges on the ways to a node": (
        lineage_ways._WAYS[True].all_steps,
        {"kind": "run", "keys": [1]},
        ["(output_kind=? AND output_id=?)"] * 3,
    ),
    "all edges on the ways from a node": (
        lineage_ways._WAYS[False].all_steps,
        {"kind": "run", "keys": [1]},
        ["(input_kind=? AND input_id=?)"] * 3,
    ),
    "edges that may be there": (
        lineage_rows._KNOWN,
        {"output_kind": "run", "output_ids": [1, 2], "input_kind": "run", "first_input": 3, "last_input": 4},
        ["(output_kind=? AND output_id=? AND input_kind=? AND input_id>? AND input_id<?)"],
    ),
    "what runs used": (
        dataset_rows._USES,
        {"runs": [1, 2]},
        ["(trial_id=?)", "(rowid=?)", "(rowid=?)", "(rowid=?) LEFT-JOIN"],
    ),
    "a version of a content": (
        dataset_rows._WITH_DIGEST,
        {"dataset": 1, "digest": "d"},
        ["(dataset_id=? AND digest=?)"],
    ),
    "the last number": (dataset_rows._LAST_NUMBER, {"dataset": 1}, ["(dataset_id=?)"]),
    "a file": (artifact_rows._READ_ONE, {"run": 1, "of_digest": "d"}, ["(rowid=?)", "(trial_id=? AND digest=?)"]),
    "files of runs": (artifact_rows._READ_ALL, {"runs": [1, 2]}, ["(rowid=?)", "(trial_id=?)"]),
    "comments": (comment_rows._OF_RUN, {"run": 1}, ["(rowid=?)", "(rowid=?)", "(trial_id=?)"]),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_reads_what_it_returns_and_no_more(name):
    query, parameters, searches = QUERIES[name]
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        options = {"literal_binds": True, "render_postcompile": True}
        statement = query.params(**parameters).compile(dialect=engine.dialect, compile_kwargs=options)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
    engine.dispose()
    steps = [row[3] for row in rows if row[3].startswith(("SEARCH", "SCAN")) and row[3] != "SCAN reached"]
    assert sorted(step[step.index("(") :] for step in steps) == sorted(searches), steps
