"""Calls of the store's API about what runs log, one request and one reply each; streams of it are in ``tracking_streams``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.errors import InvalidInput, Problem
from katib.rpc import store_v1 as wire
from katib.rpc.tracking_calls import SampleCall
from katib.rpc.tracking_messages import add_observations, chart_message
from katib.rpc.tracking_methods import reads, writes
from katib.rpc.tracking_requests import (
    FACT_KINDS,
    at_most,
    check_keys,
    node_of,
    read_facts,
    read_log,
    read_samples,
    required,
)
from katib.store.tracking.protocol import NO_FACTS

if TYPE_CHECKING:
    from katib.metrics.sample import Sample
    from katib.rpc.tracking_methods import Answer
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import LogReceipt

__all__ = ["METHODS", "read_append"]

_MOST_OBSERVATIONS: Final = 100_000
_OBSERVATIONS: Final = 1000
_MOST_POINTS: Final = 2000
_POINTS: Final = 320
_MOST_CHARTS: Final = 100


def _log(request: wire.LogRequest) -> Answer:
    required(request, "run_id")
    log = read_log(request, replaces=request.replace_parameters)

    def reply(receipt: LogReceipt) -> wire.LogResponse:
        return wire.LogResponse(stored=receipt.stored, repeated_count=receipt.repeated)

    if not log.parameters and log.facts == NO_FACTS:
        return SampleCall(request.run_id, log.samples, reply)
    return lambda tracking: reply(tracking.log(request.run_id, log))


def read_append(request: wire.AppendRequest) -> list[Sample]:
    """Check a request, and return its observations.

    Raises:
        InvalidInput: It has faults.
    """
    required(request, "run_id")
    if request.first_sequence < 0:
        raise InvalidInput([Problem("first_sequence", "must be 0 or more", request.first_sequence)])
    return read_samples(request.observations)


def _append(request: wire.AppendRequest) -> Answer:
    samples = read_append(request)

    def reply(following: int) -> wire.AppendResponse:
        return wire.AppendResponse(run_id=request.run_id, next_sequence=following)

    return SampleCall(request.run_id, samples, reply, request.first_sequence)


def _list_observations(request: wire.ListObservationsRequest) -> Answer:
    required(request, "run_id")
    limit = at_most("page_size", request.page_size, _MOST_OBSERVATIONS, _OBSERVATIONS)
    after = request.after_sequence if request.HasField("after_sequence") else None

    def answer(tracking: Tracking) -> wire.ListObservationsResponse:
        found = tracking.series(request.run_id, request.metric or None, after_sequence=after, limit=limit + 1)
        message = wire.ListObservationsResponse(more=len(found) > limit)
        add_observations(message.observations, found[:limit])
        return message

    return answer


def _get_charts(request: wire.GetChartsRequest) -> Answer:
    required(request, "metric")
    check_keys("run_ids", request.run_ids, _MOST_CHARTS)
    points = at_most("points", request.points, _MOST_POINTS, _POINTS)

    def answer(tracking: Tracking) -> wire.GetChartsResponse:
        charts = tracking.charts(list(request.run_ids), request.metric, points=points)
        wanted = [run_id for run_id in dict.fromkeys(request.run_ids) if run_id in charts]
        return wire.GetChartsResponse(charts=[chart_message(run_id, charts[run_id]) for run_id in wanted])

    return answer


def _delete_parameters(request: wire.DeleteParametersRequest) -> Answer:
    names = _names_or_all(request)

    def answer(tracking: Tracking) -> wire.DeleteParametersResponse:
        tracking.delete_parameters(request.run_id, names)
        return wire.DeleteParametersResponse()

    return answer


def _delete_metrics(request: wire.DeleteMetricsRequest) -> Answer:
    names = _names_or_all(request)

    def answer(tracking: Tracking) -> wire.DeleteMetricsResponse:
        tracking.delete_metrics(request.run_id, names)
        return wire.DeleteMetricsResponse()

    return answer


def _names_or_all(request: wire.DeleteParametersRequest | wire.DeleteMetricsRequest) -> list[str] | None:
    """Return the names that a request is about; None for all."""
    required(request, "run_id")
    check_keys("names", request.names)
    if request.all and request.names:
        raise InvalidInput([Problem("names", "must be empty beside 'all'")])
    return None if request.all else list(request.names)


def _set_facts(request: wire.SetFactsRequest) -> Answer:
    node, facts = node_of(request.node, FACT_KINDS), read_facts(request)

    def answer(tracking: Tracking) -> wire.SetFactsResponse:
        tracking.set_facts(node, facts)
        return wire.SetFactsResponse()

    return answer


def _delete_facts(request: wire.DeleteFactsRequest) -> Answer:
    node = node_of(request.node, FACT_KINDS)
    names = {}
    for field, every in (("tags", request.all_tags), ("properties", request.all_properties)):
        wanted = list(getattr(request, field))
        check_keys(field, wanted)
        if every and wanted:
            raise InvalidInput([Problem(field, f"must be empty beside 'all_{field}'")])
        names[field] = None if every else wanted

    def answer(tracking: Tracking) -> wire.DeleteFactsResponse:
        tracking.delete_facts(node, tags=names["tags"], properties=names["properties"])
        return wire.DeleteFactsResponse()

    return answer


METHODS: Final = {
    "Log": writes(wire.LogRequest, _log),
    "Append": writes(wire.AppendRequest, _append),
    "ListObservations": reads(wire.ListObservationsRequest, _list_observations),
    "GetCharts": reads(wire.GetChartsRequest, _get_charts),
    "DeleteParameters": writes(wire.DeleteParametersRequest, _delete_parameters),
    "DeleteMetrics": writes(wire.DeleteMetricsRequest, _delete_metrics),
    "SetFacts": writes(wire.SetFactsRequest, _set_facts),
    "DeleteFacts": writes(wire.DeleteFactsRequest, _delete_facts),
}
"""By name."""
