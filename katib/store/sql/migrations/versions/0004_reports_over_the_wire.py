"""Reports that come over Katib's wire: by the trial's name alone, beside those of a collector, each once."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from katib.store.sql.column_types import TABLE_OPTIONS, StoredName, StoredText
from katib.store.sql.migrations.steps import add_column, create_index

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    add_column(op, "collectors", sa.Column("collected", sa.BigInteger()))
    create_index(op, "ix_trials_name", "trials", ["name"])
    create_index(op, "ix_observations_trial_id_metric_id_time", "observations", ["trial_id", "metric_id", "time"])
    op.create_table(
        "unclaimed_trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", StoredName(255), nullable=False),
        sa.Column("namespace", StoredName(255), nullable=False),
        sa.Column("next_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unclaimed_trials"),
        sa.UniqueConstraint("name", "namespace", name="uq_unclaimed_trials_name_namespace"),
        sqlite_autoincrement=True,
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "unclaimed_observations",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("time", sa.BigInteger()),
        sa.Column("text", StoredText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trial_id"],
            ["unclaimed_trials.id"],
            name="fk_unclaimed_observations_trial_id_unclaimed_trials",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["metric_id"], ["metrics.id"], name="fk_unclaimed_observations_metric_id_metrics"),
        sa.PrimaryKeyConstraint("trial_id", "sequence", name="pk_unclaimed_observations"),
        sqlite_with_rowid=False,
        if_not_exists=True,
        **TABLE_OPTIONS,
    )
    create_index(
        op,
        "ix_unclaimed_observations_trial_id_metric_id_time",
        "unclaimed_observations",
        ["trial_id", "metric_id", "time"],
    )
