"""Who calls: asked in threads of its own where the answer can take seconds, so that nobody else waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self, TypeVar

from katib.access import Everyone, Identity, Role, token_of
from katib.access.identity import is_namespace
from katib.errors import Denied, InvalidInput, Unauthenticated
from katib.rest.needed_access import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.access import Authenticator

__all__ = ["Recognition"]

T = TypeVar("T")

_DEFAULT_NAMESPACE: Final = "default"
_ASKING: Final = 8


class Recognition:
    """Recognises callers, for as long as it is open (``with``).

    Args:
        authenticator: Knows their tokens.

    Attributes:
        wanted: Whether callers have to be somebody.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self.wanted = not isinstance(authenticator, Everyone)
        self._threads = ThreadPoolExecutor(_ASKING, thread_name_prefix="access") if authenticator.asks_others else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def caller(self, headers: Mapping[str, str], named: str | None, access: Access) -> tuple[Identity, str]:
        """Return who calls, and the namespace that is meant.

        Args:
            named: The namespace that the call names.
            access: What is asked for there.

        Raises:
            InvalidInput: It is no name of a namespace.
            Unauthenticated: Nobody knows who it is.
            Denied: They may not.
            StoreUnavailable: It cannot be found out now.
        """
        if named is not None and not is_namespace(named):
            raise InvalidInput(f"{named[:80]!r} cannot be the name of a namespace")
        if access is Access.ANYBODY:
            return _NOBODY, named or _DEFAULT_NAMESPACE
        token = token_of(headers.items())

        def recognised() -> tuple[Identity, str]:
            try:
                identity = self._authenticator.identity(token)
            except Unauthenticated:
                if access is not Access.MAYBE_KNOWN:
                    raise
                return _STRANGER, named or _DEFAULT_NAMESPACE
            namespace = named or identity.default_namespace or _DEFAULT_NAMESPACE
            if isinstance(access.value, Role):
                identity.require(namespace, access.value)
            return identity, namespace

        return await self._found_out(recognised)

    async def may(self, identity: Identity, namespace: str, role: Role) -> bool:
        """Return whether somebody has a role in a namespace.

        Raises:
            StoreUnavailable: It cannot be found out now.
        """

        def allowed() -> bool:
            try:
                identity.require(namespace, role)
            except Denied:
                return False
            return True

        return await self._found_out(allowed)

    async def require_report(self, identity: Identity, namespace: str, trial: str) -> None:
        """Return only if somebody may report metrics of a trial.

        Raises:
            Denied: They may not.
            StoreUnavailable: It cannot be found out now.
        """
        await self._found_out(lambda: identity.require_report(namespace, trial))

    async def _found_out(self, function: Callable[[], T]) -> T:
        if self._threads is None:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


_NOBODY: Final = Everyone().identity(None)
_STRANGER: Final = Identity("nobody", {})
