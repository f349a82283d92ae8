"""The rules of ask and tell that hold wherever an experiment runs: what a client may say, and how often a trial may be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.errors import Conflict, InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.experiments.protocol import Measurement

__all__ = ["MOST_CLIENTS_OF_A_TRIAL", "check_asking", "reused"]

MOST_CLIENTS_OF_A_TRIAL: Final = 3
"""Clients that may lose a trial before it has failed."""
_LONGEST_NAME: Final = 255
_LONGEST_LEASE: Final = 86_400.0
_MOST_TRIALS: Final = 1_000


def reused(request_id: str) -> Conflict:
    """Return what is raised where something else was asked for with a request id before."""
    return Conflict(f"the request id {request_id!r} was used for another request: choose a new one for each change")


def check_asking(
    client: str, *, lease: float | None = None, count: int = 1, measurements: Sequence[Measurement] = ()
) -> None:
    """Accept what a client says.

    Args:
        client: Who it says it is.
        lease: For how many seconds it wants trials; None where it does not say.
        count: How many.
        measurements: What it reports.

    Raises:
        InvalidInput: Something of it cannot be; each fault is told with its field.
    """
    found = []
    if not client:
        said = "is required: a name of the worker's own that stays the same after a restart"
        found.append(Problem("client_id", said))
    elif len(client) > _LONGEST_NAME:
        found.append(Problem("client_id", f"must have at most {_LONGEST_NAME} characters", client))
    if lease is not None and not 0 < lease <= _LONGEST_LEASE:
        found.append(Problem("lease", f"must be more than 0 and at most {_LONGEST_LEASE:g} seconds", lease))
    if not 1 <= count <= _MOST_TRIALS:
        found.append(Problem("count", f"must be from 1 to {_MOST_TRIALS}", count))
    found += [
        Problem(f"measurements[{index}].metric", f"must have from 1 to {_LONGEST_NAME} characters", each.name)
        for index, each in enumerate(measurements)
        if not 1 <= len(each.name) <= _LONGEST_NAME
    ]
    if found:
        raise InvalidInput(found)
