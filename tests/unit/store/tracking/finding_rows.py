"""Records of the query language put into the real tables, beside strangers that nobody may find."""

import hashlib
import json
from dataclasses import replace

import query_generated as generated
from hypothesis import strategies as st
from sqlalchemy import insert, select

from katib.api.trial import TrialState
from katib.store.query.records import Record, TypedText
from katib.store.query.vocabulary import Entity, Type
from katib.store.sql import schema
from katib.store.sql import tracking_tables as tables
from katib.store.sql.keys import digest_of
from katib.store.sql.values import micros, moment, pack
from katib.store.tracking.mlflow_status import MLFLOW_STATUSES

NAMESPACE = "ours"
MINE, OTHER, FOREIGN = 1, 2, 3
"""Two projects of the namespace, and one of another namespace."""

RUN_ATTRIBUTES = (
    *generated.SOME_ATTRIBUTES,
    ("run_id", Type.TEXT), ("state", Type.TEXT), ("reason", Type.TEXT), ("creation_time", Type.TIME), ("artifact_uri", Type.TEXT),
    ("user_id", Type.TEXT), ("experiment", Type.TEXT), ("experiment_id", Type.TEXT), ("project", Type.TEXT), ("project_id", Type.TEXT),
)  # fmt: skip
SEARCH_ATTRIBUTES = (
    ("experiment_id", Type.TEXT), ("name", Type.TEXT), ("state", Type.TEXT), ("creation_time", Type.TIME),
    ("last_update_time", Type.TIME), ("start_time", Type.TIME), ("end_time", Type.TIME), ("duration", Type.DURATION),
    ("algorithm", Type.TEXT), ("objective", Type.TEXT), ("objective_type", Type.TEXT), ("trials", Type.NUMBER),
    ("best", Type.NUMBER), ("user_id", Type.TEXT), ("project", Type.TEXT), ("project_id", Type.TEXT),
)  # fmt: skip
PROJECT_ATTRIBUTES = (
    ("name", Type.TEXT), ("experiment_id", Type.TEXT), ("creation_time", Type.TIME), ("last_update_time", Type.TIME),
    ("user_id", Type.TEXT),
)  # fmt: skip
OF_SEARCHES = (Entity.ATTRIBUTE, Entity.TAG, Entity.PROPERTY, Entity.DATASET)
OF_PROJECTS = (Entity.ATTRIBUTE, Entity.TAG, Entity.PROPERTY)


def uid_of(kind, number):
    return hashlib.md5(f"{kind} {number}".encode(), usedforsecurity=False).hexdigest()


def project_name(project):
    return {MINE: "mine", OTHER: "Other ", FOREIGN: "foreign"}[project]


SOME_TEXT = st.none() | generated.TEXTS
STATES = st.sampled_from(list(TrialState))
SEARCH_NAMES = ["a", "A", "a ", "é", "日本", "b"]


@st.composite
def run_lists(draw):
    """Records of runs as the tables can hold them, numbered from 1."""
    found = []
    for number, sketch in enumerate(draw(generated.RECORDS), 1):
        state, project = draw(STATES), draw(st.sampled_from([MINE, OTHER]))
        start, end = draw(generated.TIMES), draw(st.none() | generated.TIMES)
        index = draw(st.none() | st.integers(0, 3).map(lambda low, number=number: 10 * low + number))
        experiment = None if index is None else project
        attributes = {
            "run_id": uid_of("run", number),
            "run_name": draw(SOME_TEXT) or f"run-{number}",
            "status": MLFLOW_STATUSES[state],
            "state": state.value,
            "reason": draw(SOME_TEXT) or None,
            "start_time": start,
            "end_time": end,
            "creation_time": draw(generated.TIMES),
            "duration": None if end is None else end - start,
            "index": None if index is None else float(index),
            "artifact_uri": f"mlflow-artifacts:/{uid_of('project', project)}/{uid_of('run', number)}/artifacts",
            "user_id": draw(SOME_TEXT) or None,
            "experiment": None if experiment is None else f"search {experiment}",
            "experiment_id": None if experiment is None else uid_of("experiment", experiment),
            "project": project_name(project),
            "project_id": uid_of("project", project),
        }
        found.append(_stored(replace(sketch, id=number, attributes=attributes)))
    return found


@st.composite
def search_lists(draw):
    """Records of experiments as the tables can hold them."""
    found = []
    for number, sketch in enumerate(draw(generated.RECORDS), 1):
        project = draw(st.sampled_from([MINE, OTHER]))
        start, end = draw(generated.TIMES), draw(st.none() | generated.TIMES)
        attributes = {
            "experiment_id": uid_of("experiment", number),
            "name": f"{draw(st.sampled_from(SEARCH_NAMES))}{number}",
            "state": draw(STATES).value,
            "creation_time": draw(generated.TIMES),
            "last_update_time": draw(generated.TIMES),
            "start_time": start,
            "end_time": end,
            "duration": None if end is None else end - start,
            "algorithm": draw(SOME_TEXT) or None,
            "objective": draw(SOME_TEXT) or None,
            "objective_type": draw(st.sampled_from([None, "minimize", "maximize"])),
            "trials": float(draw(st.integers(0, 3))),
            "best": draw(st.none() | generated.FINITE),
            "user_id": draw(SOME_TEXT) or None,
            "project": project_name(project),
            "project_id": uid_of("project", project),
        }
        found.append(replace(_stored(replace(sketch, id=number, attributes=attributes)), metrics={}, parameters={}))
    return found


