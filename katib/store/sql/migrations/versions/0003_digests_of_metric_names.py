"""Metrics are found by a digest of their name, however long it is; writers have a row to lock."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

from katib.store.sql.column_types import StoredText
from katib.store.sql.migrations.steps import add_column, create_index

revision = "0003"
down_revision = "0002"

_METRICS = sa.table(
    "metrics", sa.column("id", sa.Integer), sa.column("name", StoredText), sa.column("digest", sa.String)
)
_COUNTERS = sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger))


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    add_column(op, "metrics", sa.Column("digest", sa.String(length=64), nullable=False, server_default=""))
    connection = op.get_bind()
    for key, name in connection.execute(sa.select(_METRICS.c.id, _METRICS.c.name)).all():
        digest = hashlib.sha256(name.encode()).hexdigest()
        connection.execute(sa.update(_METRICS).where(_METRICS.c.id == key).values(digest=digest))
    create_index(op, "ix_metrics_digest", "metrics", ["digest"], unique=True)
    if connection.execute(sa.select(_COUNTERS).where(_COUNTERS.c.name == "writers")).first() is None:
        connection.execute(sa.insert(_COUNTERS).values(name="writers", value=0))
