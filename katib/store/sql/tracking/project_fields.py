"""Where everything that a query may say of projects stands in the tables."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_

from katib.errors import Unsupported
from katib.store.query.to_sql import Source
from katib.store.query.tree import Reading
from katib.store.query.vocabulary import Entity
from katib.store.sql.tracking.run_fields import given
from katib.store.sql.tracking_tables import project_properties, project_tags, projects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from katib.store.query.tree import Field

__all__ = ["ProjectFields"]

_ATTRIBUTES: Final[Mapping[str, Source]] = MappingProxyType(
    {
        "name": Source(projects.c.name),
        "experiment_id": Source(projects.c.uid),
        "creation_time": Source(projects.c.created, always=True),
        "last_update_time": Source(projects.c.updated, always=True),
        "user_id": Source(given(projects.c.owner)),
    }
)


class ProjectFields:
    """Fields of projects over ``projects``."""

    @property
    def id(self) -> ColumnElement[int]:
        """The key of a project."""
        return projects.c.id

    def source(self, field: Field) -> Source:
        """Return where a field stands."""
        if field.entity is Entity.ATTRIBUTE and field.key in _ATTRIBUTES:
            return _ATTRIBUTES[field.key]
        if field.entity not in {Entity.TAG, Entity.PROPERTY}:
            raise Unsupported(f"projects have no {field.entity.value} {field.key!r} here")
        rows = (project_tags if field.entity is Entity.TAG else project_properties).alias()
        value = rows.c.number if field.reading is Reading.NUMBER else rows.c.text
        return Source(value, rows=rows, matching=and_(rows.c.project_id == projects.c.id, rows.c.name == field.key))
