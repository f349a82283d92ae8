"""Who does what only one process does at a time. Functions run in the caller's transaction.

No clock is asked, as those of two machines differ: a holder that lives lets its beat grow, and whoever wants the lease waits until a beat
has not grown for long enough by its own clock (``katib.store.lease``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from katib.store.sql.tracking_tables import leases
from katib.store.tracking.records import LeaseState

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["give_lease_up", "take_lease"]

_LOCK = (
    select(leases.c.holder, leases.c.beat).where(leases.c.name == bindparam("lease")).with_for_update(key_share=True)
)
_UPDATE = (
    update(leases).where(leases.c.name == bindparam("lease")).values(holder=bindparam("who"), beat=bindparam("next"))
)


def take_lease(connection: Connection, name: str, holder: str, expired: LeaseState | None) -> LeaseState:
    """Hold a lease if nobody does, it is held by ``holder``, or it is as ``expired`` says; return who holds it now."""
    row = connection.execute(_LOCK, {"lease": name}).first()
    if row is None:
        connection.execute(insert(leases).values(name=name, holder=holder, beat=1))
        return LeaseState(holder, 1)
    found = LeaseState(row.holder, row.beat)
    if found.holder not in {"", holder} and found != expired:
        return found
    connection.execute(_UPDATE, {"lease": name, "who": holder, "next": found.beat + 1})
    return LeaseState(holder, found.beat + 1)


def give_lease_up(connection: Connection, name: str, holder: str) -> None:
    """Let another one hold a lease; one that somebody else holds stays as it is."""
    connection.execute(
        update(leases).where(leases.c.name == name, leases.c.holder == holder).values(holder="", beat=leases.c.beat + 1)
    )
