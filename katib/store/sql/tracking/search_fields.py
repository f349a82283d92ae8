"""Where everything that a query may say of experiments stands: facts, state and times are those of the root run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlalchemy import func

from katib.errors import Unsupported
from katib.store.query.to_sql import Source
from katib.store.query.vocabulary import Entity
from katib.store.sql.column_types import StoredText
from katib.store.sql.schema import experiments, trials
from katib.store.sql.tracking.run_fields import dataset_source, fact_source, given, state_text
from katib.store.sql.tracking_tables import projects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from katib.store.query.tree import Field

__all__ = ["SEARCHED", "SearchFields"]

_ROOT: Final = trials.alias("root")

SEARCHED: Final = experiments.join(_ROOT, _ROOT.c.id == experiments.c.root_id)
"""Every experiment has a root run."""

_ATTRIBUTES: Final[Mapping[str, Source]] = MappingProxyType(
    {
        "experiment_id": Source(experiments.c.uid),
        "name": Source(func.coalesce(experiments.c.title, _ROOT.c.name, type_=StoredText())),
        "state": Source(state_text(_ROOT.c.state)),
        "creation_time": Source(experiments.c.created, always=True),
        "last_update_time": Source(experiments.c.updated),
        "start_time": Source(_ROOT.c.began, always=True),
        "end_time": Source(_ROOT.c.finished),
        "duration": Source(_ROOT.c.finished - _ROOT.c.began),
        "algorithm": Source(given(experiments.c.algorithm)),
        "objective": Source(given(experiments.c.objective)),
        "objective_type": Source(given(experiments.c.objective_type)),
        "trials": Source(func.coalesce(experiments.c.trial_count, 0)),
        "best": Source(experiments.c.best_value),
        "user_id": Source(given(experiments.c.owner)),
    }
)


class SearchFields:
    """Fields of experiments over ``SEARCHED``."""

    @property
    def id(self) -> ColumnElement[int]:
        """The key of an experiment."""
        return experiments.c.id

    def source(self, field: Field) -> Source:
        """Return where a field stands."""
        if field.entity is Entity.ATTRIBUTE:
            return _attribute(field.key)
        if field.entity in {Entity.TAG, Entity.PROPERTY}:
            return fact_source(field, experiments.c.root_id)
        if field.entity is Entity.DATASET:
            return dataset_source(field, experiments.c.root_id)
        raise Unsupported(f"experiments have no {field.entity.value} here")


def _attribute(name: str) -> Source:
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name]
    project = projects.alias()
    if name not in {"project", "project_id"}:
        raise Unsupported(f"experiments have no {name!r} here")
    value = project.c.name if name == "project" else project.c.uid
    return Source(value, rows=project, matching=project.c.id == experiments.c.project_id)
