"""What can be asked of an API server, as raw JSON: one method a verb, each bounded in time, each with the server's own words.

A request that may be sent twice is repeated a few times within its time when the server is away or has too much to do;
one that may not is repeated only when it was certainly not carried out.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from katib.kube.back_off import BackOff
from katib.kube.connection import Connection
from katib.kube.discovery import Discovery
from katib.kube.errors import (
    Conflict,
    Gone,
    NotFound,
    ServerAway,
    StrangeAnswer,
    TooManyRequests,
    error_of_answer,
    retry_after,
)
from katib.kube.watch_stream import WatchStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from katib.kube.connection import Answer
    from katib.kube.resource import Resource

__all__ = ["Client", "Page", "Requests"]

_JSON: Final = "application/json"
_JSON_PATCH: Final = "application/json-patch+json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY: Final = "application/apply-patch+yaml"
"""JSON is YAML, and servers before 1.36 know no other name."""
_ATTEMPTS: Final = 4
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_SUCCESS: Final = range(200, 300)


class Requests:
    """Counts requests by (verb, resource, code); code 0 is no answer."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, int]] = Counter()
        self._lock = threading.Lock()

    def count(self, verb: str, resource: str, code: int) -> None:
        """Count one."""
        with self._lock:
            self._counts[verb, resource, code] += 1

    def counts(self) -> Counter[tuple[str, str, int]]:
        """Return what was counted up to now."""
        with self._lock:
            return Counter(self._counts)

    def total(self, *, verb: str | None = None, resource: str | None = None, code: int | None = None) -> int:
        """Return how many there were of those that are named."""
        asked = (verb, resource, code)
        return sum(
            count
            for key, count in self.counts().items()
            if all(want is None or want == have for want, have in zip(asked, key, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list.

    Attributes:
        items: The objects, each with ``apiVersion`` and ``kind``.
        version: Of the list as a whole.
        starts_over: Whether the pages before it are void, because the server forgot their version.
    """

    items: list[dict[str, Any]]
    version: str
    starts_over: bool = False


@dataclass(slots=True)
class _Call:
    """One request as its verb wants it sent."""

    verb: str
    resource: str
    """As it is counted."""
    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = _JSON
    timeout: float | None = None
    repeatable: bool = True
    """Whether it may be carried out twice."""
    attempts: int = _ATTEMPTS

    @property
    def what(self) -> str:
        return f"{self.verb} {self.path}"


class Client:
    """Talks to one API server; threads share one.

    Args:
        connection: To it.
        request_timeout: Seconds that a request may take with everything, unless it says otherwise.
        before_write: Is called before each attempt to change anything, and may raise (``katib.kube.lease``).
        jitter: Where the jitter of pauses comes from.

    Attributes:
        requests: Statistics, shared with what ``fenced`` returns.

    Example::

        with Client.connect() as client:
            pod = client.get(PODS, "trainer", "team")
    """

    def __init__(
        self,
        connection: Connection,
        *,
        request_timeout: float = 30.0,
        before_write: Callable[[], None] | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._connection = connection
        self._request_timeout = request_timeout
        self._before_write = before_write
        self._jitter = jitter or random.Random()
        self._discovery = Discovery(lambda path: self._json(_Call("get", "discovery", "GET", path)))
        self.requests = Requests()

    @classmethod
    def connect(
        cls,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        user_agent: str = "katib",
        request_timeout: float = 30.0,
        before_write: Callable[[], None] | None = None,
    ) -> Client:
        """Return a client of the cluster this process runs in, or that a kubeconfig names. Sends nothing yet.

        Args:
            kubeconfig: A file; else the cluster around this process, else what ``KUBECONFIG`` names.
            context: Of the kubeconfig; else its current one.
            user_agent: Who this is, in the server's logs.
            request_timeout: Seconds that a request may take.
            before_write: As of the class.

        Raises:
            Unsupported: There is no cluster, or the extra ``kubernetes`` is not installed.
        """
        connection = Connection.open(kubeconfig=kubeconfig, context=context, user_agent=user_agent)
        return cls(connection, request_timeout=request_timeout, before_write=before_write)

    def fenced(self, before_write: Callable[[], None]) -> Client:
        """Return a client over the same connections that asks before it changes anything."""
        other = Client(
            self._connection, request_timeout=self._request_timeout, before_write=before_write, jitter=self._jitter
        )
        other._discovery = self._discovery
        other.requests = self.requests
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def host(self) -> str:
        """The server's address."""
        return self._connection.host

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connection.close()

    # -- reading

    def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Return an object.

        Raises:
            NotFound: It is not there.
        """
        path = resource.path(namespace, name)
        return self._json(_Call("get", resource.plural, "GET", path, timeout=timeout))

    def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", limit: int = 500
    ) -> tuple[list[dict[str, Any]], str]:
        """Return all objects and the version of the list.

        Args:
            resource: What.
            namespace: Where; None is everywhere.
            label_selector: Which.
            limit: Objects a page.
        """
        items: list[dict[str, Any]] = []
        version = ""
        for page in self.pages(resource, namespace, label_selector=label_selector, limit=limit):
            if page.starts_over:
                items.clear()
            items += page.items
            version = page.version
        return items, version

    def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        limit: int = 500,
        attempts: int = _ATTEMPTS,
    ) -> Iterator[Page]:
        """Yield a list page by page, so that a caller who keeps little of each object never holds all of all.

        When the server forgets the version of the pages before the last one is read, all comes again on one page.
        """
        query: dict[str, Any] = {"labelSelector": label_selector, "limit": limit}
        call = _Call("list", resource.plural, "GET", resource.path(namespace), query, attempts=attempts)
        starts_over = False
        while True:
            try:
                answer = self._json(call)
            except Gone:
                if not query.get("continue"):
                    raise
                # A page alone cannot be forgotten.
                query = {"labelSelector": label_selector}
                call.query = query
                starts_over = True
                continue
            metadata = answer.get("metadata")
            items = answer.get("items")
            if not isinstance(metadata, dict) or not isinstance(items, list | None):
                raise StrangeAnswer(f"{call.what}: the API server answers with something that is no list")
            for item in items or ():
                item.setdefault("apiVersion", resource.api_version)
                item.setdefault("kind", resource.kind)
            yield Page(items or [], str(metadata.get("resourceVersion") or ""), starts_over)
            starts_over = False
            if not metadata.get("continue"):
                return
            query = {**query, "continue": metadata["continue"]}
            call.query = query

    def watch_lines(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        timeout_seconds: int = 270,
        idle_seconds: float = 75.0,
    ) -> WatchStream:
        """Return the events after a version, as they come, once the server has agreed to send them.

        Args:
            resource: What.
            namespace: Where; None is everywhere.
            resource_version: Of a list, or of the last event.
            label_selector: Which.
            timeout_seconds: After which the server is asked to end it.
            idle_seconds: Without a byte after which the connection counts as dead.

        Raises:
            Gone: The version is older than what the server remembers.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": timeout_seconds,
            "labelSelector": label_selector,
        }
        call = _Call("watch", resource.plural, "GET", resource.path(namespace), query, timeout=idle_seconds, attempts=1)
        return WatchStream(self._answer(call, silence=idle_seconds), call.what, idle_seconds=idle_seconds)

    def resource_for(self, api_version: str, kind: str) -> Resource:
        """Return how the server serves a kind, as it says itself; remembered.

        Raises:
            UnknownKind: It does not, or not yet. It is asked again, at most every few seconds.
        """
        return self._discovery.resource_for(api_version, kind)

    # -- writing

    def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        field_manager: str = "katib",
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Create an object and return it.

        Raises:
            AlreadyExists: One of its name is there; after ``ServerAway.maybe_done`` that may be this one.
        """
        path = resource.path(namespace or _metadata(body).get("namespace"))
        query = {"fieldManager": field_manager}
        return self._json(
            _Call("create", resource.plural, "POST", path, query, _encoded(body), timeout=timeout, repeatable=False)
        )

    def apply(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        *,
        field_manager: str = "katib",
        force: bool = True,
        subresource: str | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Apply what this field manager wants of an object, on the server, and return the object.

        Args:
            resource: What.
            body: The wanted fields, with the name and the namespace in ``metadata``.
            field_manager: Whose wishes these are; what it does not name any more is removed.
            force: Whether fields of other managers are taken over.
            subresource: Such as ``status``.
            timeout: Seconds, all attempts together.

        Raises:
            Conflict: Without ``force``, another manager owns a field.
        """
        metadata = _metadata(body)
        path = resource.path(metadata.get("namespace"), str(metadata.get("name") or ""), subresource)
        query = {"fieldManager": field_manager, "force": "true" if force else "false"}
        full = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        counted = _counted(resource, subresource)
        return self._json(_Call("apply", counted, "PATCH", path, query, _encoded(full), _APPLY, timeout))

    def merge_patch(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        field_manager: str = "katib",
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Merge fields into an object and return it; with ``metadata.resourceVersion`` only into that version.

        Raises:
            Conflict: It has another version. So it is when an attempt was carried out and its answer got lost.
        """
        path = resource.path(namespace, name, subresource)
        query = {"fieldManager": field_manager}
        counted = _counted(resource, subresource)
        return self._json(_Call("patch", counted, "PATCH", path, query, _encoded(patch), _MERGE_PATCH, timeout))

    def json_patch(
        self,
        resource: Resource,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        field_manager: str = "katib",
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Change an object by operations, all or none, and return it.

        Raises:
            Invalid: A ``test`` among them does not hold, or one does not fit.
        """
        path = resource.path(namespace, name, subresource)
        query = {"fieldManager": field_manager}
        call = _Call(
            "patch", _counted(resource, subresource), "PATCH", path, query, _encoded(operations), _JSON_PATCH, timeout
        )
        call.repeatable = False  # an "add" to a list adds again
        return self._json(call)

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        uid: str | None = None,
        grace_seconds: int | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Delete an object; return False when it was not there.

        Args:
            resource: What.
            name: Of the object.
            namespace: Of the object.
            propagation: What happens to what it owns: ``Background``, ``Foreground`` or ``Orphan``.
            uid: Delete only this one, not another of the same name.
            grace_seconds: For its processes to end; else what it says itself.
            timeout: Seconds, all attempts together.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        path = resource.path(namespace, name)
        try:
            self._json(_Call("delete", resource.plural, "DELETE", path, body=_encoded(options), timeout=timeout))
        except NotFound:
            return False
        except Conflict as error:
            if uid is not None and "precondition" in str(error).lower():
                return False  # the name belongs to another one now
            raise
        return True

    def delete_collection(
        self,
        resource: Resource,
        namespace: str,
        *,
        label_selector: str,
        propagation: str = "Background",
        timeout: float | None = None,
    ) -> None:
        """Delete all objects of a namespace that a selector chooses; an empty one is refused."""
        if not label_selector:
            raise ValueError("delete_collection needs a selector: without one it deletes everything")
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        query = {"labelSelector": label_selector}
        path = resource.path(namespace)
        self._json(
            _Call("deletecollection", resource.plural, "DELETE", path, query, _encoded(options), timeout=timeout)
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = _JSON,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Send any request and return the document it is answered with.

        Args:
            method: Of HTTP.
            path: At the server.
            query: Parameters.
            body: A document, or its bytes.
            content_type: Of the body.
            timeout: Seconds, all attempts together.
        """
        method = method.upper()
        text = None if body is None else body if isinstance(body, bytes) else _encoded(body)
        call = _Call(method.lower(), "request", method, path, query or {}, text, content_type, timeout)
        call.repeatable = method in ("GET", "HEAD", "PUT", "DELETE")
        return self._json(call)

    # -- the wire

    def _json(self, call: _Call) -> dict[str, Any]:
        """Carry a request out, again where that is right, and return its document."""
        until = time.monotonic() + (call.timeout or self._request_timeout)
        pauses = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE, self._jitter)
        for attempt in range(1, call.attempts + 1):
            try:
                return self._attempt(call, until)
            except (ServerAway, TooManyRequests) as error:
                not_done = isinstance(error, TooManyRequests) or not error.maybe_done
                pause = max(pauses.next(), retry_after(error) or 0.0)
                # An answer in the last moment is no help to a caller who has to give up then.
                too_late = time.monotonic() + pause >= until
                if attempt == call.attempts or too_late or not (call.repeatable or not_done):
                    raise
            time.sleep(pause)
        raise AssertionError  # the last attempt returns or raises

    def _attempt(self, call: _Call, until: float) -> dict[str, Any]:
        answer = self._answer(call, silence=max(0.05, until - time.monotonic()))
        text = answer.read(until)
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise StrangeAnswer(f"{call.what}: the API server answers with something that is no JSON") from error
        if not isinstance(document, dict):
            raise StrangeAnswer(f"{call.what}: the API server answers with something that is no object")
        return document

    def _answer(self, call: _Call, *, silence: float) -> Answer:
        """Send a request once; return its answer when it is a success."""
        if self._before_write is not None and call.method != "GET":
            self._before_write()
        try:
            answer = self._connection.send(
                call.method,
                call.path,
                query=call.query,
                body=call.body,
                content_type=call.content_type,
                silence=silence,
            )
        except ServerAway:
            self.requests.count(call.verb, call.resource, 0)
            raise
        self.requests.count(call.verb, call.resource, answer.code)
        if answer.code not in _SUCCESS:
            body = answer.read(time.monotonic() + silence)
            raise error_of_answer(call.what, answer.code, body, answer.headers)
        return answer


def _encoded(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = body.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _counted(resource: Resource, subresource: str | None) -> str:
    return f"{resource.plural}/{subresource}" if subresource else resource.plural
