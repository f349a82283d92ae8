"""Reads runs flat, for exports of many: each part in one query of plain columns for a page of runs. In the caller's transaction.

What ``run_parts`` reads is made into records one by one, which for 10,000 runs takes several times as long as reading them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from katib.store.sql.column_types import StoredText
from katib.store.sql.schema import experiments, metrics, summaries, trials
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import parameter_names, parameters, projects, run_tags
from katib.store.sql.values import Kind, unpack
from katib.store.tracking.records import FlatMetric, FlatRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import BindParameter, Connection

__all__ = ["flat_runs"]

_KEYS: BindParameter[int] = bindparam("keys", expanding=True)
_runs, _root = trials.c, trials.alias("root")
_ROWS = (
    select(
        _runs.id,
        _runs.uid,
        func.coalesce(_runs.title, _runs.name, type_=StoredText()),
        projects.c.name,
        func.coalesce(_root.c.title, _root.c.name, type_=StoredText()),
        _runs.trial_index,
        _runs.state,
        _runs.reason,
        _runs.owner,
        _runs.created,
        _runs.started,
        _runs.finished,
    )
    .join(projects, projects.c.id == _runs.project_id)
    .outerjoin(experiments, experiments.c.id == _runs.experiment_id)
    .outerjoin(_root, _root.c.id == experiments.c.root_id)
    .where(_runs.id.in_(_KEYS))
)
_PARAMETERS = select(parameters.c.trial_id, parameters.c.parameter_id, parameters.c.text).where(
    parameters.c.trial_id.in_(_KEYS)
)
_PARAMETER_NAMES = select(parameter_names.c.id, parameter_names.c.name).where(parameter_names.c.id.in_(_KEYS))
_of = summaries.c
_METRICS = select(
    _of.trial_id,
    _of.metric_id,
    _of.latest_value,
    _of.latest_kind,
    _of.min_value,
    _of.min_kind,
    _of.max_value,
    _of.max_kind,
).where(_of.trial_id.in_(_KEYS))
_WORDS = select(_of.trial_id, _of.metric_id, _of.latest).where(
    _of.trial_id.in_(_KEYS), _of.latest_kind == Kind.WORD.value
)
_METRIC_NAMES = select(metrics.c.id, metrics.c.name).where(metrics.c.id.in_(_KEYS))
_TAGS = select(run_tags.c.trial_id, run_tags.c.name, run_tags.c.text).where(run_tags.c.trial_id.in_(_KEYS))


def flat_runs(connection: Connection, keys: Sequence[int]) -> list[FlatRun]:
    """Return runs in the order of their keys; a key that nobody has is left out."""
    found: dict[int, FlatRun] = {}
    for some in chunks(keys):
        for key, uid, name, project, experiment, index, state, reason, owner, created, started, ended in _all(
            connection, _ROWS, some
        ):
            found[key] = FlatRun(
                uid, name, project, experiment, index, state, reason, owner or "", created, started, ended, {}, {}, {}
            )
        _add_parameters(connection, some, found)
        _add_metrics(connection, some, found)
        for key, name, text in _all(connection, _TAGS, some):
            found[key].tags[name] = text
    return [found[key] for key in keys if key in found]


def _all(connection: Connection, query: Any, keys: Iterable[int]) -> Sequence[Any]:
    return connection.execute(query, {"keys": keys}).all()


def _names(connection: Connection, query: Any, rows: Sequence[Any]) -> dict[int, str]:
    wanted = sorted({row[1] for row in rows})
    return {key: name for some in chunks(wanted) for key, name in _all(connection, query, some)}


def _add_parameters(connection: Connection, keys: Sequence[int], found: dict[int, FlatRun]) -> None:
    rows = _all(connection, _PARAMETERS, keys)
    names = _names(connection, _PARAMETER_NAMES, rows)
    for run, name, text in rows:
        found[run].parameters[names[name]] = text


def _add_metrics(connection: Connection, keys: Sequence[int], found: dict[int, FlatRun]) -> None:
    rows = _all(connection, _METRICS, keys)
    names = _names(connection, _METRIC_NAMES, rows)
    words = {(run, metric): text for run, metric, text in _all(connection, _WORDS, keys)}
    finite = Kind.FINITE.value
    for run, metric, latest, latest_kind, least, min_kind, greatest, max_kind in rows:
        found[run].metrics[names[metric]] = FlatMetric(
            latest if latest_kind == finite else unpack(latest, latest_kind),
            words.get((run, metric)),
            least if min_kind == finite else unpack(least, min_kind),
            greatest if max_kind == finite else unpack(greatest, max_kind),
        )
