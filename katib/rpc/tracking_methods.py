"""What a unary method of the store's API is: from its request to what is asked of the store, and to the reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from google.protobuf.message import Message

from katib.access import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.store.tracking.protocol import Tracking

    Answer: TypeAlias = Callable[[Tracking], Message]
    """Asks the store; may be called again."""

__all__ = ["Method", "administers", "reads", "writes"]

Q = TypeVar("Q", bound=Message)


@dataclass(frozen=True, slots=True)
class Method:
    """A unary method.

    Attributes:
        request: The class of its request, which has a ``namespace``.
        prepare: Checks a request, and returns what asks the store and makes the reply.
        role: What its caller has to be allowed.
        changes: Whether it is one small change, made durable together with those of others.
        administers: Whether a request needs a caller who administers the namespace, whatever the others need; None for none.
    """

    request: Any
    prepare: Callable[[Any], Answer]
    role: Role
    changes: bool
    administers: Callable[[Any], bool] | None = None

    def role_for(self, request: Any) -> Role:
        """Return what the caller of a request has to be allowed."""
        return Role.ADMIN if self.administers is not None and self.administers(request) else self.role


def reads(request: type[Q], prepare: Callable[[Q], Answer]) -> Method:
    """Return a method that changes nothing."""
    return Method(request, prepare, Role.READ, changes=False)


def writes(
    request: type[Q], prepare: Callable[[Q], Answer], *, administers: Callable[[Q], bool] | None = None
) -> Method:
    """Return a method that makes a change."""
    return Method(request, prepare, Role.WRITE, changes=True, administers=administers)


def administers(request: type[Q], prepare: Callable[[Q], Answer]) -> Method:
    """Return a method that only those may call who administer the namespace, and that takes its time."""
    return Method(request, prepare, Role.ADMIN, changes=False)
