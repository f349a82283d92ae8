"""What was answered to changes that may be asked for again."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from katib.store.sql.column_types import TABLE_OPTIONS, Document
from katib.store.sql.migrations.steps import create_index

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    op.create_table(
        "answers",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("answer", Document(), nullable=False),
        sa.Column("given", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_answers"),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    create_index(op, "ix_answers_given", "answers", ["given"])
