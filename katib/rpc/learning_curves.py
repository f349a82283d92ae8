"""Fetches the learning curves of finished trials from Katib's DB manager, each once: what ended does not change."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Final

import grpc

from katib.errors import StoreUnavailable
from katib.rpc import v1beta1 as wire
from katib.rpc.services import MESSAGE_OPTIONS, stub

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LearningCurves"]

_MOST_CURVES: Final = 20_000
_LONGEST_CURVE: Final = 10_000
_AT_A_TIME: Final = 16


class LearningCurves:
    """The objective's values over time, by DB manager and trial."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], tuple[float, ...]] = OrderedDict()

    async def of(self, address: str, names: Iterable[str], metric: str, seconds: float) -> dict[str, tuple[float, ...]]:
        """Return the curves of finished trials.

        Args:
            address: Of the DB manager, ``host:port``.
            names: The trials.
            metric: The objective.
            seconds: How long it may take.

        Raises:
            StoreUnavailable: The DB manager does not answer.
        """
        wanted = {name: (address, name, metric) for name in names}
        missing = [name for name, key in wanted.items() if key not in self._known]
        if missing:
            await self._fetch(address, missing, metric, seconds)
        found = {}
        for name, key in wanted.items():
            found[name] = self._known[key]
            self._known.move_to_end(key)
        while len(self._known) > _MOST_CURVES:
            self._known.popitem(last=False)
        return found

    async def _fetch(self, address: str, names: list[str], metric: str, seconds: float) -> None:
        places = asyncio.Semaphore(_AT_A_TIME)
        async with grpc.aio.insecure_channel(address, options=MESSAGE_OPTIONS) as channel:
            get = stub(channel, "DBManager", "GetObservationLog")

            async def fetch(name: str) -> None:
                async with places:
                    request = wire.GetObservationLogRequest(trial_name=name, metric_name=metric)
                    reply = await get(request, timeout=seconds)
                self._known[address, name, metric] = _curve(reply.observation_log)

            tasks = [asyncio.create_task(fetch(name)) for name in names]
            try:
                await asyncio.gather(*tasks)
            except grpc.aio.AioRpcError as error:
                raise StoreUnavailable(
                    f"the DB manager at {address} did not give the observations of the trials: "
                    f"{error.code().name}: {error.details()}"
                ) from error
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _curve(log: wire.ObservationLog) -> tuple[float, ...]:
    """Return the numbers of a log in the order of their times; words (``unavailable``) are left out."""
    values: list[tuple[float, float]] = []
    for entry in log.metric_logs:
        with contextlib.suppress(ValueError, OverflowError):
            values.append(
                (datetime.fromisoformat(_python_time(entry.time_stamp)).timestamp(), float(entry.metric.value))
            )
    return tuple(value for _, value in sorted(values, key=lambda pair: pair[0])[:_LONGEST_CURVE])


def _python_time(text: str) -> str:
    """Return an RFC 3339 time whose nanoseconds are cut to the microseconds that Python reads."""
    before, point, after = text.partition(".")
    if not point:
        return text
    digits = len(after) - len(after.lstrip("0123456789"))
    return f"{before}.{after[: min(digits, 6)]:0<6}{after[digits:]}"
