"""What ``katib.store.sql.database`` asks of a database."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine

__all__ = ["LOST_SENTENCE", "DatabaseDialect", "Purpose", "one_line"]

LOST_SENTENCE = "the connection to the server was lost ({details}); try again"


class Purpose(enum.Enum):
    """What a transaction is for."""

    READ = "read"
    """See one state, write nothing, wait for nobody."""
    WRITE = "write"
    """One call of the store; may run beside other such calls, which lock the rows they change in one order."""
    WRITE_ALONE = "write alone"
    """Several calls in any order, or a change of the schema: no other writer beside it, so nobody waits in a circle."""


class DatabaseDialect(Protocol):
    """One place of one kind of database; holds no connection.

    Attributes:
        place: The store as messages name it; without passwords.
        file: Where it is, if it is in a file of this machine.
        one_writer: Whether writers of all kinds take turns anyway; then threads queue before they ask the database.
        transactional_ddl: Whether a change of the schema is undone with its transaction.
        opens_anything: Whether opening creates and upgrades the schema; where it does not, ``katib store upgrade`` does.
    """

    place: str
    file: Path | None
    one_writer: bool
    transactional_ddl: bool
    opens_anything: bool

    def engine(self) -> Engine:
        """Return what makes the connections; none is made yet."""

    def begin(self, connection: Connection, purpose: Purpose) -> None:
        """Begin a transaction."""

    def sentence(self, error: BaseException) -> str | None:
        """Return what an error of the driver means and what to do, or None where nobody but us could do anything."""

    def is_undone(self, error: BaseException) -> bool:
        """Whether the database undid the transaction for the sake of another one, so that it may simply be made again."""

    def is_prepared(self, connection: Connection) -> bool:
        """Whether the database itself is as the store wants it; raises StoreUnavailable where it can never be."""

    def prepare(self, engine: Engine) -> None:
        """Make it so."""

    def begin_upgrade(self, connection: Connection) -> None:
        """Wait until no other process changes the schema (inside a transaction of ``WRITE_ALONE``)."""

    def end_upgrade(self, connection: Connection, *, done: bool) -> None:
        """Let the next one; where changes of the schema have a lock of their own, commit what is done before."""

    def columns(self, connection: Connection) -> Iterable[Sequence[str]]:
        """Return table and column of all columns, by one statement to the catalogue."""

    def version(self, connection: Connection) -> str:
        """Return the name and version of the database program."""


def one_line(error: object) -> str:
    """Return what an error says on one line."""
    return " ".join(str(error).split())
