"""Trials keep the early stopping rules they were given."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from katib.store.sql.column_types import Document
from katib.store.sql.migrations.steps import add_column

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    add_column(op, "trials", sa.Column("rules", Document()))
