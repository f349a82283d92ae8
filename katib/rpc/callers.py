"""Who calls, and whether they may: the same for every service of a server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

from katib.access import EVERYWHERE, Everyone, Role, token_of
from katib.access.identity import is_namespace
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from katib.access import Authenticator, Identity

__all__ = ["DEFAULT_NAMESPACE", "Caller", "Callers", "has_token"]

T = TypeVar("T")

DEFAULT_NAMESPACE: Final = "default"
"""Of a caller who names none and may see several."""
_ASKING: Final = 8


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may do what they ask for.

    Attributes:
        namespace: Where.
        name: Who.
    """

    namespace: str
    name: str


class Callers:
    """Recognises callers, for as long as it is open (``with``).

    Args:
        authenticator: Knows their tokens; None lets everybody do everything.

    Attributes:
        known: Whether callers have to be somebody.
    """

    def __init__(self, authenticator: Authenticator | None = None) -> None:
        self._authenticator = authenticator or Everyone()
        self.known = not isinstance(self._authenticator, Everyone)
        # Apart from the threads of the store: whoever cannot be recognised now must not keep the others from it.
        self._threads = (
            ThreadPoolExecutor(_ASKING, thread_name_prefix="access") if self._authenticator.asks_others else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def admit(
        self, metadata: Sequence[tuple[str, str | bytes]], wanted: str, role: Role, *, field: str = "namespace"
    ) -> Caller:
        """Return who calls, where they may do what they ask for.

        Args:
            metadata: Of the call.
            wanted: The namespace that the request names; empty for none.
            role: What is asked for.
            field: Where the namespace is named.

        Raises:
            InvalidInput: It is no name of a namespace.
            Unauthenticated: Nobody knows who it is.
            Denied: They may not.
            StoreUnavailable: It cannot be found out now.
        """
        if wanted and not is_namespace(wanted):
            raise InvalidInput([Problem(field, "must be a name such as team-a (RFC 1123)", wanted)])
        token = _token(metadata)

        def admitted() -> Caller:
            identity = self._authenticator.identity(token)
            namespace = wanted or identity.default_namespace or DEFAULT_NAMESPACE
            identity.require(namespace, role)
            return Caller(namespace, identity.name)

        return await self._found_out(admitted)

    async def admit_anywhere(
        self, metadata: Sequence[tuple[str, str | bytes]], wanted: str | None, role: Role, *, field: str
    ) -> str | None:
        """Return the namespace of a call that need not name one: None means that all are looked through.

        Args:
            metadata: Of the call.
            wanted: The namespace that it names, if it does.
            role: What is asked for.
            field: Where it would be named.

        Raises:
            InvalidInput: None is named by somebody who may not look through all, and may see several.
            Unauthenticated: Nobody knows who it is.
            Denied: They may not.
            StoreUnavailable: It cannot be found out now.
        """
        token = _token(metadata)

        def admitted() -> str | None:
            identity = self._authenticator.identity(token)
            namespace = wanted or _only(identity, role, field)
            identity.require(namespace or EVERYWHERE, role)
            return namespace

        return await self._found_out(admitted)

    async def admit_reporter(
        self, metadata: Sequence[tuple[str, str | bytes]], wanted: str | None, *, field: str
    ) -> tuple[str | None, str | None]:
        """Return the namespace of a report, as ``admit_anywhere``, and the only trial that it may be about; None for any.

        Args:
            metadata: Of the call.
            wanted: The namespace that it names, if it does.
            field: Where it would be named.

        Raises:
            InvalidInput, Unauthenticated, Denied, StoreUnavailable: As ``admit_anywhere``.
        """
        token = _token(metadata)

        def admitted() -> tuple[str | None, str | None]:
            identity = self._authenticator.identity(token)
            only = identity.only_trial
            namespace = wanted or (identity.default_namespace if only else _only(identity, Role.WRITE, field))
            if only:
                identity.require_report(namespace or EVERYWHERE, only)
            else:
                identity.require(namespace or EVERYWHERE, Role.WRITE)
            return namespace, only

        return await self._found_out(admitted)

    async def admit_appender(
        self, metadata: Sequence[tuple[str, str | bytes]], wanted: str
    ) -> tuple[Caller, str | None]:
        """Return who appends observations, and the only trial whose they may be; None for any of the namespace.

        Args:
            metadata: Of the call.
            wanted: The namespace that the request names; empty for none.

        Raises:
            InvalidInput, Unauthenticated, Denied, StoreUnavailable: As ``admit``.
        """
        if wanted and not is_namespace(wanted):
            raise InvalidInput([Problem("namespace", "must be a name such as team-a (RFC 1123)", wanted)])
        token = _token(metadata)

        def admitted() -> tuple[Caller, str | None]:
            identity = self._authenticator.identity(token)
            namespace = wanted or identity.default_namespace or DEFAULT_NAMESPACE
            only = identity.only_trial
            if only:
                identity.require_report(namespace, only)
            else:
                identity.require(namespace, Role.WRITE)
            return Caller(namespace, identity.name), only

        return await self._found_out(admitted)

    async def _found_out(self, function: Callable[[], T]) -> T:
        if self._threads is None:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


def has_token(metadata: Sequence[tuple[str, str | bytes]]) -> bool:
    """Return whether a call has a token, known or not.

    Raises:
        Unauthenticated: What it has is none.
    """
    return _token(metadata) is not None


def _only(identity: Identity, role: Role, field: str) -> str | None:
    """Return the only namespace of somebody; None for all, where they may look through all."""
    if identity.may(EVERYWHERE, role):
        return None
    if identity.default_namespace is None:
        raise InvalidInput([Problem(field, "is required: the caller may see several namespaces")])
    return identity.default_namespace


def _token(metadata: Sequence[tuple[str, str | bytes]]) -> str | None:
    return token_of([(key, value) for key, value in metadata if isinstance(value, str)])