@st.composite
def project_lists(draw):
    """Records of projects as the tables can hold them."""
    found = []
    for number, sketch in enumerate(draw(generated.RECORDS), 1):
        attributes = {
            "name": f"{draw(st.sampled_from(SEARCH_NAMES))}{number}",
            "experiment_id": uid_of("project", number),
            "creation_time": draw(generated.TIMES),
            "last_update_time": draw(generated.TIMES),
            "user_id": draw(SOME_TEXT) or None,
        }
        record = _stored(replace(sketch, id=number, attributes=attributes))
        found.append(replace(record, metrics={}, parameters={}, datasets=()))
    return found


def _stored(record):
    datasets = [
        {"name": each["name"] or "", "digest": each["digest"] or "", "context": each["context"] or None}
        for each in record.datasets
    ]
    properties = {name: TypedText(fact.text, fact.number) for name, fact in record.properties.items()}
    return replace(record, datasets=datasets, properties=properties)


def insert_all(connection, table, rows):
    for row in rows:
        connection.execute(insert(table), row)


def time_of(record, name):
    value = record.attributes[name]
    return None if value is None else micros(value)


def run_row(key, uid, record, **changed):
    attributes = record.attributes
    row = {
        "id": key,
        "uid": uid,
        "experiment_id": None,
        "trial_index": None,
        "name": f"run-{key}",
        "state": attributes.get("state", "Created"),
        "assignments": "[]",
        "created": time_of(record, "creation_time"),
        "started": None,
        "finished": time_of(record, "end_time"),
        "began": time_of(record, "start_time"),
        "reason": attributes.get("reason") or "",
        "message": "",
        "imported": False,
        "attempt": 0,
        "labels": "{}",
        "change": key,
        "owner": attributes["user_id"] or "",
        "deleted": None,
    }
    return row | changed


def project_row(key, uid, namespace, name, *, created=0, updated=0, owner="", deleted=None):
    return {
        "id": key, "uid": uid, "namespace": namespace, "name": name, "description": "", "owner": owner, "created": created,
        "updated": updated, "deleted": deleted,
    }  # fmt: skip


def put_projects(connection):
    rows = [
        project_row(key, uid_of("project", key), "theirs" if key == FOREIGN else NAMESPACE, project_name(key))
        for key in (MINE, OTHER, FOREIGN)
    ]
    insert_all(connection, tables.projects, rows)


def experiment_row(key, root, record, project, **changed):
    attributes = record.attributes
    row = {
        "id": key, "uid": uid_of("experiment", key), "namespace": NAMESPACE, "name": f"search-{key}", "version": 1, "generation": 1,
        "created": time_of(record, "creation_time"), "algorithm": attributes.get("algorithm") or "", "status": "{}",
        "metadata": "{}", "spec": "{}", "project_id": project, "root_id": root, "kind": "tracked", "title": attributes.get("name"),
        "owner": attributes["user_id"] or "", "updated": time_of(record, "last_update_time"), "deleted": None,
        "objective": attributes.get("objective"), "objective_type": attributes.get("objective_type"),
        "best_value": attributes.get("best"), "trial_count": int(attributes.get("trials") or 0),
    }  # fmt: skip
    return row | changed


_KEYS = {name: number for number, name in enumerate(["loss", "a b"], 1)}


def put_names(connection):
    insert_all(
        connection,
        schema.metrics,
        [{"id": key + 10, "name": name, "digest": digest_of(name)} for name, key in _KEYS.items()],
    )
    insert_all(
        connection,
        tables.parameter_names,
        [{"id": key + 20, "name": name, "digest": digest_of(name)} for name, key in _KEYS.items()],
    )


def put_facts(connection, key, record):
    """Everything of a record that is not in its own row."""
    for name, text in record.tags.items():
        connection.execute(insert(tables.run_tags), {"trial_id": key, "name": name, "text": text})
    for name, fact in record.properties.items():
        row = {"trial_id": key, "name": name, "value": json.dumps(fact.text), "text": fact.text, "number": fact.number}
        connection.execute(insert(tables.run_properties), row)
    for name, fact in record.parameters.items():
        row = {"trial_id": key, "parameter_id": _KEYS[name] + 20, "text": fact.text, "number": fact.number}
        connection.execute(insert(tables.parameters), row)
    for name, metric in record.metrics.items():
        put_metric(connection, key, _KEYS[name] + 10, metric)
    for number, dataset in enumerate(record.datasets):
        one = 10 * key + number  # a dataset of its own for each: names may be alike in different projects only
        name = {
            "id": one,
            "uid": uid_of("dataset", one),
            "project_id": project_of_dataset(connection, one),
            "name": dataset["name"],
        }
        connection.execute(insert(tables.datasets), name | {"description": "", "owner": "", "created": 0, "updated": 0})
        version = {
            "id": one,
            "uid": uid_of("version", one),
            "dataset_id": one,
            "number": 1,
            "digest": dataset["digest"],
        }
        connection.execute(insert(tables.dataset_versions), version | {"uri": "", "source_type": "", "created": 0})
        use = {"trial_id": key, "version_id": one, "role": dataset["context"] or "", "tags": "{}"}
        connection.execute(insert(tables.run_datasets), use)


