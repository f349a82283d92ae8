"""MLflow's own search in memory beside ours: what MLflow takes we take, and it finds the same runs in the same order."""

import os
import random
import re
from datetime import UTC, datetime, timedelta

import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    ExperimentTag,
    InputTag,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchExperimentsUtils, SearchUtils

from katib.errors import InvalidInput
from katib.store.query.order import parse_order, sort_records
from katib.store.query.parse import parse_filter
from katib.store.query.records import MetricRecord, Record, TypedText, passes
from katib.store.query.vocabulary import PROJECTS, RUNS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBERS = [0.0, -1.0, 0.5, 1.0, 1e-5, 3.0, float("nan"), float("inf"), float("-inf"), 2.0**53 + 2]
TEXTS = [
    "",
    "a",
    "A",
    "adam",
    "Adam",
    "0.01",
    "1e-2",
    "a%b",
    "a_b",
    "axb",
    "x y",
    "it's",
    'say "x"',
    "10",
    "9",
    "a ",
    "a''b",
    "a\\'b",
]
METRICS = [
    "loss",
    "a.b",
    "val loss",
    "loss.min",
    "order",
    "é",
    "x`y",
]  # the last is none for MLflow's orders, which swap quotes
NAMES = ["lr", "a.b", "x y", "key", "mlflow.user", "1a", "it's", "a-b"]
STATUSES = ["RUNNING", "FINISHED", "FAILED", "KILLED"]


def later(milliseconds):
    # Our times are finer than MLflow's; its answer must not depend on that.
    return None if milliseconds is None else EPOCH + timedelta(milliseconds=milliseconds, microseconds=milliseconds % 7)


def run_and_record(rng, number):
    metrics = {key: rng.choice(NUMBERS) for key in METRICS if rng.random() < 0.6}
    params = {key: rng.choice(TEXTS) for key in NAMES if rng.random() < 0.6}
    tags = {key: rng.choice(TEXTS) for key in NAMES if rng.random() < 0.6}
    datasets = [
        {"name": rng.choice(TEXTS), "digest": rng.choice(TEXTS), "context": rng.choice([None, "train", "test"])}
        for _ in range(rng.choice([0, 0, 1, 2]))
    ]
    start, end = rng.choice([5, 6, 7]), rng.choice([None, 7, 8, 1_700_000_000_123])
    status, name, user = rng.choice(STATUSES), rng.choice(TEXTS), rng.choice(TEXTS)
    info = RunInfo(
        run_id=f"r{number:02}",
        experiment_id="1",
        user_id=user,
        status=status,
        start_time=start,
        end_time=end,
        lifecycle_stage="active",
        artifact_uri=f"file:{number}",
        run_name=name,
    )
    inputs = [
        DatasetInput(
            Dataset(name=each["name"], digest=each["digest"], source_type="t", source="s"),
            [InputTag("mlflow.data.context", each["context"])] if each["context"] else [],
        )
        for each in datasets
    ]
    data = RunData(
        [Metric(key, value, 0, 0) for key, value in metrics.items()],
        [Param(*item) for item in params.items()],
        [RunTag(*item) for item in tags.items()],
    )
    record = Record(
        -number,  # of runs alike, MLflow's least random id comes first and the run that we recorded last
        {
            "run_id": info.run_id,
            "run_name": name,
            "status": status,
            "user_id": user,
            "artifact_uri": info.artifact_uri,
            "start_time": later(start),
            "end_time": later(end),
        },
        {key: MetricRecord(value) for key, value in metrics.items()},
        {key: TypedText(text) for key, text in params.items()},
        {},
        tags,
        datasets,
    )
    return Run(info, data, RunInputs(inputs)), record


def experiment_and_record(rng, number):
    tags = {key: rng.choice(TEXTS) for key in NAMES if rng.random() < 0.6}
    created, updated, name = rng.choice([5, 6]), rng.choice([7, 8]), f"{rng.choice(TEXTS)}{number}"
    experiment = Experiment(
        experiment_id=str(number),
        name=name,
        artifact_location="",
        lifecycle_stage="active",
        tags=[ExperimentTag(*item) for item in tags.items()],
        creation_time=created,
        last_update_time=updated,
    )
    attributes = {
        "experiment_id": str(number),
        "name": name,
        "creation_time": later(created),
        "last_update_time": later(updated),
    }
    return experiment, Record(number, attributes, tags=tags)


