"""Addresses at which a file can be sent or fetched for a while without a token, as ModelDB's clients expect them.

What such an address allows is in it, sealed with a key that this process made when it started. A server that did not give the address
(another replica, or this one after a restart) cannot tell that the seal is right; it then asks for a token, which the client sends
anyway.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PLACE", "Link", "Links"]

PLACE: Final = "artifacts"
"""What stands before the name of a run in the path of such an address."""
_SECONDS: Final = 900


@dataclass(frozen=True, slots=True)
class Link:
    """What an address allows.

    Attributes:
        method: ``PUT`` or ``GET``.
        path: Of the file below the run's folder.
        part: Its number; 0 for the whole file.
        caller: Who asked for it, and to whom it is put down.
    """

    method: str
    namespace: str
    run_id: str
    path: str
    part: int
    caller: str


class Links:
    """Makes addresses and knows its own again.

    Args:
        now: Seconds since 1970.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._now = now

    def address(self, root: str, link: Link) -> str:
        """Return where to send the file or fetch it.

        Args:
            root: Where this API is, without a slash at its end.
        """
        until = int(self._now()) + _SECONDS
        query = {"namespace": link.namespace, "caller": link.caller, "until": until, "seal": self._seal(link, until)}
        if link.part:
            query["part_number"] = link.part
        return f"{root}/{PLACE}/{quote(link.run_id, safe='')}/{quote(link.path, safe='')}?{urlencode(query)}"

    def is_mine(self, link: Link, query: Mapping[str, str]) -> bool:
        """Return whether the query of an address shows that it was given for just this, not long ago."""
        until = query.get("until", "")
        if not (until.isascii() and until.isdecimal() and len(until) <= 12) or int(until) < self._now():  # noqa: PLR2004
            return False
        return hmac.compare_digest(self._seal(link, int(until)).encode(), query.get("seal", "").encode())

    def _seal(self, link: Link, until: int) -> str:
        said = "\0".join((link.method, link.namespace, link.run_id, link.path, str(link.part), link.caller, str(until)))
        return hmac.new(self._key, said.encode(), hashlib.sha256).hexdigest()
