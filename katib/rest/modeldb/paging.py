"""ModelDB's pages, counted from 1, out of the store's, each of which begins where the one before it ended.

Where the page before was asked for lately, its end is known. Otherwise the ids up to the page are gone through again, so that a server
that has just been started answers the same, only later.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from katib.rest.modeldb.failures import invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from katib.rest.modeldb.fields import Fields
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Found

__all__ = ["Finder", "Page", "Pages", "page_in"]

T = TypeVar("T")

MOST: Final = 10_000
"""Records on a page; also on that of a caller who asks for all."""
_REMEMBERED: Final = 4_096
_AT_ONCE: Final = 1_000
_WHOLE_AT_ONCE: Final = 100
_MOST_BYTES: Final = 48 << 20
"""About so many in one answer. A page cannot just end earlier: the next one is found by counting."""


class Finder(Protocol[T]):
    """One search of the store."""

    def __call__(self, tracking: Tracking, *, limit: int, cursor: str | None, whole: bool, count: bool) -> Found[T]:
        """Return a page; ``whole`` records or only what is cheap of them."""


class Pages:
    """The ends of pages that were asked for lately; may be used by any number of threads."""

    def __init__(self) -> None:
        self._ends: OrderedDict[Hashable, str] = OrderedDict()
        self._lock = threading.Lock()

    def end_of(self, listed: Hashable, skipped: int) -> str | None:
        """Return the cursor after so many records of a list, None where it is not known."""
        with self._lock:
            return self._ends.get((listed, skipped))

    def ends(self, listed: Hashable, skipped: int, cursor: str) -> None:
        """Keep the cursor after so many records of a list; the oldest one is forgotten."""
        with self._lock:
            self._ends[listed, skipped] = cursor
            self._ends.move_to_end((listed, skipped))
            while len(self._ends) > _REMEMBERED:
                self._ends.popitem(last=False)


class Page(Generic[T]):
    """One page of a list.

    Args:
        number: From 1; less is the first.
        limit: Records on it; none or less for all.
    """

    def __init__(self, number: int, limit: int) -> None:
        self.limit = min(limit, MOST) if limit > 0 else MOST
        self.skipped = (number - 1) * self.limit if number > 1 and limit > 0 else 0

    def read(
        self,
        tracking: Tracking,
        find: Finder[T],
        pages: Pages,
        listed: Hashable,
        *,
        weigh: Callable[[T], int] = lambda _: 500,
    ) -> tuple[list[T], int]:
        """Return what is on it, and how many there are on all.

        Args:
            listed: What makes this list another one than others.
            weigh: About how many bytes a record has in the answer.

        Raises:
            InvalidInput: It is too large for one answer.
        """
        total = find(tracking, limit=1, cursor=None, whole=False, count=True).total or 0
        if self.skipped >= total:
            return [], total
        cursor = self._begin(tracking, find, pages, listed)
        found: list[T] = []
        if self.skipped and cursor is None:  # it has become shorter meanwhile
            return found, total
        size = 0
        while len(found) < self.limit:
            limit = min(_WHOLE_AT_ONCE, self.limit - len(found))
            part = find(tracking, limit=limit, cursor=cursor, whole=True, count=False)
            found += part.items
            size += sum(map(weigh, part.items))
            if size > _MOST_BYTES:
                raise invalid(
                    "page_limit", f"is too much: the first {len(found)} records are more than an answer holds"
                )
            cursor = part.cursor
            if cursor is None:
                break
        if cursor is not None:
            pages.ends(listed, self.skipped + self.limit, cursor)
        return found, total

    def _begin(self, tracking: Tracking, find: Finder[T], pages: Pages, listed: Hashable) -> str | None:
        cursor = pages.end_of(listed, self.skipped) if self.skipped else None
        skipped = self.skipped if cursor is not None else 0
        while skipped < self.skipped:
            limit = min(_AT_ONCE, self.skipped - skipped)
            cursor = find(tracking, limit=limit, cursor=cursor, whole=False, count=False).cursor
            if cursor is None:
                return None
            skipped += limit
        return cursor


def page_in(fields: Fields) -> Page[T]:
    """Return the page that a request asks for.

    Raises:
        InvalidInput: It is none.
    """
    number = fields.integer("page_number", least=-1, most=2**31 - 1)
    return Page(number, fields.integer("page_limit", least=-1, most=2**31 - 1))
