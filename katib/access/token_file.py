"""The tokens of a file: read again when it changes, compared in constant time, and told of without ever being shown."""

from __future__ import annotations

import hmac
import logging
import os
import stat
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.access.token_entries import TokenEntry, digest_of, token_entries
from katib.api.document import MAX_BYTES
from katib.errors import InvalidInput, Problem, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from katib.access.identity import Identity

__all__ = ["TokenFile"]

_LOGGER: Final = logging.getLogger(__name__)
_SETTLED: Final = 2_000_000_000
"""Nanoseconds after which another change has another time, on every file system; before, the file is read to be sure."""
_READABLE: Final = stat.S_IRGRP | stat.S_IROTH
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH


class TokenFile:
    """Knows the tokens of a file, as it is now.

    A change counts from the next call on. When it cannot be read or has faults, the tokens that were there before stay, and the log
    says so once; ``tokens: []`` is how to let nobody in.

    Args:
        path: The file.
        now: What time it is.

    Raises:
        InvalidInput: At the start it cannot be read or has faults; all of them.
    """

    asks_others = False

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._trouble: str | None = None
        try:
            self._text, self._stamp, mode, self._settled = _read(path)
            self._entries = token_entries(self._text)
        except InvalidInput as error:
            raise InvalidInput([_placed(problem, path) for problem in error.problems]) from error
        self._warn_of_mode(mode)

    def identity(self, token: str | None) -> Identity:
        """Return whose token this is.

        Raises:
            Unauthenticated: There is no token, it is not in the file, or it has expired.
        """
        if token is None:
            raise Unauthenticated("a token is needed: send it as 'Authorization: Bearer TOKEN'")
        self._refresh()
        digest = digest_of(token)
        found: TokenEntry | None = None
        for entry in self._entries:  # all of them: how long it takes does not tell which
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        if found is None:
            raise Unauthenticated("the token is not known here")
        if found.expires is not None and found.expires <= self._now():
            raise Unauthenticated(f"the token {found.identity.name!r} expired at {found.expires:%Y-%m-%dT%H:%M:%SZ}")
        return found.identity

    def _refresh(self) -> None:
        # Whoever comes while another reads is answered from what is known.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._settled and _stamp(os.stat(self._path)) == self._stamp:  # noqa: PTH116 - a third of the time
                return
            text, self._stamp, mode, self._settled = _read(self._path)
            if text == self._text:
                # Seen before: taken, or told of. A file that was away is back.
                self._trouble = None
                return
            self._text = text
            self._entries = token_entries(text)
            self._trouble = None
            _LOGGER.info("%s was read again: %s", self._path, _counted(len(self._entries)))
            self._warn_of_mode(mode)
        except InvalidInput as error:
            self._tell("; ".join(str(problem).removeprefix("document: ") for problem in error.problems))
        except OSError as error:
            self._tell(f"cannot be read: {error.strerror}")
        finally:
            self._lock.release()

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            _LOGGER.error("%s: %s; the tokens that were known stay in use", self._path, trouble)

    def _warn_of_mode(self, mode: int) -> None:
        if mode & _READABLE and any(entry.in_clear for entry in self._entries):
            _LOGGER.warning(
                "%s has tokens in clear text and can be read by others: chmod 600, or write their sha256 instead",
                self._path,
            )
        if mode & _WRITABLE:
            _LOGGER.warning("%s can be written by others, who can let anybody in: chmod 600", self._path)


def _read(path: Path) -> tuple[bytes, tuple[int, ...], int, bool]:
    """Return the text of a file, how to tell that it is the same, its mode, and whether that can be told for sure."""
    try:
        # Without O_NONBLOCK a pipe would be waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise InvalidInput([Problem("", "is no file", str(path))])
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput([Problem("", f"cannot be read: {error.strerror}", str(path))]) from error
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    return text, _stamp(found), found.st_mode, time.time_ns() - changed > _SETTLED


def _placed(problem: Problem, path: Path) -> Problem:
    return replace(problem, path=f"{path.name}: {problem.path}" if problem.path else path.name)


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _counted(number: int) -> str:
    return "1 token" if number == 1 else f"{number} tokens"
