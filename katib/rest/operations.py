"""What an API consists of, and what each of its functions is told."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from katib.errors import InvalidInput
from katib.rest.bodies import parsed, pieces_of, whole_body
from katib.rest.faults import Fault, fault_of
from katib.rest.needed_access import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from katib.access import Identity, Role
    from katib.errors import KatibError
    from katib.rest.recognition import Recognition
    from katib.rest.run_files import RunFiles
    from katib.rpc.tracking_calls import TrackingCalls
    from katib.store.tracking.protocol import Tracking

__all__ = ["SMALL_BODY", "Api", "Call", "Operation", "Patience"]

T = TypeVar("T")

_QUICKLY_PARSED: Final = 256 << 10

SMALL_BODY: Final = 1 << 20
"""Bytes that most calls may send."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for callers, in seconds.

    Attributes:
        body: For a body as a whole.
        piece: For a piece of a large one, and until a reader has taken a piece.
        call: Until a call that moves no files ends in any case.
    """

    body: float = 30.0
    piece: float = 60.0
    call: float = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request, of a caller that is known and may do this.

    Attributes:
        request: As Starlette has it.
        identity: Who calls.
        namespace: What it is about.
        run_files: Files of runs.
        most: Bytes the body may have.
    """

    request: Request
    identity: Identity
    recognition: Recognition
    namespace: str
    tracking: TrackingCalls
    run_files: RunFiles
    patience: Patience
    most: int

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the ``?``; of a name that is there again, the last value."""
        return self.request.query_params

    @property
    def path(self) -> Mapping[str, str]:
        """What stands in the places of the operation's path."""
        return self.request.path_params

    @property
    def base_url(self) -> str:
        """Where the caller reached us, without a slash at its end; as a proxy says, if there is one."""
        scheme = self.request.headers.get("x-forwarded-proto", self.request.url.scheme)
        host = self.request.headers.get("host", "localhost")
        return f"{scheme if scheme in {'http', 'https'} else 'http'}://{host}"

    async def body(self) -> bytes:
        """Return the body."""
        return await whole_body(self.request, most=self.most, seconds=self.patience.body)

    def pieces(self) -> AsyncIterator[bytes]:
        """Return the body piece by piece, however large it is."""
        return pieces_of(self.request, patience=self.patience.piece)

    async def document(self) -> dict[str, Any]:
        """Return the JSON object that is the body; an empty one for no body.

        Raises:
            InvalidInput: It is something else.
        """
        body = await self.body()
        if len(body) > _QUICKLY_PARSED:
            found = await asyncio.to_thread(parsed, body)
        else:
            found = parsed(body) if body.strip() else {}
        if not isinstance(found, dict):
            raise InvalidInput("the body has to be a JSON object")
        return found

    async def may(self, role: Role, namespace: str | None = None) -> bool:
        """Return whether the caller has a role in a namespace, by default the one of the call."""
        return await self.recognition.may(self.identity, namespace or self.namespace, role)

    async def require_report(self, namespace: str, trial: str) -> None:
        """Return only if the caller may report metrics of a trial.

        Raises:
            Denied: They may not.
            StoreUnavailable: It cannot be found out now.
        """
        await self.recognition.require_report(self.identity, namespace, trial)

    async def read(self, function: Callable[[Tracking], T]) -> T:
        """Return what a function reads of the namespace."""
        return await self.tracking.read(self.namespace, function, actor=self.identity.name)

    async def write(self, function: Callable[[Tracking], T], *, size: int = 1024) -> T:
        """Return what a function returns once what it wrote is durable; it may be called again.

        Args:
            size: About how many bytes are written.
        """
        return await self.tracking.write(self.namespace, function, actor=self.identity.name, size=size)


@dataclass(frozen=True, slots=True)
class Operation:
    """One route.

    Attributes:
        method: Of HTTP.
        path: As Starlette writes it.
        name: In the log and in metrics; one for all paths of the same operation.
        function: Answers.
        access: Who may call it.
        most: Bytes a body may have that is read as a whole.
        moves_files: Whether it may take as long as a file takes.
    """

    method: str
    path: str
    name: str
    function: Callable[[Call], Awaitable[Response]]
    access: Access
    most: int = SMALL_BODY
    moves_files: bool = False


class Api(ABC):
    """A set of operations that have one way of failing.

    Attributes:
        name: In the log and in metrics.
        prefixes: Below which paths that nobody knows are answered in this API's way.
    """

    name: ClassVar[str]
    prefixes: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def operations(self) -> Sequence[Operation]:
        """Return its operations."""

    def namespace(self, headers: Mapping[str, str]) -> str | None:  # noqa: ARG002 - for those that have one
        """Return the namespace that a call names; None where it names none."""
        return None

    def fault(self, error: KatibError) -> Fault:
        """Return what an error is here."""
        return fault_of(error)

    def unknown(self, fault: Fault) -> Fault:
        """Return the fault of a path or a method that is none, given as 404 or 405."""
        return fault

    def body(self, fault: Fault) -> Any:
        """Return the JSON that a fault is answered with."""
        return {"code": fault.code, "message": fault.message}
