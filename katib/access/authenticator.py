"""Which ways there are to know a caller, and which of them a server has been told to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from katib.access.identity import EVERYWHERE, Identity, Role
from katib.errors import InvalidInput, Problem, Unauthenticated

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["AccessOptions", "Authenticator", "Everyone", "FirstOf", "authenticator_for"]


class Authenticator(Protocol):
    """Knows whose a token is. Called from any thread, and by several at a time."""

    @property
    def asks_others(self) -> bool:
        """Whether an answer, or that of ``may``, can take seconds: an event loop then asks in a thread."""

    def identity(self, token: str | None) -> Identity:
        """Return whose token this is.

        Raises:
            Unauthenticated: Nobody's.
            StoreUnavailable: It cannot be found out now.
        """


_ANYBODY: Final = Identity("anonymous", {EVERYWHERE: Role.ADMIN})


class Everyone:
    """Lets everybody do everything, as a server does that only its own machine can call; tokens are not looked at."""

    asks_others = False

    def identity(self, token: str | None) -> Identity:  # noqa: ARG002 - the protocol's
        """Return ``anonymous``, who may do everything."""
        return _ANYBODY


class FirstOf:
    """Asks several in turn; the first that knows the token counts.

    Args:
        authenticators: In the order in which they are asked; at least one.
    """

    def __init__(self, *authenticators: Authenticator) -> None:
        self._authenticators = authenticators

    @property
    def asks_others(self) -> bool:
        """Whether one of them can take seconds."""
        return any(authenticator.asks_others for authenticator in self._authenticators)

    def identity(self, token: str | None) -> Identity:
        """Return whose token this is.

        Raises:
            Unauthenticated: None of them knows it; the first one's reason.
            StoreUnavailable: Nobody knows it, and one that was asked cannot tell.
        """
        reasons: list[Unauthenticated] = []
        for authenticator in self._authenticators:
            try:
                return authenticator.identity(token)
            except Unauthenticated as reason:
                reasons.append(reason)
        raise reasons[0]


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """What a server was told about its callers.

    Attributes:
        loopback: Whether only its own machine can call.
        token_file: ``--token-file``.
        token_review: ``--token-review``: ask Kubernetes.
        audiences: ``--token-audience``: whom tokens that Kubernetes vouches for must be meant for.
        insecure_anonymous: ``--insecure-anonymous``: callers from elsewhere need no token.
        report_key_file: ``--report-key-file``: tokens signed with these keys let a trial report its own metrics.
    """

    loopback: bool
    token_file: Path | None = None
    token_review: bool = False
    audiences: tuple[str, ...] = ()
    insecure_anonymous: bool = False
    report_key_file: Path | None = None


def authenticator_for(options: AccessOptions) -> Authenticator:
    """Return what options ask for.

    Raises:
        InvalidInput: They contradict each other, leave a server open that others can call, or the token file has faults.
        Unsupported: Kubernetes is to be asked, and there is none.
    """
    _check(options)
    chosen: list[Authenticator] = []
    if options.report_key_file is not None:
        from katib.access.report_token import ReportKeys, ReportTokens

        chosen.append(ReportTokens(ReportKeys(options.report_key_file)))
    if options.token_file is not None:
        from katib.access.token_file import TokenFile

        chosen.append(TokenFile(options.token_file))
    if options.token_review:
        from katib.access.cluster_reviews import cluster_reviews
        from katib.access.token_review import TokenReviews

        chosen.append(TokenReviews(cluster_reviews(), audiences=options.audiences))
    if not chosen:
        return Everyone()
    return chosen[0] if len(chosen) == 1 else FirstOf(*chosen)


def _check(options: AccessOptions) -> None:
    asks = options.token_file is not None or options.token_review or options.report_key_file is not None
    problems = []
    if options.audiences and not options.token_review:
        problems.append(Problem("--token-audience", "needs --token-review"))
    if options.insecure_anonymous and asks:
        problems.append(
            Problem("--insecure-anonymous", "contradicts --token-file, --token-review and --report-key-file")
        )
    if not (options.loopback or asks or options.insecure_anonymous):
        problems.append(
            Problem(
                "--token-file",
                "is needed where other machines can call, or --token-review, or --insecure-anonymous to go without",
            )
        )
    if problems:
        raise InvalidInput(problems)
