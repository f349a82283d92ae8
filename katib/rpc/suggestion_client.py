"""Asks a suggestion server for points, as Katib's controller does: ours, or anybody's image that speaks Katib's wire.

The server is not believed: what it answers is checked, an answer that does not come ends with the deadline, and each end of a call is
an error whose type says whether to ask again. What fewer points than wanted mean is for the caller to know.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc

from katib.errors import DeadlineExceeded, Interrupted, InvalidInput, Overloaded, Problem, Unauthenticated, Unsupported
from katib.rpc import v1beta1 as wire
from katib.rpc.experiment_encoding import encoded_experiment
from katib.rpc.remote_failure import remote_failure
from katib.rpc.reply_encoding import Suggested, Suggestions, rules_in, says_it_was_read, suggestions_in
from katib.rpc.request_message import unsayable
from katib.rpc.services import MESSAGE_OPTIONS, MOST_BYTES, full_name
from katib.rpc.tls_trouble import tls_trouble
from katib.rpc.trial_encoding import EncodedHistory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from katib.api.experiment import Experiment
    from katib.api.trial import EarlyStoppingRule

__all__ = ["EncodedHistory", "ServerAuthority", "Suggested", "SuggestionClient", "Suggestions"]

_OPTIONS: Final = (
    *MESSAGE_OPTIONS,
    # Servers are in the cluster; a proxy is for what is outside.
    ("grpc.enable_http_proxy", 0),
    # A channel that is made because the last one hung must not get the connection of that one.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 10_000),
)
_LEAVING: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)
"""After these the connection may be the fault."""
_TO_LOOK, _LEAST_LOOK = 5.0, 1.0
"""Seconds to find out why a server's TLS is not accepted: at most, and also where the call had no time left."""
_CLOSED: Final = "the client of the suggestion server was closed"


@dataclass(frozen=True, slots=True)
class ServerAuthority:
    """How a server that speaks TLS is known.

    Attributes:
        roots: Who may sign its certificate, in PEM; empty for those that this machine trusts.
        server_name: The name that its certificate has; empty for the host of its address.
    """

    roots: str = ""
    server_name: str = ""


