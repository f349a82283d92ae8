"""Calls of an MLflow server: one connection that is kept, patience with a server that is busy, and answers that are not trusted."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, unquote, urlencode, urlsplit

from katib.errors import (
    Conflict,
    Denied,
    InvalidInput,
    KatibError,
    NotFound,
    RemoteFault,
    StoreUnavailable,
    Unauthenticated,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Credentials", "MlflowServer"]

_TRIES: Final = 4
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0
_BUSY: Final = frozenset({429, 502, 503, 504})
_MOST_JSON: Final = 512 << 20
_PIECE: Final = 1 << 20
_SHOWN: Final = 300
_ERRORS: Final[Mapping[int, type[KatibError]]] = {
    400: InvalidInput,
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    409: Conflict,
    413: InvalidInput,
    422: InvalidInput,
    501: Unsupported,
}
_CODES: Final[Mapping[str, type[KatibError]]] = {
    "RESOURCE_DOES_NOT_EXIST": NotFound,
    "RESOURCE_ALREADY_EXISTS": Conflict,
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a server is told who calls; MLflow's own variables have the same names.

    Attributes:
        token: ``MLFLOW_TRACKING_TOKEN``.
        user, password: ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``.
        ca_file: ``MLFLOW_TRACKING_SERVER_CERT_PATH``: whose certificates are trusted.
        insecure_tls: ``MLFLOW_TRACKING_INSECURE_TLS``: any certificate is.
    """

    token: str | None = None
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None
    insecure_tls: bool = False

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return what MLflow's own variables say."""
        return cls(
            token=environment.get("MLFLOW_TRACKING_TOKEN") or None,
            user=environment.get("MLFLOW_TRACKING_USERNAME") or None,
            password=environment.get("MLFLOW_TRACKING_PASSWORD"),
            ca_file=environment.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or None,
            insecure_tls=environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"1", "true"},
        )


