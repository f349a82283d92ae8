"""How a job's end is recognised: GJSON queries over the live job, as ``successCondition`` and ``failureCondition`` give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.engine.outcome import JobOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["condition_problem", "outcome"]


def outcome(job: Mapping[str, Any], success: str, failure: str) -> JobOutcome:
    """Return what a job says of itself; failure is looked at first (facts 3).

    A query matches when its result is an object or a list with something in it; its ``reason`` and ``message`` are the job's.
    """
    for kind, query in (("failed", failure), ("succeeded", success)):
        found = _match(job, query)
        if found is not None:
            words = found if isinstance(found, dict) else {}
            reason, message = str(words.get("reason") or ""), str(words.get("message") or "")
            return JobOutcome("failed" if kind == "failed" else "succeeded", reason, message)
    return JobOutcome("running")


def _match(job: Mapping[str, Any], query: str) -> Any:
    if not query:
        return None
    import gjson

    try:
        found = gjson.get(dict(job), query)
    except gjson.GJSONError:
        return None  # the path is not there yet, as in a job without a status
    if isinstance(found, list):
        return found[0] if found else None
    return found if isinstance(found, dict) else None


def condition_problem(query: str) -> str:
    """Return why a query cannot be read, as a sentence; empty when it can."""
    import gjson

    try:
        gjson.get({"status": {"conditions": [{"type": "", "status": ""}]}}, query)
    except gjson.GJSONError as error:
        said = str(error).splitlines()[0].rstrip(".")
        # A job that just begins lacks most of what conditions ask for; only a query's own faults count.
        if "does not have" not in said and "out of range" not in said:
            return f"is no GJSON query: {said}"
    return ""
