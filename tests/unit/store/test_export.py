"""Runs as tables: which columns there are, what type they have, and that no value is lost on the way."""

import csv
import io
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from katib.errors import InvalidInput
from katib.store import open_store
from katib.store.export import Form, Selection, tables, to_arrow, to_pandas, write, write_text
from katib.store.tracking.records import Facts, Lifecycle, Log, NewRun, Node, NodeKind, RunScope

HOSTILE = 'a,"quoted"\nnext line\x1b[2J =1+1 é'
OWN = ["id", "name", "project", "experiment", "index", "state", "reason", "owner", "created", "started", "ended"]
TIME = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    name: str
    text: str
    step: int | None = None
    time: datetime | None = None


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "katib.db") as store:
        yield store


@pytest.fixture
def logged(store):
    """Record a run of a name, or the number of those before it, and return it."""
    tracking = store.tracking("default")

    def logged(*samples, name=None, tags=None, **parameters):
        log = Log(samples=samples, parameters=parameters, facts=Facts(tags or {}))
        return tracking.create_run(NewRun(name=name, started=TIME, log=log))

    return logged


def column(store, name, **options):
    """Return the values of one column, in the order in which the runs were recorded."""
    table = to_arrow(store, order_by="name", **options)
    return table.schema.field(name).type, table.column(name).to_pylist()


def text(store, form, *, points=False, **selection):
    file = io.StringIO()
    write_text(store.tracking("default"), Selection(order_by="name", **selection), form, file, points=points)
    return file.getvalue()


def test_columns_are_those_that_some_run_has_in_one_order(store, logged):
    logged(Sample("loss", "1"), Sample("acc", "2"), lr="1", name="a", tags={"team": "x"})
    logged(Sample("loss.min", "1"), depth="3", name="b", tags={"Team": "y"})
    parts = ("latest", "min", "max")
    expected = [*OWN, "params.depth", "params.lr"]
    expected += [f"metrics.{name}.{part}" for name in ("acc", "loss", "loss.min") for part in parts]
    assert to_arrow(store).column_names == [*expected, "tags.Team", "tags.team"]


def test_an_empty_store_is_an_empty_table(store):
    assert to_arrow(store).column_names == OWN
    assert to_arrow(store).num_rows == 0
    assert to_arrow(store, points=True).num_rows == 0
    assert text(store, Form.CSV) == ",".join(OWN) + "\n"
    assert (text(store, Form.JSON), text(store, Form.JSONL)) == ("[]\n", "")


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (["1", "-2", "+003"], pa.int64(), [1, -2, 3]),
        (["1", "0.5", "1e-3"], pa.float64(), [1.0, 0.5, 0.001]),
        (["1", "inf", "-Infinity"], pa.float64(), [1.0, math.inf, -math.inf]),
        (["9" * 18, "1", "1"], pa.int64(), [10**18 - 1, 1, 1]),
        (["9" * 30, "1", "1"], pa.float64(), [1e30, 1.0, 1.0]),
        (["1", "adam", "0.5"], pa.string(), ["1", "adam", "0.5"]),
        (["1_000", "1", "1"], pa.string(), ["1_000", "1", "1"]),
        (["", "1", "1"], pa.string(), ["", "1", "1"]),
        ([None, "1", None], pa.int64(), [None, 1, None]),
        ([None, "x", "1.5"], pa.string(), [None, "x", "1.5"]),
    ],
)
def test_a_parameter_is_a_number_where_it_is_one_everywhere(store, logged, texts, kind, values):
    for place, given in enumerate(texts):
        logged(name=str(place), **({} if given is None else {"p": given}))
    assert column(store, "params.p") == (kind, values)


def test_types_hold_across_pages(store, logged, monkeypatch):
    monkeypatch.setattr(tables, "ROWS", 2)
    for place, given in enumerate(["1", "2", "3", "0.5", "x"]):
        logged(Sample("loss", str(place)), name=str(place), p=given, **({"late": "1"} if place == 4 else {}))
    assert column(store, "params.p") == (pa.string(), ["1", "2", "3", "0.5", "x"])
    assert column(store, "params.late") == (pa.int64(), [None] * 4 + [1])
    assert column(store, "metrics.loss.latest")[1] == [0, 1, 2, 3, 4]
    assert [json.loads(line)["params.p"] for line in text(store, Form.JSONL).splitlines()] == [
        "1",
        "2",
        "3",
        "0.5",
        "x",
    ]


