"""Series made short: as plain Python cuts them, whatever was reported, on every database."""

import math
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import finding_rows as rows
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert

from katib.errors import InvalidInput
from katib.store.query.records import Record
from katib.store.sql.schema import metadata, observations, trials
from katib.store.sql.tracking.charts import MOST_POINTS, MOST_RUNS, charts
from katib.store.sql.tracking.scope import Scope
from katib.store.sql.values import micros, pack
from katib.store.tracking.records import ChartPoint

SCOPE = Scope(rows.NAMESPACE, "somebody")
START = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 0.1, 1e-300, 1.7976931348623157e308, math.inf, -math.inf, math.nan, None])
STEPS = st.integers(-5, 200) | st.sampled_from([2**63 - 1, -(2**63), 2**62])
TIMES = st.integers(0, 10**9).map(lambda offset: START + timedelta(microseconds=offset))


@st.composite
def series_lists(draw):
    """Series as (step, time, number): some with all their steps, some with none, some with gaps."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        steps = draw(st.sampled_from([st.none(), st.integers(0, 100), STEPS, st.none() | STEPS]))
        times = draw(st.sampled_from([st.none(), TIMES, st.none() | TIMES]))
        found.append(draw(st.lists(st.tuples(steps, times, NUMBERS), max_size=40)))
    return found


def cut(series, points):
    """The reference."""
    steps, times = [each[0] for each in series], [each[1] for each in series]
    axis = [3 * number for number in range(len(series))]  # other metrics are between
    if None not in steps and max(steps) - min(steps) < 2**62:
        axis = steps
    elif None not in times:
        axis = [micros(time) for time in times]
    parts = {}
    width = (max(axis) - min(axis)) // points + 1
    for number, (place, report) in enumerate(zip(axis, series, strict=True)):
        key = (place - min(axis)) // width if len(series) > points else (place, number)
        parts.setdefault(key, []).append(report)
    found = []
    for _, part in sorted(parts.items()):
        values = [value for _, _, value in part if value is not None]
        finite = [value for value in values if math.isfinite(value)]
        found.append(
            ChartPoint(
                step=part[-1][0],
                time=part[-1][1],
                value=values[-1] if values else None,
                min=min(finite, default=None),
                max=max(finite, default=None),
                count=len(part),
            )
        )
    return found


@contextmanager
def filled(engine, all_series):
    plain = Record(0, {"creation_time": START, "end_time": None, "start_time": START, "user_id": None})
    with engine.connect() as connection:
        transaction = connection.begin()
        rows.put_projects(connection)
        rows.put_names(connection)
        for key, series in enumerate(all_series, 1):
            for trial, project in ((key, rows.MINE), (key + 500, rows.FOREIGN)):
                row = rows.run_row(trial, rows.uid_of("run", trial), plain, project_id=project)
                connection.execute(insert(trials), row)
                for metric in (11, 12):
                    put_series(connection, trial, metric, series)
        yield connection
        transaction.rollback()


def put_series(connection, trial, metric, series):
    reported = [
        {
            "trial_id": trial,
            "metric_id": metric,
            "sequence": 3 * sequence + metric,
            "step": step,
            "time": None if time is None else micros(time),
            "value": pack(number)[0],
            "kind": int(pack(number)[1]),
        }
        for sequence, (step, time, number) in enumerate(series)
    ]
    if reported:
        connection.execute(insert(observations), reported)


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


def check(engine, all_series, points):
    ids = [rows.uid_of("run", key) for key in range(1, len(all_series) + 1)]
    with filled(engine, all_series) as connection:
        asked = [*reversed(ids), rows.uid_of("run", 501), "nothing", ids[0]]
        drawn = charts(connection, SCOPE, asked, "loss", points)
    expected = {run_id: cut(series, points) for run_id, series in zip(ids, all_series, strict=True) if series}
    assert repr(drawn) == repr({run_id: expected[run_id] for run_id in reversed(ids) if run_id in expected})
    assert all(len(chart) <= points for chart in drawn.values())


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(all_series=series_lists(), points=st.integers(1, 12))
def test_a_database_cuts_as_plain_python_does(engine, all_series, points):
    check(engine, all_series, points)


@settings(deadline=None, max_examples=40, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(all_series=series_lists(), points=st.integers(1, 12))
def test_servers_cut_alike(server_engine, all_series, points):
    check(server_engine, all_series, points)


def test_a_spike_stays(engine):
    series = [(step, None, 50.0 if step == 777 else 0.5) for step in range(5000)]
    with filled(engine, [series]) as connection:
        ((run_id, chart),) = charts(connection, SCOPE, [rows.uid_of("run", 1)], "loss", 100).items()
    assert run_id == rows.uid_of("run", 1)
    assert (len(chart), max(point.max for point in chart), sum(point.count for point in chart)) == (100, 50.0, 5000)


def test_a_metric_nobody_reported_has_no_chart(engine):
    with filled(engine, [[(1, None, 0.5)]]) as connection:
        assert charts(connection, SCOPE, [rows.uid_of("run", 1)], "accuracy", 10) == {}
        assert charts(connection, SCOPE, [], "loss", 10) == {}


@pytest.mark.parametrize(
    ("run_ids", "points", "said"),
    [
        (["a"], 0, "a chart has 1 to 2,000 points"),
        (["a"], MOST_POINTS + 1, "a chart has 1 to 2,000 points"),
        ([str(number) for number in range(MOST_RUNS + 1)], 1, "at most 100 runs at once"),
    ],
)
def test_what_is_too_much_is_refused(engine, run_ids, points, said):
    with engine.connect() as connection, pytest.raises(InvalidInput, match=said):
        charts(connection, SCOPE, run_ids, "loss", points)
