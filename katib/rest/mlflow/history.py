"""What was reported of a metric, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import NotFound
from katib.rest.answers import answer
from katib.rest.mlflow import messages
from katib.rest.mlflow.failures import invalid
from katib.rest.mlflow.fields import query_fields
from katib.rest.mlflow.runs import run_at, run_id_of

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.operations import Call
    from katib.store.protocol import Observed
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run

__all__ = ["get", "get_bulk", "get_bulk_interval"]

_MOST: Final = 25_000
_MOST_RUNS: Final = 100
_MOST_PER_RUN: Final = 2_500
_LONGEST_INTERVAL: Final = 200_000
"""Reports of one run that are looked through at once."""
_STEPS: Final = (-(2**31), 2**31 - 1)


async def get(call: Call) -> Response:
    """Return a page of a metric's reports, in the order in which they came."""
    fields = query_fields(call)
    run_id, metric = run_id_of(fields), fields.required("metric_key")
    most = min(fields.integer("max_results", least=1) or _MOST, _MOST)
    token = fields.text("page_token")
    if token and not (token.isascii() and token.isdigit() and len(token) <= 18):  # noqa: PLR2004 - below 2^63
        raise invalid("page_token is not one that this server gave")

    def look(tracking: Tracking) -> tuple[Run, list[Observed]]:
        after = int(token) if token else None
        return run_at(tracking, run_id), tracking.series(run_id, metric, after_sequence=after, limit=most + 1)

    run, points = await call.read(look)
    shown = points[:most]
    document: dict[str, Any] = {"metrics": _messages(shown, run)}
    if len(points) > most:
        document["next_page_token"] = str(shown[-1].sequence)
    return answer(document)


async def get_bulk(call: Call) -> Response:
    """Return reports of several runs, all of them up to a number."""
    fields = query_fields(call)
    run_ids, metric = _run_ids(fields.texts("run_id"), "GetMetricHistoryBulk"), fields.required("metric_key")
    most = min(fields.integer("max_results", least=1) or _MOST, _MOST)
    found: list[dict[str, Any]] = []
    for run_id in sorted(run_ids):
        run, points = await call.read(_looking(run_id, metric, most - len(found)))
        found += [{**message, "run_id": run.id} for message in _messages(points, run)]
        if len(found) >= most:
            break
    return answer({"metrics": found[:most]})


async def get_bulk_interval(call: Call) -> Response:
    """Return reports of several runs between two steps, so many of each run, spread over all that there are."""
    fields = query_fields(call)
    run_ids = _run_ids(fields.texts("run_ids"), "GetMetricHistoryBulkInterval")
    metric = fields.required("metric_key")
    most = fields.integer("max_results", least=1, most=_MOST_PER_RUN) or _MOST_PER_RUN
    start = fields.integer("start_step", least=_STEPS[0], most=_STEPS[1])
    end = fields.integer("end_step", least=_STEPS[0], most=_STEPS[1])
    if (start is None) != (end is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if start is not None and end is not None and start > end:
        raise invalid(f"end_step must be greater than start_step. Found start_step={start} and end_step={end}.")
    found: list[dict[str, Any]] = []
    for run_id in run_ids:
        try:
            run, points = await call.read(_looking(run_id, metric, _LONGEST_INTERVAL))
        except NotFound:
            continue
        inside = [
            message
            for message in _messages(points, run)
            if (start is None or message["step"] >= start) and (end is None or message["step"] <= end)
        ]
        inside.sort(key=lambda message: (message["step"], message["timestamp"]))
        found += [{**message, "run_id": run.id} for message in _spread(inside, most)]
    return answer({"metrics": found})


def _looking(run_id: str, metric: str, most: int) -> Any:
    def look(tracking: Tracking) -> tuple[Run, list[Observed]]:
        return run_at(tracking, run_id), tracking.series(run_id, metric, limit=most)

    return look


def _spread(points: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return up to ``most`` of many at equal distances, the first and the last among them."""
    if len(points) <= most:
        return points
    if most == 1:
        return points[-1:]
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]


def _run_ids(run_ids: list[str], request: str) -> list[str]:
    if not run_ids:
        raise invalid(f"{request} request must specify at least one run_id.")
    if len(run_ids) > _MOST_RUNS:
        raise invalid(f"{request} request cannot specify more than {_MOST_RUNS} run_ids. Received {len(run_ids)}.")
    return run_ids


def _messages(points: list[Observed], run: Run) -> list[dict[str, Any]]:
    return [message for point in points if (message := messages.observed(point, run)) is not None]