class _Line:
    """A channel and how many calls use it."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.calls = 0


class SuggestionClient:
    """One suggestion server, for any number of experiments and threads.

    A connection is kept while it answers, so that an experiment stays with the server that remembers it. After a call that failed
    there is a new one.

    Example::

        client = SuggestionClient("127.0.0.1:6789")
        history = EncodedHistory()
        found = client.suggest(experiment, history, count=2, issued=0, deadline=60)
        client.close()

    Args:
        address: ``HOST:PORT``.
        extended: Whether the server is ours, and is told what Katib's wire has no place for. Others are sent what Katib sends.
        root_ca: Who signs the server's certificate, in PEM; it is read again when it changes. Without it, and without the next,
            nothing is encrypted.
        authority: The same, said otherwise.
        token_file: Whose content says who is asking; it is read for each call.

    Raises:
        InvalidInput: A token would be sent in the clear.
    """

    def __init__(
        self,
        address: str,
        *,
        extended: bool = True,
        root_ca: Path | None = None,
        authority: ServerAuthority | None = None,
        token_file: Path | None = None,
    ) -> None:
        if token_file is not None and root_ca is None and authority is None:
            raise InvalidInput([Problem("root_ca", "is required beside a token, which is sent encrypted only")])
        self.address = address
        self._who = f"the suggestion server at {address}"
        self._extended = extended
        self._root_ca = root_ca
        self._authority = authority
        self._token_file = token_file
        self._lock = threading.Lock()
        self._line: _Line | None = None
        self._roots = b""
        self._closed = False
        if root_ca is not None:
            self._roots = self._read_roots(root_ca)

    def suggest(
        self,
        experiment: Experiment,
        history: EncodedHistory,
        *,
        count: int,
        issued: int,
        settings: Iterable[tuple[str, str]] = (),
        deadline: float,
    ) -> Suggestions:
        """Return the next points, at most ``count``.

        Args:
            experiment: Defaulted, with its uid and seed.
            history: Its trials.
            count: How many points are wanted.
            issued: How many were issued before, also those that are no trials any more.
            settings: What the last answer gave.
            deadline: Seconds within which this ends.

        Raises:
            InvalidSettings: The server refuses the experiment.
            AlgorithmError: The algorithm failed, or the answer is nonsense.
            Overloaded: The server is away or busy; ask again later.
            DeadlineExceeded: It did not answer in time; ask again later.
            Unsupported: The experiment asks for what this server cannot know.
            Denied: This client may not ask.
            Unauthenticated: The server does not know this client.
            Interrupted: The client was closed.
        """
        ends = time.monotonic() + deadline
        request = b"".join(
            (
                encoded_experiment(experiment, settings=settings, extended=self._extended),
                history.joined(experiment.spec, extended=self._extended),
                wire.GetSuggestionsRequest(
                    current_request_number=count, total_request_number=issued + count
                ).SerializeToString(),
            )
        )
        reply = self._call("Suggestion", "GetSuggestions", request, ends, deadline)
        found = suggestions_in(reply, experiment, count=count, is_taken=history.__contains__, who=self._who)
        self._check_it_was_read(experiment, reply)
        return found

    def validate(self, experiment: Experiment, *, deadline: float = 30) -> None:
        """Ask whether the server can search an experiment; one that has no such call can.

        Raises:
            InvalidSettings: It cannot; the problems are the server's. Others as from ``suggest``.
        """
        ends = time.monotonic() + deadline
        request = encoded_experiment(experiment, extended=self._extended)
        reply = self._validated("Suggestion", "ValidateAlgorithmSettings", request, ends, deadline)
        self._check_it_was_read(experiment, reply)

    def validate_stopper(self, experiment: Experiment, *, deadline: float = 30) -> None:
        """Ask whether the server has the experiment's early stopper with these settings; raises as ``validate`` does."""
        ends = time.monotonic() + deadline
        stated = experiment.spec.early_stopping
        if stated is None:
            return
        request = wire.ValidateEarlyStoppingSettingsRequest()
        request.early_stopping.algorithm_name = stated.algorithm_name
        for setting in stated.algorithm_settings or []:
            request.early_stopping.algorithm_settings.add(name=setting.name, value=setting.value)
        self._validated("EarlyStopping", "ValidateEarlyStoppingSettings", request.SerializeToString(), ends, deadline)

    def rules(
        self, experiment: Experiment, history: EncodedHistory, *, store_address: str, deadline: float
    ) -> tuple[EarlyStoppingRule, ...]:
        """Return the early-stopping rules that new trials take along.

        Args:
            experiment: Defaulted, with its uid and seed.
            history: Its trials.
            store_address: Where the server finds the trials' observations: ``HOST:PORT`` of Katib's ``DBManager``.
            deadline: Seconds within which this ends.

        Raises:
            InvalidSettings: The server refuses the experiment or its early stopper. Others as from ``suggest``.
        """
        ends = time.monotonic() + deadline
        request = b"".join(
            (
                encoded_experiment(experiment, extended=self._extended),
                history.joined(experiment.spec, extended=self._extended),
                wire.GetEarlyStoppingRulesRequest(db_manager_address=store_address).SerializeToString(),
            )
        )
        reply = self._call("EarlyStopping", "GetEarlyStoppingRules", request, ends, deadline)
        found = rules_in(reply, self._who)
        self._check_it_was_read(experiment, reply)
        return found

    def close(self) -> None:
        """End calls that run; later ones fail. Again, it changes nothing."""
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
        if line is not None:
            line.channel.close()

    # -- what is the same for all of them --------------------------------------------------------------------------

    def _validated(self, service: str, method: str, request: bytes, ends: float, deadline: float) -> bytes:
        try:
            # What a service in Python raises by itself is UNKNOWN.
            return self._call(service, method, request, ends, deadline, refusals=[grpc.StatusCode.UNKNOWN])
        except Unsupported:
            return b""

    def _check_it_was_read(self, experiment: Experiment, reply: bytes) -> None:
        names = unsayable(experiment)
        if names and not says_it_was_read(reply):
            raise Unsupported(
                f"{self._who} does not know {', '.join(names)}: Katib's wire has no field for that, only `katib serve suggestion` reads it"
            )

    def _call(
        self, service: str, method: str, request: bytes, ends: float, deadline: float, *, refusals: Collection[Any] = ()
    ) -> bytes:
        if len(request) > MOST_BYTES:
            raise Unsupported(
                f"the request has {len(request) >> 20} MiB with the trials that a suggestion server has to be sent; "
                f"at most {MOST_BYTES >> 20} MiB can be"
            )
        with self._using_line() as line:
            seconds = ends - time.monotonic()
            if seconds <= 0:
                raise DeadlineExceeded(f"no time was left to ask {self._who}")
            call: Any = line.channel.unary_unary(f"/{full_name(service)}/{method}")
            try:
                reply: bytes = call(request, timeout=seconds, metadata=self._metadata())
            except grpc.RpcError as error:
                if self._closed:
                    raise Interrupted(_CLOSED) from None
                status: Any = error
                if status.code() in _LEAVING:
                    self._leave(line)
                if status.code() is grpc.StatusCode.UNAVAILABLE and (said := self._tls_trouble(ends)):
                    raise Overloaded(f"{self._who} cannot be reached over TLS: {said}") from error
                raise remote_failure(error, self._who, deadline, refusals) from error
            except ValueError as error:  # gRPC's word for a channel that was closed
                raise Interrupted(_CLOSED) from error
        return reply

    def _tls_trouble(self, ends: float) -> str:
        """Return why the server's TLS is not accepted; empty where there is none, or nothing is wrong with it."""
        if self._root_ca is None and self._authority is None:
            return ""
        known = self._authority or ServerAuthority(self._roots.decode("ascii"))
        name = known.server_name or self.address.rpartition(":")[0].strip("[]")
        seconds = min(_TO_LOOK, max(ends - time.monotonic(), _LEAST_LOOK))
        return tls_trouble(self.address, known.roots, name, seconds=seconds)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        if self._token_file is None:
            return ()
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError) as error:
            raise Unauthenticated(f"the token for {self._who} cannot be read: {error}") from error
        if not token or not token.isprintable():
            raise Unauthenticated(f"the file with the token for {self._who} holds none: {self._token_file}")
        return (("authorization", f"Bearer {token}"),)

    @contextlib.contextmanager
    def _using_line(self) -> Iterator[_Line]:
        """Lend the connection there is, or a new one; one that was left is closed when its last call has ended."""
        roots = b"" if self._root_ca is None else self._read_roots(self._root_ca)
        with self._lock:
            if self._closed:
                raise Interrupted(_CLOSED)
            if self._line is not None and roots != self._roots:
                self._retire(self._line)
            if self._line is None:
                self._line, self._roots = _Line(self._dial(roots)), roots
            line = self._line
            line.calls += 1
        try:
            yield line
        finally:
            with self._lock:
                line.calls -= 1
                done = line is not self._line and not line.calls
            if done:
                line.channel.close()

    def _leave(self, line: _Line) -> None:
        with self._lock:
            if self._line is line:
                self._line = None

    def _retire(self, line: _Line) -> None:
        """Make room for another connection; called under the lock."""
        self._line = None
        if not line.calls:
            line.channel.close()

    def _dial(self, roots: bytes) -> grpc.Channel:
        if self._authority is not None:
            name = self._authority.server_name
            named = (("grpc.ssl_target_name_override", name), ("grpc.default_authority", name)) if name else ()
            credentials = grpc.ssl_channel_credentials(self._authority.roots.encode("ascii") or None)
            return grpc.secure_channel(self.address, credentials, options=(*_OPTIONS, *named))
        if not roots:
            return grpc.insecure_channel(self.address, options=_OPTIONS)
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(roots), options=_OPTIONS)

    def _read_roots(self, path: Path) -> bytes:
        """Return the certificates now; the last good ones while the file is being replaced."""
        try:
            roots = path.read_bytes()
            if roots != self._roots:
                ssl.create_default_context(cadata=roots.decode("ascii"))
        except (OSError, ValueError) as error:
            if self._roots:
                return self._roots
            raise InvalidInput(
                [Problem("root_ca", f"holds no certificates in PEM form: {error}", str(path))]
            ) from error
        return roots
