"""Small tables of their own shape, and records put into them: what the real tables will be to the language."""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    and_,
    exists,
    insert,
    literal,
)

from katib.errors import Unsupported
from katib.store.query.records import stored
from katib.store.query.to_sql import Source
from katib.store.query.tree import Field, Reading
from katib.store.query.vocabulary import RUNS, Entity, Type
from katib.store.sql.column_types import StoredName, StoredText
from katib.store.sql.values import pack

metadata = MetaData()

trials = Table(
    "trials",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("run_name", StoredText),
    Column("status", StoredText),
    Column("user_id", StoredText),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("duration", BigInteger),
    Column("index", Double),
)


def _facts(name):
    return Table(
        name,
        metadata,
        Column("trial_id", BigInteger, primary_key=True),
        Column("name", StoredName(200), primary_key=True),
        Column("text", StoredText),
        Column("number", Double),
    )


parameters, properties, tags = _facts("parameters"), _facts("properties"), _facts("tags")

_READINGS = ("last", "first", "min", "max")

summaries = Table(
    "summaries",
    metadata,
    Column("trial_id", BigInteger, primary_key=True),
    Column("metric", StoredName(200), primary_key=True),
    *(Column(name, Double) for name in _READINGS),
    *(Column(f"{name}_kind", SmallInteger, nullable=False) for name in _READINGS),
    Column("count", Integer, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    Column("trial_id", BigInteger, primary_key=True),
    Column("metric", StoredName(200), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("step", BigInteger),
    Column("value", Double),
    Column("kind", SmallInteger, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("row", Integer, primary_key=True, autoincrement=True),
    Column("trial_id", BigInteger, nullable=False),
    Column("name", StoredText),
    Column("digest", StoredText),
    Column("context", StoredText),
)


class TrialFields:
    """Where each field of a run stands in these tables."""

    id = trials.c.id

    def source(self, field):
        if field.entity is Entity.ATTRIBUTE:
            if field.key not in trials.c:
                raise Unsupported(f"no {field.key}")
            return Source(trials.c[field.key])
        if field.entity is Entity.METRIC:
            return self._metric(field)
        if field.entity is Entity.DATASET:
            rows = datasets.alias()
            return Source(rows.c[field.key], rows=rows, matching=rows.c.trial_id == trials.c.id)
        table = {Entity.PARAMETER: parameters, Entity.PROPERTY: properties, Entity.TAG: tags}[field.entity]
        rows = table.alias()
        value = rows.c.number if field.reading is Reading.NUMBER else rows.c.text
        return Source(value, rows=rows, matching=and_(rows.c.trial_id == trials.c.id, rows.c.name == field.key))

    def _metric(self, field):
        if field.reading is Reading.STEP:
            rows, later = observations.alias(), observations.alias()
            same = [
                later.c.trial_id == rows.c.trial_id,
                later.c.metric == rows.c.metric,
                later.c.step == rows.c.step,
                later.c.sequence > rows.c.sequence,
            ]
            last = ~exists(literal(1)).select_from(later).where(*same)
            of_it = [rows.c.trial_id == trials.c.id, rows.c.metric == field.key, rows.c.step == field.step, last]
            return Source(rows.c.value, rows.c.kind, rows, and_(*of_it))
        rows = summaries.alias()
        matching = and_(rows.c.trial_id == trials.c.id, rows.c.metric == field.key)
        if field.reading is Reading.COUNT:
            return Source(rows.c["count"], None, rows, matching)
        name = field.reading.value
        return Source(rows.c[name], rows.c[f"{name}_kind"], rows, matching)


def fill(connection, records):
    """Put records into the tables."""
    for record in records:
        row = {"id": record.id}
        for attribute in RUNS.attributes:
            if attribute.name in trials.c:
                row[attribute.name] = stored(record, Field(Entity.ATTRIBUTE, attribute.name, attribute.type))[0]
        connection.execute(insert(trials).values(row))
        for table, facts in ((parameters, record.parameters), (properties, record.properties)):
            for name, fact in facts.items():
                connection.execute(
                    insert(table).values(trial_id=record.id, name=name, text=fact.text, number=fact.number)
                )
        for name, text in record.tags.items():
            connection.execute(insert(tags).values(trial_id=record.id, name=name, text=text))
        for name, metric in record.metrics.items():
            _fill_metric(connection, record.id, name, metric)
        for dataset in record.datasets:
            connection.execute(insert(datasets).values(trial_id=record.id, **dataset))


def _fill_metric(connection, trial_id, name, metric):
    row = {"trial_id": trial_id, "metric": name, "count": metric.count}
    for reading in _READINGS:
        row[reading], row[f"{reading}_kind"] = pack(getattr(metric, reading))
    connection.execute(insert(summaries).values(row))
    for sequence, (step, value) in enumerate(metric.steps.items()):
        number, kind = pack(value)
        sent = {"trial_id": trial_id, "metric": name, "step": step}
        # An earlier report at the same step, which a later one replaced.
        connection.execute(insert(observations).values(**sent, sequence=2 * sequence, value=-1.0, kind=0))
        connection.execute(insert(observations).values(**sent, sequence=2 * sequence + 1, value=number, kind=kind))


TYPES = {attribute.name: attribute.type for attribute in RUNS.attributes if attribute.name in trials.c} | {
    "metric": Type.NUMBER
}
