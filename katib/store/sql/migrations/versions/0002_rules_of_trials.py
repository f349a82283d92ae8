"""Trials keep the early stopping rules they were given."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    op.add_column("trials", sa.Column("rules", sa.Text()))
