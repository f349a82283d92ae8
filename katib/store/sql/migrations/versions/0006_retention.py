"""What a project wants purged, the files into which runs go before that, and who does it."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from katib.store.sql.column_types import TABLE_OPTIONS, Document, StoredName
from katib.store.sql.migrations.steps import add_column, create_index

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    add_column(op, "projects", sa.Column("retention", Document()))
    op.create_table(
        "archives",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("namespace", StoredName(255), nullable=False),
        sa.Column("project", sa.String(32), nullable=False),
        sa.Column("written", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_archives"),
        sa.UniqueConstraint("uid", name="uq_archives_uid"),
        sqlite_autoincrement=True,
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    create_index(op, "ix_archives_namespace", "archives", ["namespace"])
    op.create_table(
        "archived_runs",
        sa.Column("trial_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("archive_id", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name="fk_archived_runs_trial_id_trials", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["archive_id"], ["archives.id"], name="fk_archived_runs_archive_id_archives"),
        sa.PrimaryKeyConstraint("trial_id", name="pk_archived_runs"),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    create_index(op, "ix_archived_runs_archive_id", "archived_runs", ["archive_id"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", StoredName(255), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