class MlflowServer:
    """One MLflow server, for one thread at a time.

    Example::

        with MlflowServer("http://127.0.0.1:5000") as server:
            found = server.get("mlflow/experiments/get-by-name", experiment_name="vision")

    Args:
        url: Where it is; a path is what all its paths begin with.
        workspace: Sent with every call.
        credentials: Those in the URL count more.
        timeout: Seconds without a byte after which it is taken to be away.

    Attributes:
        name: How people know it, without secrets.

    Every call raises StoreUnavailable where the server cannot be reached or stays busy, RemoteFault where it fails, and what its answer
    says otherwise: Unauthenticated, Denied, NotFound, Conflict, InvalidInput.
    """

    def __init__(
        self,
        url: str,
        *,
        workspace: str | None = None,
        credentials: Credentials | None = None,
        timeout: float = 60.0,
    ) -> None:
        told = credentials or Credentials()
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidInput(f"{url!r} is no address: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise InvalidInput("an MLflow server is named as http://HOST:PORT or https://HOST")
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._host, self._port, self._root = parts.hostname, port, parts.path.rstrip("/")
        self._tls = _tls(told) if parts.scheme == "https" else None
        self._timeout = timeout
        self._headers = {"Accept": "application/json", "User-Agent": "katib"}
        user, password = parts.username or told.user, parts.password or told.password
        if parts.username:
            user, password = unquote(parts.username), unquote(parts.password or "")
        if user is not None:
            pair = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        elif told.token is not None:
            self._headers["Authorization"] = f"Bearer {told.token}"
        if workspace is not None:
            self._headers["X-MLFLOW-WORKSPACE"] = workspace
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def get(self, path: str, /, **query: str | int | None) -> dict[str, Any]:
        """Return the answer of a call that looks."""
        asked = {name: value for name, value in query.items() if value is not None}
        return self._document("GET", f"/api/2.0/{path}?{urlencode(asked)}")

    def post(self, path: str, body: Mapping[str, Any], *, repeatable: bool = True) -> dict[str, Any]:
        """Return the answer of a call that changes something, or looks with a body.

        Args:
            path: Below ``/api/2.0/``.
            body: What it says.
            repeatable: Whether it may be sent again where nobody knows if it arrived.
        """
        return self._document("POST", f"/api/2.0/{path}", json.dumps(body).encode(), repeatable=repeatable)

    @contextlib.contextmanager
    def download(self, path: str) -> Iterator[tuple[http.client.HTTPResponse, Iterator[bytes]]]:
        """Open a file: yield the answer, whose headers tell of it, and its pieces.

        Args:
            path: Below the server, quoted, with what stands behind the ``?``.
        """
        response = self._ask("GET", path)
        try:
            yield response, self._pieces(response)
        finally:
            if not response.isclosed():
                self._drop()  # the rest of the file is still to come on this connection

    def upload(self, path: str, pieces: Iterator[bytes], size: int, content_type: str | None) -> None:
        """Send a file.

        Args:
            path: Below ``/api/2.0/``, not quoted.
            pieces: Its content, which can be sent once.
            size: How many bytes it has.
            content_type: If that is known.
        """
        self._drop()
        headers = {"Content-Length": str(size), "Content-Type": content_type or "application/octet-stream"}
        target = f"{self._root}/api/2.0/{quote(path)}"
        try:
            connection = self._connected()
            connection.putrequest("PUT", target)
            for name, value in {**self._headers, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            for piece in pieces:
                connection.send(piece)
            response = connection.getresponse()
            body = response.read(_MOST_JSON)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise RemoteFault(f"{self.name} took no file: {_told(error)}") from None
        except BaseException:
            self._drop()
            raise
        if response.status >= 300:  # noqa: PLR2004 - what is no success
            raise self._error(response, body)

    def _document(
        self, method: str, path: str, body: bytes | None = None, *, repeatable: bool = True
    ) -> dict[str, Any]:
        response = self._ask(method, path, body, repeatable=repeatable)
        try:
            data = response.read(_MOST_JSON + 1)
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise StoreUnavailable(f"{self.name} broke off in the middle of an answer: {_told(error)}") from None
        if len(data) > _MOST_JSON:
            self._drop()
            raise RemoteFault(f"{self.name} answers with more than {_MOST_JSON >> 20} MiB")
        try:
            found = json.loads(data or b"{}")
        except (ValueError, RecursionError):
            raise RemoteFault(f"{self.name} answers with something that is no JSON: is it an MLflow server?") from None
        if not isinstance(found, dict):
            raise RemoteFault(f"{self.name} answers with something that is no message of MLflow's")
        return found

    def _ask(
        self, method: str, path: str, body: bytes | None = None, *, repeatable: bool = True
    ) -> http.client.HTTPResponse:
        """Return the answer, whose body is still to be read; asked again while the server is busy."""
        headers = {**self._headers, **({} if body is None else {"Content-Type": "application/json"})}
        if not repeatable:
            self._drop()  # a kept connection may have been closed meanwhile, and then nobody knows what arrived
        pause = _FIRST_PAUSE
        for left in range(_TRIES - 1, -1, -1):
            try:
                connection = self._connected()
                connection.request(method, self._root + path, body, headers)
                response = connection.getresponse()
            except ssl.SSLCertVerificationError as error:
                self._drop()
                raise StoreUnavailable(f"{self.name} has a certificate that nobody vouches for: {error}") from None
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                if not left or not repeatable:
                    raise StoreUnavailable(f"{self.name} does not answer: {_told(error)}") from None
            else:
                if response.status < 300:  # noqa: PLR2004 - success
                    return response
                content = self._rest(response)
                if response.status not in _BUSY:
                    raise self._error(response, content)
                if not left:
                    raise StoreUnavailable(f"{self.name} stays busy: {_message(response, content)}")
                pause = max(pause, _seconds(response.getheader("Retry-After")))
            time.sleep(min(pause, _LONGEST_PAUSE))
            pause *= 2
        raise AssertionError

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            if self._tls is None:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
            else:
                self._connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=self._timeout, context=self._tls
                )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rest(self, response: http.client.HTTPResponse) -> bytes:
        try:
            data = response.read(_PIECE)
        except (OSError, http.client.HTTPException):
            data = b""
        if not response.isclosed():
            self._drop()
        return data

    def _pieces(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while piece := response.read(_PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            raise RemoteFault(f"{self.name} broke off in the middle of a file: {_told(error)}") from None

    def _error(self, response: http.client.HTTPResponse, content: bytes) -> KatibError:
        told = f"{self.name}: {_message(response, content)}"
        if response.status < 400:  # noqa: PLR2004 - it leads elsewhere
            return InvalidInput(f"{self.name} sends us elsewhere, to {response.getheader('Location')}: name that one")
        code = _field(content, "error_code")
        kind = _CODES.get(code) or _ERRORS.get(response.status)
        return RemoteFault(told) if kind is None else kind(told)


def _tls(told: Credentials) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=told.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(f"{told.ca_file} holds no certificates: {error}") from None
    if told.insecure_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _message(response: http.client.HTTPResponse, content: bytes) -> str:
    text = _field(content, "message") or response.reason or "no reason given"
    return f"{response.status}: {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"


def _field(content: bytes, name: str) -> str:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) else ""


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 6 else 0.0  # noqa: PLR2004
