"""Which method and path is which call of ``katib.v1.experiments.Experiments``, and where the fields of its request stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ROUTES", "STREAMS", "Route"]

_ROOT: Final = "/api/v1/experiments"
_ONE: Final = _ROOT + "/{name}"
_OF_ONE: Final = _ROOT + "/{experiment}"
_TRIALS: Final = _OF_ONE + "/trials"
_TRIAL: Final = _TRIALS + "/{trial}"


@dataclass(frozen=True, slots=True)
class Route:
    """One call.

    Attributes:
        method: Of HTTP.
        path: What stands in its places are fields of the request; so is what stands behind the ``?``.
        call: Its name.
        body: Whether the body is the rest of the request, as JSON.
        query: Fields that may stand behind the ``?``, beside ``namespace``.
    """

    method: str
    path: str
    call: str
    body: bool = False
    query: tuple[str, ...] = ()


_ONCE: Final = ("request_id",)
_PAGE: Final = ("page_size", "page_token")

ROUTES: Final = (
    Route("GET", _ROOT, "ListExperiments", query=("all_namespaces", "states", "algorithm", "name_prefix", *_PAGE)),
    Route("GET", _ONE, "GetExperiment"),
    Route("DELETE", _ONE, "DeleteExperiment", query=("purge", *_ONCE)),
    Route("POST", _ONE + "/stop", "StopExperiment", body=True, query=("at_once", *_ONCE)),
    Route("POST", _ONE + "/resume", "ResumeExperiment", body=True, query=_ONCE),
    Route("PATCH", _ONE + "/budget", "EditBudget", body=True, query=_ONCE),
    Route("GET", _OF_ONE + "/events", "ListEvents", query=("trial",)),
    Route("GET", _TRIALS, "ListTrials", query=("states", *_PAGE)),
    Route("GET", _TRIALS + "/{name}", "GetTrial"),
    Route("GET", _TRIAL + "/measurements", "ListMeasurements", query=("metric", *_PAGE)),
    Route("POST", _OF_ONE + "/suggest", "SuggestTrials", body=True),
    Route("POST", _OF_ONE + "/heartbeat", "Heartbeat", body=True),
    Route("POST", _TRIAL + "/measurements", "ReportMeasurement", body=True, query=_ONCE),
    Route("POST", _TRIAL + "/complete", "CompleteTrial", body=True, query=_ONCE),
    Route("GET", _TRIAL + "/should-stop", "ShouldStop", query=("client_id",)),
)
"""Beside these there is ``POST /api/v1/experiments``, whose body is an Experiment, as YAML or JSON."""

STREAMS: Final = (
    Route("GET", "/api/v1/watch/experiments", "WatchExperiments", query=("name", "trials", "until_over")),
    Route("GET", _TRIAL + "/logs", "ReadLogs", query=("follow", "offset")),
)
