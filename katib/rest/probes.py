"""What probes and people ask first: does the server live, and can it be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from katib.errors import StoreUnavailable
from katib.rest.answers import answer
from katib.rest.needed_access import Access
from katib.rest.operations import Api, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.responses import Response

    from katib.rest.operations import Call

__all__ = ["Probes"]


class Probes(Api):
    """``/healthz`` and ``/readyz``.

    Args:
        fault: Says why the store cannot be asked; empty while it can.
    """

    name = "probes"

    def __init__(self, fault: Callable[[], str]) -> None:
        self._fault = fault

    @override
    def operations(self) -> Sequence[Operation]:
        return [
            Operation("GET", "/healthz", "healthz", self._lives, Access.ANYBODY),
            Operation("GET", "/readyz", "readyz", self._ready, Access.ANYBODY),
        ]

    async def _lives(self, _: Call) -> Response:
        return answer({"status": "ok"})

    async def _ready(self, _: Call) -> Response:
        if self._fault():
            # What a database says may name hosts and users: that is for the log, and not for everybody who asks.
            raise StoreUnavailable("the database cannot be asked")
        return answer({"status": "ok"})