def quoted_key(rng, key):
    forms = [key] if key.replace(".", "").isalnum() or rng.random() < 0.1 else []
    forms += [f"{quote}{key}{quote}" for quote in "`\"'" if quote not in key]
    return rng.choice(forms)


def text(rng):
    value = rng.choice(TEXTS)
    forms = [f"{quote}{value}{quote}" for quote in "'\"" if quote not in value or rng.random() < 0.05]
    return rng.choice(forms or [f"'{value}'"])


def number(rng):
    return rng.choice(
        ["0", "1", "-1", "0.5", ".5", "1.", "1e-5", "1E3", "3.0", "-0.5", "9007199254740994", "1e400", "-1e400", "007"]
    )


def spelt(rng, word):
    return rng.choice([word, word, word.lower(), word.capitalize()])


def clause(rng):
    kind = rng.choice(["metric", "param", "tag", "text", "time", "dataset", "id"])
    gap = rng.choice([" ", " ", "", "  "])
    compare = rng.choice(["=", "!="])
    if kind == "metric":
        word = rng.choice(["metric", "metrics", "`metrics`"])
        compare = rng.choice(["=", "!=", "<", ">", "<=", ">="])
        return f"{word}.{quoted_key(rng, rng.choice(METRICS))}{gap}{compare}{gap}{number(rng)}"
    if kind == "time":
        field = rng.choice(
            ["start_time", "attributes.start_time", "attr.end_time", "end_time", "created", "run.Created"]
        )
        compare = rng.choice(["=", "!=", "<", ">", "<=", ">="])
        value = rng.choice(["5", "6", "7", "6.0", "6.5", "-1", "1700000000123", "1e400", "99999999999999999999"])
        return f"{field}{gap}{compare}{gap}{value}"
    if kind in {"param", "tag"}:
        words = ["param", "params", "parameter", "parameters"] if kind == "param" else ["tag", "tags", "`tags`"]
        field = f"{rng.choice(words)}.{quoted_key(rng, rng.choice(NAMES))}"
        if rng.random() < 0.2:
            return f"{field} {spelt(rng, 'IS')} {rng.choice(['', spelt(rng, 'NOT') + ' '])}{spelt(rng, 'NULL')}"
    elif kind == "dataset":
        field = f"{rng.choice(['dataset', 'datasets'])}.{rng.choice(['name', 'digest', 'context'])}"
    elif kind == "id":
        listed = ", ".join(rng.choice(["'r01'", '"r02"', "'r03'", "'zz'"]) for _ in range(rng.choice([1, 2, 3])))
        field = rng.choice(["run_id", "attributes.run_id", "dataset.name", "datasets.context"])
        return (
            f"{field} {rng.choice(['IN', 'in', 'NOT IN', 'not in', 'Not  In'])}{gap}({listed}{rng.choice(['', ','])})"
        )
    else:
        field = rng.choice(
            [
                "status",
                "attributes.status",
                "attr.`run name`",
                '"Run Name"',
                "`Run name`",
                "run_name",
                "user_id",
                "run.artifact_uri",
            ]
        )
    if rng.random() < 0.4:
        pattern = rng.choice(["a%", "%a%", "_", "%", "A%", "0._1", "%'%", "f%:_", "%N%", "a_b", "", "a\\%b"])
        quote = '"' if "'" in pattern else "'"
        return f"{field} {spelt(rng, rng.choice(['LIKE', 'ILIKE']))} {quote}{pattern}{quote}"
    return f"{field}{gap}{compare}{gap}{rng.choice([text(rng), repr(rng.choice(STATUSES))])}"


PIECES = ["AND", "OR", "NOT", "(", ")", "metrics.loss", "params.lr", "tags.", "=", "<", "'a'", '"a"', "`a`", "1", "-", ",", "IS", "NULL", "IN", ".", " ", ";", "'", "e'a'", "nan", "[0]", "min(metrics.loss)", "--", "LIKE", "at_step(metrics.loss, 1)", "BETWEEN", "params['lr']", "1h", "now"]  # fmt: skip