def test_nan_and_infinities_are_kept_and_words_stand_beside_them(store, logged):
    logged(Sample("loss", "nan"), name="a")
    logged(Sample("loss", "3"), Sample("loss", "-inf"), name="b")
    logged(Sample("loss", "2"), Sample("loss", "unavailable"), name="c")
    logged(name="d")
    latest = column(store, "metrics.loss.latest")[1]
    assert math.isnan(latest[0])
    assert latest[1:] == [-math.inf, None, None]
    assert column(store, "metrics.loss.latest_text")[1] == [None, None, "unavailable", None]
    assert column(store, "metrics.loss.max")[1] == [None, 3.0, 2.0, None]
    rows = [json.loads(line, parse_constant=pytest.fail) for line in text(store, Form.JSONL).splitlines()]
    assert [row.get("metrics.loss.latest") for row in rows] == ["NaN", "-Infinity", None, None]
    assert json.loads(text(store, Form.JSON)) == rows
    read = list(csv.DictReader(io.StringIO(text(store, Form.CSV))))
    assert [row["metrics.loss.latest"] for row in read] == ["nan", "-inf", "", ""]


def test_hostile_names_and_values_come_through_every_form(store, logged):
    logged(Sample(HOSTILE, "1"), name="a", tags={HOSTILE: HOSTILE}, **{HOSTILE: HOSTILE})
    names = {f"params.{HOSTILE}": HOSTILE, f"metrics.{HOSTILE}.latest": 1.0, f"tags.{HOSTILE}": HOSTILE}
    (row,) = to_arrow(store).to_pylist()
    (line,) = text(store, Form.JSONL).splitlines()
    (read,) = csv.DictReader(io.StringIO(text(store, Form.CSV), newline=""))
    for name, value in names.items():
        assert row[name] == json.loads(line)[name] == value
        assert read[name] == str(value)


def test_points_are_in_the_order_of_reporting_whatever_their_number(store, logged, monkeypatch):
    monkeypatch.setattr("katib.store.export.points._PIECE", 3)
    given = [Sample("loss", str(9 - step), step, TIME) for step in range(8)]
    run = logged(*given, Sample("acc", "nan", 1), Sample("acc", "words"), name="a")
    rows = to_arrow(store, points=True).to_pylist()
    losses = [row for row in rows if row["metric"] == "loss"]
    assert [(row["step"], row["value"], row["time"]) for row in losses] == [(step, 9 - step, TIME) for step in range(8)]
    assert {(row["run"], row["name"]) for row in rows} == {(run.id, "a")}
    first, second = (row for row in rows if row["metric"] == "acc")
    assert math.isnan(first["value"])
    assert (first["text"], second["value"], second["text"], second["time"]) == (None, None, "words", None)
    assert len(text(store, Form.CSV, points=True).splitlines()) == 11


def test_a_selection_is_that_of_the_store(store, logged):
    one, two = logged(lr="0.1", name="one"), logged(lr="0.5", name="two")
    store.tracking("default").delete(Node(NodeKind.RUN, two.id))
    assert to_arrow(store, filter="params.lr < 1").column("id").to_pylist() == [one.id]
    deleted = RunScope(lifecycle=Lifecycle.DELETED)
    assert to_arrow(store, scope=deleted).column("id").to_pylist() == [two.id]
    assert to_arrow(store, namespace="other").num_rows == 0
    with pytest.raises(InvalidInput):
        to_arrow(store, filter="params.lr <")


def test_times_and_index_are_those_of_the_run(store, logged):
    run = logged(name="a")
    child = store.tracking("default").create_run(NewRun(parent_id=run.id, name="b"))
    rows = to_arrow(store, order_by="name").to_pylist()
    assert rows[0]["started"] == TIME
    assert rows[0]["created"] == run.created
    assert [(row["index"], row["experiment"]) for row in rows] == [(None, None), (child.index, "a")]
    assert json.loads(text(store, Form.JSONL).splitlines()[0])["started"] == "2026-05-01T12:30:00.123456Z"


def test_pandas_has_numbers_and_times(store, logged):
    logged(Sample("loss", "nan"), name="a", lr="0.1")
    logged(Sample("loss", "1"), name="b", lr="2")
    frame = to_pandas(store, order_by="name")
    assert frame["params.lr"].tolist() == [0.1, 2.0]
    assert frame["metrics.loss.latest"].isna().tolist() == [True, False]
    assert frame["created"].dt.tz is not None


@pytest.mark.parametrize("form", [Form.PARQUET, Form.ARROW])
def test_a_writer_that_fails_leaves_nothing_open(store, logged, form):
    logged(name="a")

    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write(store.tracking("default"), Selection(), form, Full())
