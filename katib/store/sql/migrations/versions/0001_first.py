"""The first schema."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from katib.store.sql.column_types import TABLE_OPTIONS, Document, StoredName, StoredText

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    # Only SQLite has had stores of this schema; elsewhere names may be too long for an index, and 0003 has another.
    sqlite = op.get_context().dialect.name == "sqlite"
    unique_name = [sa.UniqueConstraint("name", name="uq_metrics_name")] if sqlite else []
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", StoredName(64), nullable=False),
        sa.Column("namespace", StoredName(255), nullable=False),
        sa.Column("name", StoredName(255), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("algorithm", StoredText(), nullable=False),
        sa.Column("max_trials", sa.Integer()),
        sa.Column("status", Document(), nullable=False),
        sa.Column("metadata", Document(), nullable=False),
        sa.Column("spec", Document(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.UniqueConstraint("namespace", "name", name="uq_experiments_namespace_name"),
        sa.UniqueConstraint("uid", name="uq_experiments_uid"),
        sqlite_autoincrement=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "metrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", StoredText(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metrics"),
        *unique_name,
        sqlite_autoincrement=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("trial", StoredText()),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", StoredText(), nullable=False),
        sa.Column("message", StoredText(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name="fk_events_experiment_id_experiments", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("experiment_id", "digest", name="uq_events_experiment_id_digest"),
        sqlite_autoincrement=True,
        **TABLE_OPTIONS,
    )
    op.create_index("ix_events_experiment_id_change", "events", ["experiment_id", "change"])
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name="fk_requests_experiment_id_experiments", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.UniqueConstraint("experiment_id", "action", name="uq_requests_experiment_id_action"),
        sqlite_autoincrement=True,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("trial_index", sa.BigInteger(), nullable=False),
        sa.Column("name", StoredName(255), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("assignments", Document(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger()),
        sa.Column("finished", sa.BigInteger()),
        sa.Column("observation", Document()),
        sa.Column("reason", StoredText(), nullable=False),
        sa.Column("message", StoredText(), nullable=False),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("stopping", sa.String(length=32)),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("labels", Document(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name="fk_trials_experiment_id_experiments", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_trials"),
        sa.UniqueConstraint("experiment_id", "name", name="uq_trials_experiment_id_name"),
        sa.UniqueConstraint("experiment_id", "trial_index", name="uq_trials_experiment_id_trial_index"),
        sqlite_autoincrement=True,
        **TABLE_OPTIONS,
    )
    op.create_index("ix_trials_experiment_id_change", "trials", ["experiment_id", "change"])
    op.create_table(
        "collectors",
        sa.Column("trial_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_sequence", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint", Document()),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_collectors_trial_id_trials", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", name="pk_collectors"),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "observations",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("text", StoredText()),
        sa.Column("time", sa.BigInteger()),
        sa.Column("step", sa.BigInteger()),
        sa.ForeignKeyConstraint(["metric_id"], ["metrics.id"], name="fk_observations_metric_id_metrics"),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trials.id"], name="fk_observations_trial_id_trials", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trial_id", "metric_id", "sequence", name="pk_observations"),
        sqlite_with_rowid=False,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "summaries",
        sa.Column("trial_id", sa.Integer(), nullable=False),
        sa.Column("metric_id", sa.Integer(), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("first", StoredText(), nullable=False),
        sa.Column("first_time", sa.BigInteger()),
        sa.Column("latest", StoredText(), nullable=False),
        sa.Column("latest_time", sa.BigInteger()),
        sa.Column("latest_value", sa.Double()),
        sa.Column("latest_kind", sa.SmallInteger(), nullable=False),
        sa.Column("min", StoredText(), nullable=False),
        sa.Column("min_value", sa.Double()),
        sa.Column("min_kind", sa.SmallInteger(), nullable=False),
        sa.Column("max", StoredText(), nullable=False),
        sa.Column("max_value", sa.Double()),
        sa.Column("max_kind", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["metric_id"], ["metrics.id"], name="fk_summaries_metric_id_metrics"),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_summaries_trial_id_trials", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "metric_id", name="pk_summaries"),
        sqlite_with_rowid=False,
        **TABLE_OPTIONS,
    )
    op.create_table(
        "trial_jobs",
        sa.Column("trial_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job", Document(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_trial_jobs_trial_id_trials", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", name="pk_trial_jobs"),
        **TABLE_OPTIONS,
    )
    op.bulk_insert(
        sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger)),
        [{"name": "change", "value": 0}],
    )
