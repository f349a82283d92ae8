"""How a job's end is recognised: GJSON queries over the live job, as ``successCondition`` and ``failureCondition`` give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.engine.outcome import JobOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["condition_problem", "outcome"]

_LONGEST: Final = 1_000
_MOST_BRACKETS: Final = 50
"""The library reads them by recursion."""
_OF_THE_JOB: Final = (
    "does not have key",
    "does not match anything",
    "out of range",
    "No key matching",
    "Expected a sequence",
    "Queries are supported only for",
    "Integer query part on unsupported",
    "requires a mapping object",
    "Query on mapping like objects",
)
"""How the library says that a job lacks what is asked for, as one that just begins does; all else are faults of the query."""


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

    if len(query) > _LONGEST:
        return f"has {len(query)} characters; a GJSON query has at most {_LONGEST} here"
    if sum(map(query.count, "([{")) > _MOST_BRACKETS:
        return f"has more than the {_MOST_BRACKETS} pairs of brackets that a GJSON query has here at most"
    try:
        gjson.get({"status": {"conditions": [{"type": "", "status": ""}]}}, query)
    except gjson.GJSONParseError as error:
        said = str(error).splitlines()[0].rstrip(".")
        if not any(words in said for words in _OF_THE_JOB):
            return f"is no GJSON query: {said}"
    except gjson.GJSONError:
        pass  # a modifier that wants something else than this job has
    return ""
