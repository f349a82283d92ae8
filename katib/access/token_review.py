"""Identities that Kubernetes vouches for: its ``TokenReview`` says whose a token is, its ``SubjectAccessReview`` what they may.

So the service account of a pod and the account of a person are enough, with the roles they have on experiments. Answers are remembered
for a short while, by the digest of the token; the token itself is forgotten at once.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.access.identity import EVERYWHERE, Identity, Role, is_namespace
from katib.access.recent import Recent
from katib.access.token_entries import digest_of
from katib.errors import StoreUnavailable, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.access.cluster_reviews import ClusterReviews

__all__ = ["ReviewedIdentity", "TokenReviews"]

_LOGGER: Final = logging.getLogger(__name__)
_YES_HOLDS: Final = 60.0
_NO_HOLDS: Final = 10.0
_MOST_KEPT: Final = 4_096
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_VERBS: Final = {Role.READ: "get", Role.WRITE: "update", Role.ADMIN: "delete"}
_GROUP, _RESOURCE = "kubeflow.org", "experiments"


@dataclass(frozen=True)
class ReviewedIdentity(Identity):
    """Someone whose rights are Kubernetes' to know; it is asked when they are needed.

    Attributes:
        allowed: Answers (namespace, role).
    """

    allowed: Callable[[str, Role], bool] = field(repr=False, compare=False, kw_only=True)

    def may(self, namespace: str, role: Role) -> bool:
        """Return whether they have a role in a namespace; for ``"*"``, in every one.

        Raises:
            StoreUnavailable: Kubernetes does not answer.
        """
        return self.allowed(namespace, role)

    def namespaces(self) -> frozenset[str] | None:
        """Return None: Kubernetes lists no rights of others."""
        return None

    @property
    def default_namespace(self) -> str | None:
        """A service account's own namespace; a person has none."""
        if not self.name.startswith(_SERVICE_ACCOUNT):
            return None
        namespace = self.name.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
        return namespace if is_namespace(namespace) else None


class TokenReviews:
    """Asks Kubernetes whose a token is.

    Args:
        reviews: How to ask.
        audiences: Whom a token must be meant for, one of these; without any, the API server itself.
        clock: Seconds that only grow.
    """

    asks_others = True

    def __init__(
        self,
        reviews: ClusterReviews,
        *,
        audiences: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reviews = reviews
        self._audiences = audiences
        # Apart, so that a flood of made-up tokens does not push out the good ones.
        self._known: Recent[ReviewedIdentity] = Recent(_YES_HOLDS, _MOST_KEPT, clock)
        self._unknown: Recent[bool] = Recent(_NO_HOLDS, _MOST_KEPT, clock)
        self._allowed: Recent[bool] = Recent(_YES_HOLDS, _MOST_KEPT, clock)
        self._refused: Recent[bool] = Recent(_NO_HOLDS, _MOST_KEPT, clock)

    def identity(self, token: str | None) -> Identity:
        """Return whose token this is.

        Raises:
            Unauthenticated: There is no token, or Kubernetes does not know it.
            StoreUnavailable: Kubernetes does not answer.
        """
        if token is None:
            raise Unauthenticated("a token is needed: send it as 'Authorization: Bearer TOKEN'")
        digest = digest_of(token)
        known = self._known.get(digest)
        if known is not None:
            return known
        if self._unknown.get(digest):
            raise _unknown()
        status = self._reviews.token_status(token, self._audiences)
        user = self._user(status)
        if user is None:
            said = str(status.get("error") or "no more than that").replace(token, "…")
            _LOGGER.info("Kubernetes does not know a token: %.200r", said)
            self._unknown.put(digest, True)  # noqa: FBT003 - the value is all there is
            raise _unknown()
        found = ReviewedIdentity(
            user["user"], {}, allowed=lambda namespace, role: self._may(digest, user, namespace, role)
        )
        self._known.put(digest, found)
        return found

    def _user(self, status: dict[str, Any]) -> dict[str, Any] | None:
        """Return the fields of a user that ``SubjectAccessReview`` takes, or None where there is none."""
        authenticated, user = status.get("authenticated", False), status.get("user") or {}
        if not isinstance(authenticated, bool) or not isinstance(user, dict):
            raise _garbled("TokenReview")
        if not authenticated:
            return None
        name, groups = user.get("username"), user.get("groups") or []
        uid, extra = user.get("uid") or "", user.get("extra") or {}
        whole = isinstance(name, str) and name and isinstance(uid, str) and isinstance(extra, dict)
        if not whole or not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise _garbled("TokenReview")
        if self._audiences:
            # A server that knows no audiences answers without any, for a token that may be meant for somebody else.
            meant_for = status.get("audiences") or []
            if not isinstance(meant_for, list) or not any(audience in meant_for for audience in self._audiences):
                return None
        return {"user": name, "groups": groups, "uid": uid, "extra": extra}

    def _may(self, digest: bytes, user: dict[str, Any], namespace: str, role: Role) -> bool:
        if namespace != EVERYWHERE and not is_namespace(namespace):
            return False
        key = (digest, namespace, role)
        if self._allowed.get(key):
            return True
        if self._refused.get(key):
            return False
        attributes = {
            "namespace": "" if namespace == EVERYWHERE else namespace,
            "verb": _VERBS[role],
            "group": _GROUP,
            "resource": _RESOURCE,
        }
        status = self._reviews.access_status({**user, "resourceAttributes": attributes})
        allowed, denied = status.get("allowed"), status.get("denied", False)
        if not isinstance(allowed, bool) or not isinstance(denied, bool) or (allowed and denied):
            raise _garbled("SubjectAccessReview")
        (self._allowed if allowed else self._refused).put(key, True)  # noqa: FBT003 - the value is all there is
        return allowed


def _unknown() -> Unauthenticated:
    return Unauthenticated("the token is not known to Kubernetes, or no longer good")


def _garbled(kind: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"who may do what cannot be found out: the Kubernetes API answers with something that is no {kind}"
    )
