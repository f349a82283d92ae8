"""The way to one API server: its address, this process's credentials, and kept connections, of the official client.

Nothing is repeated here except a request that the server answered with 401: credentials may have been exchanged since
they were read (a service account's token lives for an hour), so they are read again and the request is sent once more.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from katib.errors import Unsupported
from katib.kube.errors import ServerAway, StrangeAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Answer", "Connection", "no_cluster"]

_TO_CONNECT: Final = 5.0
"""Seconds for a connection: a lost packet is sent again after one and after three."""
_KEPT: Final = 64
"""Connections kept open, so that as many threads never wait for a handshake."""
_PIECE: Final = 1 << 16
_MOST_BYTES: Final = 1 << 28
"""Of one answer that is read as a whole; a page of 500 of the largest objects there are does not come near."""
_PROBE_AFTER: Final = 15
_PROBE_EVERY: Final = 5
_PROBES: Final = 3
_READ_AGAIN: Final = 5.0
"""Seconds between two readings of the credentials: a token that stays wrong does not double the requests."""
_UNAUTHENTICATED: Final = 401


def no_cluster(named: str | None, error: Exception) -> Unsupported:
    """Return what is said where a kubeconfig cannot be used: the one that was named, or that of kubectl where none was."""
    said = " ".join(str(error).split())
    if named is None:
        return Unsupported(f"no Kubernetes cluster to talk to: run inside one, or set KUBECONFIG ({said})")
    if not any(os.path.exists(path) for path in named.split(os.pathsep)):  # noqa: PTH110 - a list of paths, as kubectl has it
        return Unsupported(f"no Kubernetes cluster to talk to: there is no kubeconfig {named}")
    return Unsupported(f"no Kubernetes cluster to talk to: the kubeconfig {named} cannot be used ({said})")


class Answer:
    """An answer of which the code and headers are there, and the body not yet.

    Attributes:
        code: Of HTTP.
        headers: Of the answer.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        self._stopped = False
        self.code: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def pieces(self) -> Any:
        """Yield the body as it comes.

        Raises:
            ServerAway: It broke off, or nothing came for as long as the request allowed.
        """
        import urllib3

        read = getattr(self._response, "read1", None)  # urllib3 has it since 2.2
        whole = False
        try:
            if read is None:
                yield from self._response.stream(_PIECE)
            else:
                while piece := read(_PIECE):
                    yield piece
            whole = True
        except urllib3.exceptions.TimeoutError as error:
            raise ServerAway("the API server fell silent in the middle of an answer") from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            if self._stopped:  # whoever closes a connection under a reader gets whatever the layers below make of it
                return
            raise ServerAway(f"the API server broke off an answer ({type(error).__name__})") from error
        finally:
            if whole and not self._stopped:
                self._response.release_conn()
            else:
                self.close()

    def read(self, until: float) -> bytes:
        """Return the whole body.

        Args:
            until: When it has to be there, by ``time.monotonic``: a body that drips in restarts every other clock.
        """
        text = bytearray()
        for piece in self.pieces():
            text += piece
            if len(text) > _MOST_BYTES:
                self.close()
                raise StrangeAnswer("the API server answers without end")
            if time.monotonic() > until:
                self.close()
                raise ServerAway("the API server did not finish its answer in time")
        return bytes(text)

    def close(self) -> None:
        """Give the connection up."""
        self._response.close()

    def interrupt(self) -> None:
        """End the answer for a reader in another thread that may be waiting for more."""
        self._stopped = True
        connection = getattr(self._response, "_connection", None)
        sock = getattr(connection, "sock", None)
        # Of a TLS connection the socket below: the reader of the layer above is in the middle of something.
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Connection:
    """Sends requests; threads share one.

    Args:
        configure: Returns a ``kubernetes.client.Configuration`` with the credentials of now.
        user_agent: Who this is, in the server's logs and flow control.
    """

    def __init__(self, configure: Callable[[], Any], *, user_agent: str) -> None:
        self._configure = configure
        self._user_agent = user_agent
        self._lock = threading.Lock()
        self._read_at = -_READ_AGAIN
        self._configuration: Any = None
        self._pool: Any = None
        self._generation = 0
        self._load()

    @classmethod
    def open(cls, *, kubeconfig: str | None, context: str | None, user_agent: str) -> Connection:
        """Return the connection to the cluster this process runs in, or that a kubeconfig names.

        Raises:
            Unsupported: There is none, or the extra ``kubernetes`` is not installed.
        """
        try:
            from kubernetes import client, config
        except ImportError as error:
            raise Unsupported("talking to Kubernetes needs: pip install 'katib[kubernetes]'") from error

        def configure() -> Any:
            configuration = client.Configuration()
            if kubeconfig is None and context is None:
                try:
                    config.load_incluster_config(client_configuration=configuration)
                except (config.ConfigException, OSError):
                    pass
                else:
                    return configuration
            # The client remembers the variable as it was when it was imported.
            named = kubeconfig or os.environ.get("KUBECONFIG") or None
            try:
                config.load_kube_config(
                    named, context=context, client_configuration=configuration, persist_config=False
                )
            except Exception as error:  # a kubeconfig is a user's file; whatever is wrong with it is told
                raise no_cluster(named, error) from error
            return configuration

        return cls(configure, user_agent=user_agent)

    @property
    def host(self) -> str:
        """The server's address."""
        return str(self._configuration.host)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        silence: float,
    ) -> Answer:
        """Send a request and return the answer once its headers are there.

        Args:
            method: Of HTTP.
            path: At the server.
            query: Parameters; those that are empty or None are left out.
            body: Of the request.
            content_type: Of the body.
            silence: Seconds without a byte after which it is given up.

        Raises:
            ServerAway: There is no answer.
        """
        kept = {name: value for name, value in (query or {}).items() if value not in ("", None)}
        target = path + (f"?{urlencode(kept)}" if kept else "")
        generation = self._generation
        answer = self._once(method, target, body, content_type, silence)
        if answer.code == _UNAUTHENTICATED and self._reloaded(generation):
            answer.close()
            answer = self._once(method, target, body, content_type, silence)
        return answer

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.clear()

    def _once(self, method: str, target: str, body: bytes | None, content_type: str, silence: float) -> Answer:
        import urllib3

        with self._lock:
            headers = {"Accept": "application/json", "User-Agent": self._user_agent, **self._authorization()}
            pool, url = self._pool, self._configuration.host.rstrip("/") + target
        if body is not None:
            headers["Content-Type"] = content_type
        timeout = urllib3.Timeout(connect=min(_TO_CONNECT, silence), read=silence)
        try:
            response = pool.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,  # a token is not sent on to where an answer points
                preload_content=False,
                decode_content=True,
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise ServerAway(
                f"the API server {self.host} cannot be reached: {_said(error)}", maybe_done=False
            ) from error
        except urllib3.exceptions.TimeoutError as error:
            # The other kept connections go the same way: none of them costs a thread its patience.
            pool.clear()
            raise ServerAway(f"the API server {self.host} did not answer within {silence:g} s") from error
        except urllib3.exceptions.SSLError as error:
            raise ServerAway(
                f"the API server {self.host} cannot be trusted: {_said(error)}", maybe_done=False
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ServerAway(f"the API server {self.host} broke off: {_said(error)}") from error
        return Answer(response)

    def _authorization(self) -> dict[str, str]:
        """Return the header that says who this is; the official client renews a token of which it knows the end."""
        try:
            settings = self._configuration.auth_settings()
        except Exception as error:  # a program of the user's kubeconfig may have been run, and have failed
            raise ServerAway(f"no credentials for {self.host}: {_said(error)}", maybe_done=False) from error
        return {each["key"]: each["value"] for each in settings.values() if each.get("value")}

    def _reloaded(self, generation: int) -> bool:
        """Read the credentials again unless that was done just now; tell whether they may be others."""
        with self._lock:
            if self._generation != generation:
                return True
            if time.monotonic() - self._read_at < _READ_AGAIN:
                return False
            try:
                self._load()
            except Unsupported:  # somebody is writing the kubeconfig just now
                return False
            return True

    def _load(self) -> None:
        from kubernetes.client.rest import RESTClientObject

        configuration = self._configure()
        configuration.connection_pool_maxsize = _KEPT
        configuration.socket_options = _socket_options()
        old = self._pool
        self._pool = RESTClientObject(configuration).pool_manager
        self._configuration = configuration
        if self._generation:
            self._read_at = time.monotonic()
        self._generation += 1
        if old is not None:
            old.clear()


def _said(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    text = " ".join(str(reason).split())
    return text[:300] if text else type(reason).__name__


def _socket_options() -> list[tuple[int, int, int]]:
    """Return options with which the kernel ends a connection whose other end is gone, within half a minute."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", _PROBE_AFTER),
        ("TCP_KEEPINTVL", _PROBE_EVERY),
        ("TCP_KEEPCNT", _PROBES),
        ("TCP_USER_TIMEOUT", 1_000 * (_PROBE_AFTER + _PROBE_EVERY * _PROBES)),
    ):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
