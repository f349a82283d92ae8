"""Conditions as Kubernetes keeps them: a list whose last element is the current state (facts 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.base import Condition

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

__all__ = ["current", "with_condition"]


def current(conditions: Sequence[Condition]) -> Condition | None:
    """Return the current condition, or None before the first."""
    return conditions[-1] if conditions else None


def with_condition(
    conditions: Sequence[Condition], kind: str, reason: str, message: str, now: datetime, *, status: str = "True"
) -> list[Condition]:
    """Return the list with a condition set as Katib sets it.

    The same type with the same status and reason changes nothing (not even the message); otherwise the old element goes and the new
    one comes last, keeping the time of transition when only the reason is new.
    """
    old = next((condition for condition in conditions if condition.type == kind), None)
    if old is not None and old.status == status and old.reason == reason:
        return list(conditions)
    moved = old.last_transition_time if old is not None and old.status == status else now
    new = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_update_time=now,
        last_transition_time=moved,
    )
    return [condition for condition in conditions if condition.type != kind] + [new]
