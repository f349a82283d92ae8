"""The two questions to a Kubernetes API server, whose token and whether allowed, as raw JSON, within a deadline.

Whatever is no clear answer is ``StoreUnavailable``: an API server that is away, slow, full, or that does not let this server ask.
No message repeats the token.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from katib.errors import StoreUnavailable, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ClusterReviews", "cluster_reviews"]

_MOST_AT_A_TIME: Final = 8
_PAUSE: Final = 1.0
"""Seconds for which nobody else is sent into the silence of an API server that did not answer."""
_TO_CONNECT: Final = 0.3
"""The part of the time that is for a connection; a second attempt at a lost packet comes after one second."""
_MOST_BYTES: Final = 1 << 20
_PIECE: Final = 1 << 16
_NOT_LET: Final = (401, 403)
_TOO_MANY: Final = 429
_LONGEST_SAID: Final = 200


class ClusterReviews:
    """Asks for ``TokenReview`` and ``SubjectAccessReview``.

    Args:
        client: A ``kubernetes.client.ApiClient`` that repeats nothing and follows nowhere (``cluster_reviews`` makes one).
        deadline: Seconds that an answer may take.
        clock: Seconds that only grow.
    """

    def __init__(self, client: Any, *, deadline: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        from kubernetes.client import AuthenticationV1Api, AuthorizationV1Api

        self._tokens = AuthenticationV1Api(client)
        self._access = AuthorizationV1Api(client)
        self._deadline = deadline
        self._clock = clock
        self._places = threading.BoundedSemaphore(_MOST_AT_A_TIME)
        self._silent_until = clock()

    def token_status(self, token: str, audiences: tuple[str, ...]) -> dict[str, Any]:
        """Return the ``status`` of a ``TokenReview``.

        Raises:
            StoreUnavailable: There is no answer.
        """
        spec: dict[str, Any] = {"token": token} | ({"audiences": list(audiences)} if audiences else {})
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        return self._status(self._tokens.create_token_review, body)

    def access_status(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Return the ``status`` of a ``SubjectAccessReview``.

        Raises:
            StoreUnavailable: There is no answer.
        """
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        return self._status(self._access.create_subject_access_review, body)

    def _status(self, create: Callable[..., Any], body: dict[str, Any]) -> dict[str, Any]:
        kind = body["kind"]
        until = self._clock() + self._deadline
        if not self._places.acquire(timeout=self._deadline):
            raise _away(f"has {_MOST_AT_A_TIME} questions to answer already; ask again later")
        try:
            if self._clock() < self._silent_until:
                raise _away("did not answer just now; ask again in a second")
            text = self._answer(create, body, until)
        finally:
            self._places.release()
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("kind") != kind or not isinstance(answer.get("status"), dict):
            raise _away(f"answers with something that is no {kind}")
        return dict(answer["status"])

    def _answer(self, create: Callable[..., Any], body: dict[str, Any], until: float) -> bytes:
        import urllib3
        from kubernetes.client.exceptions import ApiException
        from kubernetes.config import ConfigException

        again = True
        while True:
            left = until - self._clock()
            if left <= 0:
                raise self._silence(f"gave no answer within {self._deadline:g} s")
            try:
                # A pair: of a single number that is no integer, older clients make no timeout at all, and say nothing.
                patience = (left * _TO_CONNECT, left * (1 - _TO_CONNECT))
                response = create(body, _preload_content=False, _request_timeout=patience)
                return self._read(response, until)
            except ApiException as error:
                raise _refused(error, body["kind"]) from error
            except urllib3.exceptions.TimeoutError as error:
                raise self._silence(f"gave no answer within {self._deadline:g} s") from error
            except urllib3.exceptions.ProtocolError as error:
                # A connection that was kept may have been closed meanwhile. To ask twice changes nothing.
                if not again:
                    raise self._silence("breaks off its answers") from error
                again = False
            except urllib3.exceptions.HTTPError as error:
                cause = getattr(error, "reason", None) or error
                raise self._silence(f"cannot be reached ({type(cause).__name__})") from error
            except (ConfigException, OSError, ValueError) as error:
                raise self._silence(f"cannot be asked: this server's own credentials: {error}") from error

    def _read(self, response: Any, until: float) -> bytes:
        whole = False
        try:
            text = b"".join(self._pieces(response, until))
            whole = True
        finally:
            if whole:
                response.release_conn()
            else:
                response.close()
        return text

    def _pieces(self, response: Any, until: float) -> Iterator[bytes]:
        """Yield an answer as it comes: the client's own timeout begins anew with each byte that drips in."""
        read = getattr(response, "read1", response.read)  # urllib3 has it since 2.2
        size = 0
        while piece := read(_PIECE):
            size += len(piece)
            if size > _MOST_BYTES:
                raise _away("answers without end")
            if self._clock() > until:
                raise self._silence(f"gave no answer within {self._deadline:g} s")
            yield piece

    def _silence(self, what: str) -> StoreUnavailable:
        self._silent_until = self._clock() + _PAUSE
        return _away(what)


def _away(what: str) -> StoreUnavailable:
    return StoreUnavailable(f"who may do what cannot be found out: the Kubernetes API {what}")


def _refused(error: Any, kind: str) -> StoreUnavailable:
    said = str(error.reason or "")[:_LONGEST_SAID]
    if error.status in _NOT_LET:
        return _away(
            f"does not let this server create a {kind} ({error.status} {said}): "
            "bind its service account to the ClusterRole system:auth-delegator"
        )
    if error.status == _TOO_MANY:
        return _away("has too much to do (429); ask again later")
    if not error.status:
        return _away(f"cannot be reached: {said}")
    return _away(f"answers {error.status} {said}")


def cluster_reviews(*, deadline: float = 5.0) -> ClusterReviews:
    """Return the questions to the cluster this process runs in, or that its kubeconfig names.

    Raises:
        Unsupported: There is none, or the extra ``kubernetes`` is not installed.
    """
    try:
        import urllib3
        from kubernetes import client, config
    except ImportError as error:
        raise Unsupported("asking Kubernetes about tokens needs: pip install 'katib[kubernetes]'") from error
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except (config.ConfigException, OSError):
        try:
            # The client remembers the variable as it was when it was imported.
            config.load_kube_config(os.environ.get("KUBECONFIG"), client_configuration=configuration)
        except (config.ConfigException, OSError) as error:
            raise Unsupported(
                "asking Kubernetes about tokens needs a cluster: run inside one, or set KUBECONFIG"
            ) from error
    # A token is not sent on to where a redirect points, and the deadline is for all attempts together.
    configuration.retries = urllib3.Retry(total=0, redirect=0, raise_on_redirect=False, raise_on_status=False)
    configuration.connection_pool_maxsize = _MOST_AT_A_TIME
    return ClusterReviews(client.ApiClient(configuration), deadline=deadline)
