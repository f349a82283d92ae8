"""From a request to an operation and its answer: who calls, may they, how long, and what a failure looks like."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from katib.errors import DeadlineExceeded, Denied, KatibError, StoreUnavailable
from katib.rest.answers import answer
from katib.rest.faults import Fault, Refused
from katib.rest.operations import Api, Call, Operation, Patience
from katib.rest.probes import Probes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp

    from katib.rest.http_metrics import HttpMetrics
    from katib.rest.recognition import Recognition
    from katib.rest.run_files import RunFiles
    from katib.rpc.tracking_calls import TrackingCalls

__all__ = ["Services", "application"]

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind all operations.

    Attributes:
        metrics: None counts nothing.
        loopback: Whether only this machine can call: then only its own names are answered to, as a page of the web could otherwise
            call under a name of its own.
        fault: Says why the store cannot be asked; empty while it can.
        stopping: Whether the server ends.
    """

    tracking: TrackingCalls
    run_files: RunFiles
    recognition: Recognition
    patience: Patience = field(default_factory=Patience)
    metrics: HttpMetrics | None = None
    loopback: bool = False
    fault: Callable[[], str] = str
    stopping: Callable[[], bool] = bool


def application(apis: Sequence[Api], services: Services) -> ASGIApp:
    """Return what answers for several APIs, for probes, and says so where there is nothing."""
    every = [Probes(services.fault), *apis]
    routes = [
        Route(
            operation.path,
            _Answering(api, operation, services).respond,
            methods=[operation.method],
            name=operation.name,
        )
        for api in every
        for operation in api.operations()
    ]

    async def nothing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        api = next((api for api in apis if request.url.path.startswith(tuple(api.prefixes))), every[0])
        message = (
            f"{request.url.path[:200]} does not take {request.method}"
            if status == 405  # noqa: PLR2004 - HTTP's number
            else f"there is nothing at {request.method} {request.url.path[:200]}"
        )
        code = "UNIMPLEMENTED" if status == 405 else "NOT_FOUND"  # noqa: PLR2004
        headers = getattr(error, "headers", None)
        return _failed(api, api.unknown(Fault(status, code, message, headers)))

    made = Starlette(routes=routes, exception_handlers={HTTPException: nothing})
    made.router.redirect_slashes = False
    return made


class _Answering:
    """One operation for all its requests."""

    def __init__(self, api: Api, operation: Operation, services: Services) -> None:
        self._api = api
        self._operation = operation
        self._services = services

    async def respond(self, request: Request) -> Response:
        """Answer a request, whatever happens."""
        started = time.perf_counter()
        text = ""
        try:
            response = await self._answered(request)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not self._services.stopping():
                raise
            task.uncancel()
            response = _failed(self._api, self._api.fault(StoreUnavailable("the server is stopping; ask again")))
        except Refused as refused:
            text, response = refused.fault.message, _failed(self._api, refused.fault)
        except KatibError as error:
            text, response = str(error), _failed(self._api, self._api.fault(error))
            if isinstance(error, StoreUnavailable):
                _LOGGER.warning("%s %s: %s", self._api.name, self._operation.name, error)
        except Exception as error:  # a fault of ours costs this call and not the server
            _LOGGER.exception("%s %s: a fault in the server", self._api.name, self._operation.name)
            text = f"the server failed: {type(error).__name__}: {error}"
            response = _failed(self._api, self._api.fault(KatibError(text)))
        seconds = time.perf_counter() - started
        if self._services.metrics is not None:
            self._services.metrics.answered(self._api.name, self._operation.name, response.status_code, seconds)
        _LOGGER.info("%s %s: %d %s", self._api.name, self._operation.name, response.status_code, _line(text))
        return response

    async def _answered(self, request: Request) -> Response:
        operation, services = self._operation, self._services
        _check_origin(request, own_names_only=services.loopback and not services.recognition.wanted)
        # What moves files has a limit on every piece instead.
        seconds = None if operation.moves_files else services.patience.call
        try:
            async with asyncio.timeout(seconds):
                identity, namespace = await services.recognition.caller(
                    request.headers, self._api.namespace(request.headers), operation.access
                )
                call = Call(
                    request=request,
                    identity=identity,
                    recognition=services.recognition,
                    namespace=namespace,
                    tracking=services.tracking,
                    run_files=services.run_files,
                    patience=services.patience,
                    most=operation.most,
                )
                return await operation.function(call)
        except TimeoutError:
            raise DeadlineExceeded(f"the call did not end within {seconds:g} s") from None


def _check_origin(request: Request, *, own_names_only: bool) -> None:
    """Refuse what a page of another site makes a browser send.

    Raises:
        Denied: It is that.
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise Denied("pages of other sites may not call this server")
    if own_names_only and not _is_own_name(host):
        raise Denied(f"this server answers only to its own addresses and localhost, not to {host[:80]!r}")


def _is_own_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in {"", "localhost"} or name.endswith(".localhost") or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _failed(api: Api, fault: Fault) -> Response:
    return answer(api.body(fault), status=fault.status, headers=dict(fault.headers or {}))


def _line(text: str) -> str:
    """Return a text of anybody's as one line of a log."""
    return "".join(character if character.isprintable() else "?" for character in text[:300])
