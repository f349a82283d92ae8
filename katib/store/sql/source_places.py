"""How far the numbered samples of each source of a trial are stored.

That stands in the collector's place, for which a trial in a cluster has no other use. Functions run in the caller's transaction, which
holds the lock on the series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from katib.store.sql.documents import dump, load
from katib.store.sql.keys import IN_LIMIT
from katib.store.sql.schema import collectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

__all__ = ["SourcePlaces"]

_SOURCES: Final = "sources"
_MOST_SOURCES: Final = 256
"""Of a trial; beyond, the one that has been quiet for longest is forgotten."""

_PLACES = select(collectors.c.trial_id, collectors.c.checkpoint).where(
    collectors.c.trial_id.in_(bindparam("trials", expanding=True))
)
_UPDATE = (
    update(collectors).where(collectors.c.trial_id == bindparam("trial")).values(checkpoint=bindparam("checkpoint"))
)


class SourcePlaces:
    """The places of some trials' sources.

    Args:
        keys: Of the trials; their series are locked.
    """

    def __init__(self, connection: Connection, keys: Iterable[int]) -> None:
        self._connection = connection
        self._documents: dict[int, dict[str, Any]] = {}
        self._changed: set[int] = set()
        wanted = sorted(set(keys))
        for start in range(0, len(wanted), IN_LIMIT):
            for key, text in connection.execute(_PLACES, {"trials": wanted[start : start + IN_LIMIT]}):
                found = None if text is None else load(text)
                self._documents[key] = found if isinstance(found, dict) else {}

    def following(self, key: int, source: str) -> int:
        """Return the number of a source's next sample."""
        return int(self._documents.get(key, {}).get(_SOURCES, {}).get(source, 0))

    def advance(self, key: int, source: str, first: int, count: int) -> int:
        """Return how many of a source's samples, the first of which has this number, are stored already; all of them are from now on.

        Samples between the stored ones and these are not waited for: a store that was restored from a copy has lost them.
        """
        before = self.following(key, source)
        if count and first + count > before:
            document = self._documents.setdefault(key, {})
            sources: dict[str, int] = document.setdefault(_SOURCES, {})
            sources.pop(source, None)
            sources[source] = first + count
            while len(sources) > _MOST_SOURCES:
                del sources[next(iter(sources))]
            self._changed.add(key)
        return min(max(0, before - first), count)

    def write(self) -> None:
        """Keep what has advanced."""
        if self._changed:
            self._connection.execute(
                _UPDATE, [{"trial": key, "checkpoint": dump(self._documents[key])} for key in sorted(self._changed)]
            )