def mangled(rng, filter_text):
    for _ in range(rng.choice([1, 1, 2, 3])):
        place = rng.randrange(len(filter_text) + 1)
        kind = rng.random()
        if kind < 0.4:
            filter_text = filter_text[:place] + rng.choice(PIECES) + filter_text[place:]
        elif kind < 0.7:
            filter_text = filter_text[:place] + filter_text[place + rng.choice([1, 1, 3]) :]
        else:
            words = filter_text.split(" ")
            words.insert(rng.randrange(len(words) + 1), rng.choice(PIECES))
            filter_text = " ".join(words)
    return filter_text


def some_filter(rng):
    joints = [" AND ", " and ", "  And "]
    found = clause(rng)
    for _ in range(rng.choice([0, 0, 1, 2])):
        found += rng.choice(joints) + clause(rng)
    return found


def mlflows_answer(search, things, filter_text):
    """Return what MLflow finds, or None where it refuses a clause (which it may not notice where another clause is false)."""
    try:
        parsed = search.parse_search_filter(filter_text)
        match = search._does_run_match_clause if search is SearchUtils else search._does_experiment_match_clause
        for one in parsed:
            match(things[0], dict(one))
        return [all(match(thing, dict(one)) for one in parsed) for thing in things]
    except (MlflowException, ValueError, TypeError, OverflowError):
        return None


def our_answer(vocabulary, records, filter_text):
    try:
        tree = parse_filter(filter_text, vocabulary)
    except InvalidInput:
        return None
    return [passes(tree, record) for record in records]


def is_accident(search, filter_text):
    """Return whether a filter is one of two kinds that MLflow reads by accident of its SQL parser, and we refuse (docs).

    Names with blanks or quotes inside that belong to no quotes, such as ``tags. a`` and ``tags.a tags.b``; texts in a list with no
    comma between them.
    """
    keys = {one["key"] for one in search.parse_search_filter(filter_text)} - {*METRICS, *NAMES}
    return any(re.search(r"[\s`'\"()]", key) for key in keys) or re.search(r"""['"]\s*['"]""", filter_text) is not None


def check(search, vocabulary, things, records, filter_text):
    expected = mlflows_answer(search, things, filter_text)
    if expected is None:
        return False
    ours = our_answer(vocabulary, records, filter_text)
    assert ours == expected or (ours is None and is_accident(search, filter_text)), filter_text
    return True


@pytest.fixture
def rng():
    return random.Random(20260301)


@pytest.fixture
def runs(rng):
    return zip(*(run_and_record(rng, each) for each in range(25)), strict=True)


def test_every_filter_of_runs_that_mlflow_takes_finds_the_same_runs(rng, runs):
    things, records = runs
    taken = sum(check(SearchUtils, RUNS, things, records, some_filter(rng)) for _ in range(2000))
    assert taken > 1500


def test_mangled_filters_that_mlflow_still_takes_find_the_same_runs(rng, runs):
    things, records = runs
    taken = sum(check(SearchUtils, RUNS, things, records, mangled(rng, some_filter(rng))) for _ in range(4000))
    assert 400 < taken < 3000


@pytest.mark.parametrize(
    "filter_text",
    [
        "AND", "metrics.loss > 1 AND", "AND metrics.loss > 1", "metrics.loss > 1 AND AND params.lr = 'a'", "metrics.loss > 1 params.lr = 'a'",
        "params.lr IS  NULL", "tags. = 'x'", "tags.`` = 'x'", "`params`.`lr`='0.01'", "params.lr = 'a''b'", "params.lr = 'a\\'b'",
        "metrics.loss < 1e5and params.lr = 'a'", "dataset.name in ('a''b', 'x\\x41')", "metrics.loss < -.5", "metrics.loss < ٣",
        "metrics.`a``b` < 1", "metrics.'`loss`' < 1", "metrics.\"'loss'\" < 1", "params.`x y`LIKE '%'", "",
    ],
)  # fmt: skip
def test_what_looks_odd_and_mlflow_takes(runs, filter_text):
    things, records = runs
    assert check(SearchUtils, RUNS, things, records, filter_text)


