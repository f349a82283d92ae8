"""Where everything that a query may say of runs stands in the tables.

Names of metrics and parameters become their keys before the statement is made, so that it joins neither table of names and the
database's planner sees which rows are meant.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, case, exists, false, func, literal, select

from katib.errors import Unsupported
from katib.store.query.text_match import exact_text
from katib.store.query.to_sql import Source
from katib.store.query.tree import Reading
from katib.store.query.vocabulary import Entity
from katib.store.sql.column_types import StoredText
from katib.store.sql.keys import digest_of
from katib.store.sql.schema import experiments, metrics, observations, summaries, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import (
    dataset_versions,
    datasets,
    parameter_names,
    parameters,
    projects,
    run_datasets,
    run_properties,
    run_tags,
)
from katib.store.tracking.mlflow_status import MLFLOW_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Select

    from katib.store.query.tree import Field

__all__ = [
    "RunFields",
    "among",
    "dataset_source",
    "fact_source",
    "given",
    "reading_of",
    "run_fields",
    "state_text",
    "status_of",
]

"""What MLflow calls the states. A trial that was stopped early did what it should."""

_NOBODY: Final = -1
"""The key of a name that nothing has."""

_METRICS = select(metrics.c.digest, metrics.c.id).where(metrics.c.digest.in_(bindparam("digests", expanding=True)))
_PARAMETERS = select(parameter_names.c.digest, parameter_names.c.id).where(
    parameter_names.c.digest.in_(bindparam("digests", expanding=True))
)
_SUMMARY_COLUMNS: Final = {
    Reading.VALUE: (summaries.c.latest_value, summaries.c.latest_kind),
    Reading.FIRST: (summaries.c.first_value, summaries.c.first_kind),
    Reading.MIN: (summaries.c.min_value, summaries.c.min_kind),
    Reading.MAX: (summaries.c.max_value, summaries.c.max_kind),
    Reading.COUNT: (summaries.c.count, None),
}


def among(column: ColumnElement[int], keys: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a key is one of these."""
    if not keys:
        return false()
    return column == keys[0] if len(keys) == 1 else column.in_(keys)


def given(text: ColumnElement[str]) -> ColumnElement[str]:
    """Return a text that is not there where it is empty, which is how columns say that nobody gave one."""
    return func.nullif(text, literal("", text.type), type_=text.type)


def status_of(state: ColumnElement[str]) -> ColumnElement[str]:
    """Return a state in MLflow's words."""
    words = {state.value: literal(word, StoredText()) for state, word in MLFLOW_STATUSES.items()}
    return exact_text(case(words, value=state))


def state_text(state: ColumnElement[str]) -> ColumnElement[str]:
    """Return a state in ours."""
    return exact_text(state)


def fact_source(field: Field, owner: ColumnElement[int]) -> Source:
    """Return where a tag or a property of the run stands whose key is given."""
    table = run_tags if field.entity is Entity.TAG else run_properties
    rows = table.alias()
    value = rows.c.number if field.reading is Reading.NUMBER else rows.c.text
    return Source(value, rows=rows, matching=and_(rows.c.trial_id == owner, rows.c.name == field.key))


def dataset_source(field: Field, owner: ColumnElement[int]) -> Source:
    """Return where the datasets of a run stand."""
    used = run_datasets.alias()
    if field.key == "context":
        return Source(given(used.c.role), rows=used, matching=used.c.trial_id == owner)
    version = dataset_versions.alias()
    rows = used.join(version, version.c.id == used.c.version_id)
    if field.key == "digest":
        return Source(version.c.digest, rows=rows, matching=used.c.trial_id == owner)
    named = datasets.alias()
    rows = rows.join(named, named.c.id == version.c.dataset_id)
    return Source(named.c.name, rows=rows, matching=used.c.trial_id == owner)


