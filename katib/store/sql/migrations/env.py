"""What Alembic runs for every command: migrations on the connection the store hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from katib.store.sql.schema import metadata, revision_table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=revision_table.name,
    render_as_batch=True,  # SQLite changes a table by copying it
    transactional_ddl=False,  # the store has begun the transaction and ends it
)
context.run_migrations()
