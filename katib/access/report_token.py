"""Tokens with which one trial may report its own metrics, and nothing else: what a pod gets instead of somebody's rights.

A token says which trial it is for and until when, and is signed with a key that the operator and the store server have in common, so
neither has to ask the other, and nothing is kept of a token. Whoever can read the pod can read its token; it opens no other door.

The keys stand in a file, one a line. The first one signs, all of them are accepted: to change the key, put a new line on top, and take
the old one out when the last trial that began under it has ended.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from katib.access.identity import Identity, Role, is_namespace
from katib.errors import InvalidInput, Problem, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["ReportIdentity", "ReportKeys", "ReportTokens", "sign_report"]

_LOGGER: Final = logging.getLogger(__name__)
_PREFIX: Final = "katib-report."
"""Says at once that a token is none of another kind, which others are asked about."""
_SHORTEST_KEY: Final = 32
"""Characters; HMAC-SHA256 wants as many bytes as it has."""
_MOST_BYTES: Final = 64 << 10
_LOOK_EVERY: Final = 1.0
_LONGEST_TRIAL: Final = 253


@dataclass(frozen=True)
class ReportIdentity(Identity):
    """A trial that reports its own metrics.

    Attributes:
        namespace: Where it is.
        trial: Its name.
    """

    namespace: str = ""
    trial: str = ""

    @override
    def may(self, namespace: str, role: Role) -> bool:
        return False

    @property
    @override
    def only_trial(self) -> str | None:
        return self.trial

    @override
    def may_report(self, namespace: str, trial: str) -> bool:
        return (namespace, trial) == (self.namespace, self.trial)

    @property
    @override
    def default_namespace(self) -> str | None:
        return self.namespace

    @override
    def namespaces(self) -> frozenset[str] | None:
        return frozenset()


def sign_report(key: bytes, *, namespace: str, trial: str, expires: datetime) -> str:
    """Return a token for reports about one trial.

    Example::

        token = sign_report(ReportKeys(path).newest, namespace="team-a", trial="search-0001", expires=in_a_year)
    """
    said = json.dumps([namespace, trial, int(expires.timestamp())], separators=(",", ":"), ensure_ascii=False).encode()
    return f"{_PREFIX}{_encoded(said)}.{_encoded(_signature(key, said))}"


def _signature(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, _PREFIX.encode() + said, hashlib.sha256)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


class ReportKeys:
    """The keys of a file, as it is now; a file that cannot be read any more, or is empty, leaves the keys as they were.

    Args:
        path: The file.
        clock: Seconds that only grow.

    Raises:
        InvalidInput: At the start it cannot be read or has faults.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._trouble = ""
        self._keys = _read(path)
        self._looked = clock()

    @property
    def all(self) -> Sequence[bytes]:
        """Every key, the newest first."""
        if self._clock() - self._looked >= _LOOK_EVERY:
            self._looked = self._clock()
            try:
                self._keys = _read(self._path)
                self._trouble = ""
            except InvalidInput as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    _LOGGER.error("%s; the keys that were known stay in use", error)  # noqa: TRY400 - a sentence
        return self._keys

    @property
    def newest(self) -> bytes:
        """The key that signs."""
        return self.all[0]


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
            text = file.read(_MOST_BYTES)
    except OSError as error:
        raise InvalidInput([Problem("--report-key-file", f"cannot be read: {error.strerror}", str(path))]) from error
    keys = tuple(line for line in (line.strip() for line in text.splitlines()) if line and not line.startswith(b"#"))
    if not keys:
        raise InvalidInput([Problem("--report-key-file", "has no key: one a line, the newest first", str(path))])
    for number, key in enumerate(keys, 1):
        if len(key) < _SHORTEST_KEY:
            message = f"key {number} has {len(key)} characters; a key has at least {_SHORTEST_KEY}, such as of openssl rand -hex 32"
            raise InvalidInput([Problem("--report-key-file", message, str(path))])
    return keys


class ReportTokens:
    """Knows report tokens.

    Args:
        keys: With which they may be signed.
        now: What time it is.
    """

    asks_others = False

    def __init__(self, keys: ReportKeys, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keys = keys
        self._now = now

    def identity(self, token: str | None) -> Identity:
        """Return the trial that a token is for.

        Raises:
            Unauthenticated: It is no report token, was not signed here, or has expired.
        """
        if token is None:
            raise Unauthenticated("a token is needed: send it as 'Authorization: Bearer TOKEN'")
        if not token.startswith(_PREFIX):
            raise Unauthenticated("the token is not known here")
        try:
            said, signature = (_decoded(part) for part in token.removeprefix(_PREFIX).split("."))
        except (ValueError, binascii.Error):
            raise Unauthenticated("the report token is damaged") from None
        # All of them: how long it takes does not tell which.
        good = [hmac.compare_digest(_signature(key, said), signature) for key in self._keys.all]
        if not any(good):
            raise Unauthenticated("the report token is not signed with a key that is known here")
        namespace, trial, expires = _contents(said)
        if expires <= self._now().timestamp():
            raise Unauthenticated(f"the report token of trial {trial!r} has expired")
        return ReportIdentity(f"trial {namespace}/{trial}", {}, namespace=namespace, trial=trial)


def _contents(said: bytes) -> tuple[str, str, int]:
    try:
        found: Any = json.loads(said)
        namespace, trial, expires = found
    except (ValueError, TypeError):
        raise Unauthenticated("the report token is damaged") from None
    whole = isinstance(namespace, str) and isinstance(trial, str) and isinstance(expires, int)
    if not whole or not is_namespace(namespace) or not 0 < len(trial) <= _LONGEST_TRIAL:
        raise Unauthenticated("the report token is damaged")
    return namespace, trial, expires
