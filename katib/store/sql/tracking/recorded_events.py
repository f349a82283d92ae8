"""Events of experiments that are driven elsewhere. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.store.sql import event_rows
from katib.store.sql.tracking.scope import experiment_key

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from katib.store.protocol import EventKind
    from katib.store.sql.tracking.scope import Scope

__all__ = ["record_event"]


def record_event(
    connection: Connection,
    scope: Scope,
    experiment_id: str,
    reason: str,
    message: str,
    *,
    kind: EventKind,
    trial: str | None,
    event_id: str | None,
    count: int,
    time: datetime | None,
) -> None:
    """Record something worth telling."""
    experiment = experiment_key(connection, scope, experiment_id)
    event_rows.record_event(
        connection,
        experiment.id,
        reason,
        message,
        kind=kind,
        trial=trial,
        event_id=event_id,
        count=count,
        time=time,
    )
