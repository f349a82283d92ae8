"""The store over HTTP beside the same store over gRPC: started and stopped as one server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from katib.rest.http_server import HttpServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.access import Authenticator
    from katib.rest.http_server import HttpOptions
    from katib.rest.operations import Api
    from katib.rpc.store_server import StoreServer
    from katib.store.artifacts import ArtifactStore

__all__ = ["StoreHttp"]


class StoreHttp:
    """Both servers for as long as they are open (``async with``).

    Args:
        grpc: Opened and closed with this one; HTTP asks the store through it.
        artifacts: Where files of runs are; None for no files.

    Attributes:
        addresses: Where gRPC answers.
        http_addresses: Where HTTP does.
        metrics_port: Where Prometheus asks; None for nowhere.
    """

    def __init__(
        self,
        grpc: StoreServer,
        options: HttpOptions,
        apis: Sequence[Api],
        *,
        artifacts: ArtifactStore | None,
        authenticator: Authenticator,
    ) -> None:
        self._grpc = grpc
        self._options = options
        self._apis = apis
        self._artifacts = artifacts
        self._authenticator = authenticator
        self._stack = AsyncExitStack()
        self._http: HttpServer | None = None
        self.addresses: tuple[str, ...] = ()
        self.http_addresses: tuple[str, ...] = ()
        self.metrics_port: int | None = None

    async def __aenter__(self) -> Self:
        """Start them.

        Raises:
            InvalidInput, Conflict, StoreUnavailable: As the two servers.
        """
        grpc = self._grpc
        try:
            await self._stack.enter_async_context(grpc)
            self._http = HttpServer(
                self._options,
                self._apis,
                tracking=grpc.tracking,
                transfers=grpc.transfers,
                artifacts=self._artifacts,
                authenticator=self._authenticator,
                registry=grpc.registry,
                fault=lambda: grpc.fault,
            )
            await self._stack.enter_async_context(self._http)
        except BaseException:
            await self._stack.aclose()
            raise
        self.addresses, self.http_addresses = grpc.addresses, self._http.addresses
        self.metrics_port = grpc.metrics_port
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls, give those that run some time to end, and commit what waits; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        if self._http is not None:
            # At the same time, as what is watched over HTTP ends with the calls of the other. What both answered is committed then.
            await asyncio.gather(self._http.stop(grace), self._grpc.drain(grace))
            await self._grpc.stop(grace)
        await self._stack.aclose()

    def abandon(self) -> None:
        """End this process, where a thread may wait for a database that does not answer."""
        self._grpc.abandon()
