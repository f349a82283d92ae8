"""Whose observations a caller of ``Append`` may append: those of any run where they may write, or only those of the trial they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.errors import Denied, InvalidInput, Problem

if TYPE_CHECKING:
    from katib.rpc import store_v1 as wire
    from katib.rpc.callers import Caller, Callers
    from katib.rpc.calls import Call
    from katib.rpc.tracking_calls import TrackingCalls

__all__ = ["Appenders"]


class Appenders:
    """Finds the run of a request to append.

    Args:
        tracking: Where runs are.
        callers: Knows who may.
    """

    def __init__(self, tracking: TrackingCalls, callers: Callers) -> None:
        self._tracking = tracking
        self._callers = callers

    async def admit(self, request: wire.AppendRequest, call: Call) -> Caller:
        """Return who appends, and say in the request to which run.

        Raises:
            InvalidInput: It says no run, or two.
            NotFound: The namespace has no such trial, or not yet.
            Denied: They may not; a trial may append to itself only.
            Unauthenticated, StoreUnavailable: As for every call.
        """
        caller, only = await self._callers.admit_appender(call.metadata, request.namespace)
        if request.run_id and request.trial:
            raise InvalidInput([Problem("trial", "goes without run_id: one of them says where", request.trial)])
        if only is not None and request.trial not in ("", only):
            raise Denied(f"this token is for reports of trial {only!r}, not of {request.trial[:80]!r}")
        name = only or request.trial
        if not name:
            return caller
        run_id = await self._tracking.read(
            caller.namespace, lambda tracking: tracking.run_of_trial(name), actor=caller.name
        )
        if request.run_id not in ("", run_id):
            raise Denied(f"this token is for reports of trial {only!r}, which run {request.run_id[:80]!r} is not")
        request.run_id, request.trial = run_id, ""
        return caller
