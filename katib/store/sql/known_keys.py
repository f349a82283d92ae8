"""What a write transaction has seen of rows whose names and keys never change, so that it looks for none of them twice.

It is forgotten with the transaction, with a part of it that is undone, and wherever rows are removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["OPTION", "KnownKeys", "forget_keys", "known_keys"]

OPTION: Final = "katib_known"
"""The execution option of a connection under which they are."""


class KnownKeys:
    """What one transaction knows.

    Args:
        alone: Nobody else writes beside it: what is known is locked.

    Attributes:
        experiments: Keys by uid.
        trials: Keys by the experiment's uid and their own name.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._locked: set[str] = set()
        self.experiments: dict[str, int] = {}
        self.trials: dict[tuple[str, str], int] = {}

    def locked(self, uid: str) -> int | None:
        """Return the key of an experiment that nobody else changes until the transaction ends, if it is known as one."""
        return self.experiments.get(uid) if self._alone or uid in self._locked else None

    def lock(self, uid: str, key: int) -> None:
        """Note that an experiment was locked."""
        self.experiments[uid] = key
        self._locked.add(uid)

    def forget(self) -> None:
        """Know nothing any more."""
        self.experiments.clear()
        self.trials.clear()
        self._locked.clear()


def known_keys(connection: Connection) -> KnownKeys:
    """Return what the connection's transaction knows; one that only reads knows nothing from one call to the next."""
    known: KnownKeys | None = connection.get_execution_options().get(OPTION)
    return KnownKeys(alone=False) if known is None else known


def forget_keys(connection: Connection) -> None:
    """Forget what is known: rows were removed."""
    known_keys(connection).forget()
