"""Reports of trials' collectors over HTTP: what Katib's DB manager does over gRPC, for a sidecar too small for gRPC.

Samples are numbered by their source, so a report that comes again changes nothing; whatever comes, the answer is the number that is
wanted next. A trial that no experiment has yet is 404, which means later: the operator records it in the background.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from katib.access.identity import is_namespace
from katib.errors import InvalidInput, NotFound, Problem
from katib.metrics.sample import Sample
from katib.rest.answers import answer
from katib.rest.bodies import parsed
from katib.rest.needed_access import Access
from katib.rest.operations import Api, Operation
from katib.store.observation_logs import Report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from starlette.responses import Response

    from katib.rest.operations import Call
    from katib.store.observation_logs import Receipt

__all__ = ["ReportsApi"]

_LARGEST: Final = 4 << 20
_QUICKLY_READ: Final = 64 << 10
_LONGEST_NAME: Final = 255
_LONGEST_VALUE: Final = 65_535
_MOST_PROBLEMS: Final = 20
_GREATEST: Final = 2**63


class ReportsApi(Api):
    """``POST /api/v1/reports``.

    Args:
        report: Makes a report durable; the second argument is about how many bytes it has.
    """

    name = "reports"
    prefixes: ClassVar[Sequence[str]] = ("/api/v1/reports",)

    def __init__(self, report: Callable[[Report, int], Awaitable[Receipt]]) -> None:
        self._report = report

    @override
    def operations(self) -> Sequence[Operation]:
        return [Operation("POST", "/api/v1/reports", "report", self._take, Access.KNOWN, most=_LARGEST)]

    async def _take(self, call: Call) -> Response:
        body = await call.body()
        report = await asyncio.to_thread(_read, body) if len(body) > _QUICKLY_READ else _read(body)
        await call.require_report(report.namespace or "", report.trial)
        receipt = await self._report(report, len(body))
        if receipt.following is None:
            raise NotFound(
                f"no experiment in namespace {report.namespace!r} has a trial {report.trial!r} yet; report later"
            )
        return answer({"next": receipt.following, "stored": receipt.stored})


def _read(body: bytes) -> Report:
    """Return the report that a body is.

    Raises:
        InvalidInput: It is none; every fault is told with its place.
    """
    found = parsed(body)
    if not isinstance(found, dict):
        raise InvalidInput("the body has to be a JSON object")
    problems = list(_problems(found))[:_MOST_PROBLEMS]
    if problems:
        raise InvalidInput(problems)
    return Report(
        found["trial"],
        [_sample(*row) for row in found["samples"]],
        found["namespace"],
        source=found["source"],
        first_sequence=found["first"],
    )


def _problems(found: dict[str, Any]) -> Iterator[Problem]:
    namespace = found.get("namespace")
    if not isinstance(namespace, str) or not is_namespace(namespace):
        yield Problem("namespace", "must be a name such as team-a (RFC 1123)", namespace)
    for field in ("trial", "source"):
        if problem := _fault_of_name(found.get(field)):
            yield Problem(field, problem)
    if not _is_number(found.get("first"), least=0):
        yield Problem("first", "must be the number of the first sample, from 0 on", found.get("first"))
    samples = found.get("samples")
    if not isinstance(samples, list):
        yield Problem("samples", "must be a list of [name, text, seconds or null, step or null]")
        return
    for number, row in enumerate(samples):
        yield from _row_problems(f"samples[{number}]", row)


def _row_problems(place: str, row: object) -> Iterator[Problem]:
    if not isinstance(row, list) or len(row) != 4:  # noqa: PLR2004 - name, text, time, step
        yield Problem(place, "must be [name, text, seconds or null, step or null]")
        return
    name, text, time, step = row
    if problem := _fault_of_name(name):
        yield Problem(f"{place}[0]", problem)
    if not isinstance(text, str) or len(text.encode()) > _LONGEST_VALUE:
        yield Problem(f"{place}[1]", f"must be a text of at most {_LONGEST_VALUE} bytes")
    if time is not None and _moment(time) is None:
        yield Problem(f"{place}[2]", "must be seconds since 1970, or null", time)
    if step is not None and not _is_number(step, least=-_GREATEST):
        yield Problem(f"{place}[3]", "must be a whole number of 64 bits, or null", step)


def _fault_of_name(name: object) -> str:
    if not isinstance(name, str) or not name:
        return "is required"
    return f"must have at most {_LONGEST_NAME} characters, this has {len(name)}" if len(name) > _LONGEST_NAME else ""


def _is_number(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < _GREATEST


def _moment(seconds: object) -> datetime | None:
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _sample(name: str, text: str, seconds: float | None, step: int | None) -> Sample:
    return Sample(name, text, None if seconds is None else _moment(seconds), step)