@dataclass(frozen=True, slots=True)
class RunFields:
    """Fields of runs over ``trials``.

    Attributes:
        metric_keys: By name; those that are missing were never reported.
        parameter_keys: Likewise.
        run: The key of the run as what belongs to it is looked up by: that of another table where the search begins there.
        found: Sources of fields that the search has in its rows already.
        one_by_one: See ``Source``.
        projects: Keys of those that are searched, if they are known: all of a metric that the database has to think of.
    """

    metric_keys: Mapping[str, int]
    parameter_keys: Mapping[str, int]
    run: ColumnElement[int] = trials.c.id
    found: Mapping[Field, Source] = dataclasses.field(default_factory=dict)
    one_by_one: bool = True
    projects: Sequence[int] | None = None

    @property
    def id(self) -> ColumnElement[int]:
        """The key of a run."""
        return trials.c.id

    def source(self, field: Field) -> Source:
        """Return where a field stands."""
        if field in self.found:
            return self.found[field]
        source = self._source(field)
        return source if source.rows is None else replace(source, one_by_one=self.one_by_one)

    def _source(self, field: Field) -> Source:
        if field.entity is Entity.ATTRIBUTE:
            return _attribute(field.key)
        if field.entity is Entity.METRIC:
            key = self.metric_key(field)
            if field.reading is Reading.STEP:
                return _at_step(self.run, key, field.step)
            return self._summary(key, field)
        if field.entity is Entity.PARAMETER:
            rows = parameters.alias()
            value = rows.c.number if field.reading is Reading.NUMBER else rows.c.text
            of_it = and_(rows.c.trial_id == self.run, rows.c.parameter_id == self.parameter_key(field))
            return Source(value, rows=rows, matching=of_it)
        if field.entity is Entity.DATASET:
            return dataset_source(field, self.run)
        return fact_source(field, self.run)

    def _summary(self, key: int, field: Field) -> Source:
        rows = summaries.alias()
        of_it = [rows.c.trial_id == self.run, rows.c.metric_id == key]
        if self.projects is not None:
            of_it.append(among(rows.c.project_id, self.projects))
        return replace(reading_of(rows, field.reading), rows=rows, matching=and_(*of_it))

    def metric_key(self, field: Field) -> int:
        """Return the key of a metric."""
        return self.metric_keys.get(storable(field.key), _NOBODY)

    def parameter_key(self, field: Field) -> int:
        """Return the key of a parameter."""
        return self.parameter_keys.get(storable(field.key), _NOBODY)


def reading_of(rows: FromClause, reading: Reading) -> Source:
    """Return where a reading stands in a row of ``summaries``."""
    value, kind = _SUMMARY_COLUMNS[reading]
    return Source(rows.c[value.name], None if kind is None else rows.c[kind.name])


def _at_step(run: ColumnElement[int], key: int, step: int | None) -> Source:
    rows, later = observations.alias(), observations.alias()
    same = [
        later.c.trial_id == rows.c.trial_id,
        later.c.metric_id == rows.c.metric_id,
        later.c.step == rows.c.step,
        later.c.sequence > rows.c.sequence,
    ]
    last = ~exists(literal(1)).select_from(later).where(*same)
    of_it = [rows.c.trial_id == run, rows.c.metric_id == key, rows.c.step == step, last]
    return Source(rows.c.value, rows.c.kind, rows, and_(*of_it))


_ATTRIBUTES: Final[Mapping[str, Source]] = MappingProxyType(
    {
        "run_id": Source(trials.c.uid),
        "run_name": Source(func.coalesce(trials.c.title, trials.c.name, type_=StoredText())),
        "status": Source(status_of(trials.c.state)),
        "state": Source(state_text(trials.c.state)),
        "reason": Source(given(trials.c.reason)),
        "start_time": Source(trials.c.began, always=True),
        "end_time": Source(trials.c.finished),
        "creation_time": Source(trials.c.created, always=True),
        "duration": Source(trials.c.finished - trials.c.began),
        "index": Source(trials.c.trial_index),
        "user_id": Source(given(trials.c.owner)),
    }
)


def _title_of(experiment: Any) -> ColumnElement[str]:
    """Return what an experiment is called; one that is deleted has no title any more."""
    root = trials.alias()
    name = select(root.c.name).where(root.c.id == experiment.c.root_id).scalar_subquery()
    return func.coalesce(experiment.c.title, name, type_=StoredText())


def _attribute(name: str) -> Source:
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name]
    if name in {"experiment", "experiment_id"}:
        above = experiments.alias()
        value = above.c.uid if name == "experiment_id" else _title_of(above)
        return Source(value, rows=above, matching=above.c.id == trials.c.experiment_id)
    project = projects.alias()
    values: dict[str, ColumnElement[str]] = {
        "project": project.c.name,
        "project_id": project.c.uid,
        "artifact_uri": literal("mlflow-artifacts:/", StoredText())
        + project.c.uid
        + literal("/", StoredText())
        + trials.c.uid
        + literal("/artifacts", StoredText()),
    }
    if name not in values:
        raise Unsupported(f"runs have no {name!r} here")
    return Source(values[name], rows=project, matching=project.c.id == trials.c.project_id)


def run_fields(connection: Connection, fields: Iterable[Field]) -> RunFields:
    """Return the fields of runs for a query that speaks of these."""
    named: dict[Entity, set[str]] = {Entity.METRIC: set(), Entity.PARAMETER: set()}
    for field in fields:
        if field.entity in named:
            named[field.entity].add(storable(field.key))
    return RunFields(
        _keys(connection, _METRICS, named[Entity.METRIC]),
        _keys(connection, _PARAMETERS, named[Entity.PARAMETER]),
    )


def _keys(connection: Connection, query: Select[Any], names: Iterable[str]) -> dict[str, int]:
    digests = {digest_of(name): name for name in names}
    return {
        digests[digest]: key
        for some in chunks(sorted(digests))
        for digest, key in connection.execute(query, {"digests": some})
    }