def project_of_dataset(connection, one):
    key = 1_000_000 + one
    connection.execute(insert(tables.projects), project_row(key, uid_of("project", key), "data", f"data-{one}"))
    return key


def put_metric(connection, trial, key, metric):
    project = connection.execute(select(schema.trials.c.project_id).where(schema.trials.c.id == trial)).scalar_one()
    row = {"trial_id": trial, "project_id": project, "metric_id": key, "first_sequence": 0, "count": metric.count}
    for column, reading in (("latest", "last"), ("first", "first"), ("min", "min"), ("max", "max")):
        row[f"{column}_value"], row[f"{column}_kind"] = pack(getattr(metric, reading))
        row[column] = "as reported"
    connection.execute(insert(schema.summaries), row)
    for number, (step, value) in enumerate(metric.steps.items()):
        finite, kind = pack(value)
        earlier = {"trial_id": trial, "metric_id": key, "step": step, "sequence": 2 * number, "value": -1.0, "kind": 0}
        connection.execute(insert(schema.observations), earlier)  # which the next one replaced
        connection.execute(
            insert(schema.observations), earlier | {"sequence": 2 * number + 1, "value": finite, "kind": kind}
        )


def put_runs(connection, records, deleted=frozenset()):
    """Runs and two experiments; beside each run a stranger with the same facts in another namespace."""
    put_projects(connection)
    put_names(connection)
    plain = Record(0, {"creation_time": moment(0), "end_time": None, "start_time": moment(0), "user_id": None,
                       "last_update_time": moment(0)})  # fmt: skip
    for key in (MINE, OTHER):
        root = run_row(1000 + key, uid_of("root", key), plain, project_id=key, deleted=1)
        connection.execute(insert(schema.trials), root)
        row = experiment_row(key, 1000 + key, plain, key, title=f"search {key}")
        connection.execute(insert(schema.experiments), row)
    for record in records:
        attributes = record.attributes
        project = MINE if attributes["project"] == project_name(MINE) else OTHER
        index = attributes["index"]
        named = attributes["run_name"]
        row = run_row(
            record.id, attributes["run_id"], record, project_id=project, deleted=5 if record.id in deleted else None
        )
        row |= {} if index is None else {"experiment_id": project, "trial_index": int(index)}
        row |= {"title": None if named == f"run-{record.id}" else named}
        connection.execute(insert(schema.trials), row)
        put_facts(connection, record.id, record)
        stranger = run_row(record.id + 500, uid_of("stranger", record.id), record, project_id=FOREIGN)
        connection.execute(insert(schema.trials), stranger)
        put_facts(connection, record.id + 500, record)


def put_searches(connection, records, deleted=frozenset()):
    """Experiments with their root runs, and a stranger beside each."""
    put_projects(connection)
    put_names(connection)
    for record in records:
        project = MINE if record.attributes["project"] == project_name(MINE) else OTHER
        for key, name, changed in (
            (record.id, "root", {"deleted": 5 if record.id in deleted else None}),
            (record.id + 500, "other root", {"namespace": "theirs", "title": f"stranger {record.id}"}),
        ):
            owner = FOREIGN if "namespace" in changed else project
            root = run_row(key + 1000, uid_of(name, record.id), record, project_id=owner, owner="somebody")
            connection.execute(insert(schema.trials), root)
            connection.execute(insert(schema.experiments), experiment_row(key, key + 1000, record, owner, **changed))
            put_facts(connection, key + 1000, record)


def put_some_projects(connection, records, deleted=frozenset()):
    """Projects, and a stranger beside each."""
    for record in records:
        attributes = record.attributes
        of_it = {
            "created": time_of(record, "creation_time"),
            "updated": time_of(record, "last_update_time"),
            "owner": attributes["user_id"] or "",
            "deleted": 5 if record.id in deleted else None,
        }
        for key, uid, namespace in (
            (record.id, attributes["experiment_id"], NAMESPACE),
            (record.id + 500, uid_of("stranger", record.id), "theirs"),
        ):
            row = project_row(key, uid, namespace, attributes["name"], **of_it)
            connection.execute(insert(tables.projects), row)
            for name, text in record.tags.items():
                connection.execute(insert(tables.project_tags), {"project_id": key, "name": name, "text": text})
            for name, fact in record.properties.items():
                value = {"project_id": key, "name": name, "value": json.dumps(fact.text), "text": fact.text}
                connection.execute(insert(tables.project_properties), value | {"number": fact.number})
