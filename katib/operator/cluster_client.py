"""An API server as a user's program asks it: the operator's client, and what an operator never asks for."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any, Final, Self

from katib.kube.client import Client
from katib.kube.connection import Connection
from katib.kube.errors import error_of_answer
from katib.kube.resource import EVENTS, PODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from katib.kube.resource import Resource

__all__ = ["ClusterClient"]

_SUCCESS: Final = range(200, 300)
_TO_ANSWER: Final = 30.0
_QUIET: Final = 6 * 3600.0
"""Seconds for which a trial may print nothing; the kernel ends a connection whose other end is gone long before."""
_PAGE: Final = 500


class ClusterClient(Client):
    """Talks to one API server; threads share one."""

    @classmethod
    def configured(cls, configuration: Any, *, user_agent: str = "katib", request_timeout: float = 30.0) -> Self:
        """Return a client that is set up as a ``kubernetes.client.Configuration`` is, which stays as it is."""
        connection = Connection(lambda: copy.deepcopy(configuration), user_agent=user_agent)
        return cls(connection, request_timeout=request_timeout)

    def try_create(self, resource: Resource, body: Mapping[str, Any], namespace: str) -> dict[str, Any]:
        """Return what ``create`` would make of a document, with everything that may refuse it, and make nothing."""
        return self.request("POST", resource.path(namespace), query={"dryRun": "All"}, body=body)

    def delete_as(self, resource: Resource, name: str, namespace: str, options: Mapping[str, Any]) -> None:
        """Delete an object in the way that ``DeleteOptions`` say; without a ``propagationPolicy``, what it owns goes after it.

        Raises:
            NotFound: It is not there.
            Conflict: A precondition does not hold.
        """
        said = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        if "orphanDependents" not in said:  # which cannot stand beside it
            said.setdefault("propagationPolicy", "Background")
        self.request("DELETE", resource.path(namespace, name), body=said)

    def events_about(self, namespace: str, kind: str, name: str = "") -> list[dict[str, Any]]:
        """Return the Events about one object, or about all of a kind."""
        wanted = {"involvedObject.kind": kind} | ({"involvedObject.name": name} if name else {})
        query: dict[str, Any] = {
            "fieldSelector": ",".join(f"{field}={value}" for field, value in wanted.items()),
            "limit": _PAGE,
        }
        found: list[dict[str, Any]] = []
        while True:
            page = self.request("GET", EVENTS.path(namespace), query=query)
            found += page.get("items") or []
            more = (page.get("metadata") or {}).get("continue")
            if not more:
                return found
            query["continue"] = more

    def pod_log(self, namespace: str, pod: str, container: str, *, follow: bool) -> Iterator[bytes]:
        """Yield what a container printed; with ``follow``, until it has ended.

        Raises:
            Invalid: It has not started yet.
            NotFound: There is no such pod.
            ServerAway: The server cannot be reached, or broke off.
        """
        path = PODS.path(namespace, pod, "log")
        query = {"container": container, "follow": "true" if follow else ""}
        answer = self._connection.send("GET", path, query=query, silence=_QUIET if follow else _TO_ANSWER)
        self.requests.count("get", "pods/log", answer.code)
        if answer.code not in _SUCCESS:
            body = answer.read(time.monotonic() + _TO_ANSWER)
            raise error_of_answer(f"get {path}", answer.code, body, answer.headers)
        try:
            yield from answer.pieces()
        finally:
            answer.close()