@pytest.mark.parametrize(
    "filter_text",
    ["min(metrics.loss) < 1", "at_step(metrics.loss, 3) < 1", "number(params.lr) < 1", "params['lr'] = 'a'", "params.lr = e'a'",
     "params.lr < 0.1", "metrics.loss BETWEEN 1 AND 2", "metrics.loss IS NAN", "metrics.loss = inf", "start_time > '2026-01-01'",
     "start_time > now", "params.lr CONTAINS 'a'", "params.lr NOT LIKE 'a'", "params.lr LIKE 'a' ESCAPE '!'", "tags.lr IN ('a')",
     "metrics.loss IS NULL", "duration > 1h", "properties.a = 'x'", "NOT tags.a = 'x'", "(tags.a = 'x')", "tags.a = 'x' OR tags.a = 'y'"],
)  # fmt: skip
def test_what_is_ours_means_nothing_to_mlflow(runs, filter_text):
    things, records = runs
    assert mlflows_answer(SearchUtils, things, filter_text) is None
    assert our_answer(RUNS, records, filter_text) is not None


def experiment_clause(rng):
    kind = rng.choice(["tag", "name", "time", "id"])
    if kind == "tag":
        field = f"{rng.choice(['tag', 'tags'])}.{quoted_key(rng, rng.choice(NAMES))}"
        if rng.random() < 0.3:
            return f"{field} {rng.choice(['IS NULL', 'is not null'])}"
    elif kind == "time":
        field = rng.choice(["creation_time", "attribute.last_update_time", "last_update_time"])
        return f"{field} {rng.choice(['=', '!=', '<', '>', '<=', '>='])} {rng.choice(['5', '6.5', '7', '8'])}"
    elif kind == "id" and rng.random() < 0.5:
        return f"experiment_id {rng.choice(['IN', 'not in'])} ('1', '2', {text(rng)})"
    else:
        field = {"name": "name", "id": "attribute.experiment_id"}[kind]
    if rng.random() < 0.5:
        return f"{field} {rng.choice(['LIKE', 'ilike'])} {rng.choice(['a%', '%1_', '%A%'])!r}"
    return f"{field} {rng.choice(['=', '!='])} {text(rng)}"


def test_every_filter_of_experiments_that_mlflow_takes_finds_the_same(rng):
    things, records = zip(*(experiment_and_record(rng, each) for each in range(25)), strict=True)
    taken = 0
    for _ in range(1500):
        filter_text = " AND ".join(experiment_clause(rng) for _ in range(rng.choice([1, 1, 2])))
        taken += check(SearchExperimentsUtils, PROJECTS, things, records, filter_text)
        check(SearchExperimentsUtils, PROJECTS, things, records, mangled(rng, filter_text))
    assert taken > 1000


def test_runs_are_in_the_order_mlflow_gives_them(rng, runs):
    things, records = runs
    numbers = {thing.info.run_id: record.id for thing, record in zip(things, records, strict=True)}
    for _ in range(300):
        clauses = []
        for _ in range(rng.choice([0, 1, 2, 3])):
            fields = [
                f"metrics.{quoted_key(rng, rng.choice(METRICS[:-1]))}",
                f"params.{quoted_key(rng, rng.choice(NAMES))}",
            ]
            fields += [
                f"tags.{quoted_key(rng, 'lr')}",
                "start_time",
                "attributes.end_time",
                "status",
                "created",
                "attribute.run_name",
            ]
            clauses.append(rng.choice(fields) + rng.choice(["", " ASC", " DESC", " desc", " asc"]))
        try:
            expected = [numbers[run.info.run_id] for run in SearchUtils.sort(things, clauses)]
        except (MlflowException, ValueError):
            continue
        assert [record.id for record in sort_records(parse_order(clauses, RUNS), records)] == expected, clauses


def test_experiments_are_in_the_order_mlflow_gives_them(rng):
    # MLflow breaks ties by the id's text, we by its number: these have one digit.
    things, records = zip(*(experiment_and_record(rng, each) for each in range(9)), strict=True)
    for fields in (
        ["name"],
        ["creation_time"],
        ["last_update_time", "name"],
        ["creation_time DESC", "last_update_time"],
    ):
        for direction in ("", " DESC", " ASC"):
            clauses = (
                [fields[0], *(f"{field}{direction}" for field in fields[1:])]
                if len(fields) > 1
                else [f"{fields[0]}{direction}"]
            )
            clauses += ["creation_time DESC"]
            expected = [int(each.experiment_id) for each in SearchExperimentsUtils.sort(things, clauses)]
            assert [record.id for record in sort_records(parse_order(clauses, PROJECTS), records)] == expected, clauses
