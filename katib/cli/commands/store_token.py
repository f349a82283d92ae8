"""``katib store token``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from katib.cli.settings import Settings
    from katib.errors import Problem

__all__ = ["command"]


def command(
    settings: Settings,  # noqa: ARG001 - every command has it
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What to call whoever has the token.", show_default=False)
    ],
    grant: Annotated[
        list[str],
        typer.Option(
            "--grant",
            metavar="NAMESPACE=ROLE",
            help="A role (read, write or admin) in a namespace, or in all with '*'; may be given again.",
            show_default=False,
        ),
    ],
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="TIME",
            help="Until when it is good: 2027-01-01T00:00:00Z, or from now on, such as 90d (default: for ever).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a token and its entry for a token file.

    The token goes to standard output, this once: it is kept nowhere. The entry, which has only its digest, goes to standard error.
    """
    import secrets

    from katib.access.token_entries import digest_of
    from katib.cli.printing import note, say

    token = f"katib_{secrets.token_urlsafe(32)}"
    entry = _entry(name, digest_of(token).hex(), grant, expires)
    say(token)
    note(f"# goes under tokens: of the token file\n{entry}")


def _entry(name: str, digest: str, grants: list[str], expires: str | None) -> str:
    """Return the entry as YAML, checked as a server checks it."""
    from datetime import UTC, datetime

    import yaml

    from katib.access.token_entries import token_entries
    from katib.errors import InvalidInput, Problem

    problems: list[Problem] = []
    namespaces: dict[str, str] = {}
    for grant in grants:
        namespace, equals, role = grant.partition("=")
        if not equals:
            problems.append(Problem("--grant", "must be NAMESPACE=ROLE, such as team-a=write", grant))
        elif namespaces.setdefault(namespace, role) != role:
            problems.append(Problem("--grant", f"namespace {namespace!r} is there twice with two roles", grant))
    entry: dict[str, object] = {"name": name, "sha256": digest, "namespaces": namespaces}
    if expires is not None:
        until = _moment(expires, datetime.now(UTC))
        if until is None:
            problems.append(
                Problem("--expires", "must be a time to come, such as 2027-01-01T00:00:00Z or 90d", expires)
            )
        else:
            entry["expires"] = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    if problems:
        raise InvalidInput(problems)
    text: str = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=1_000, default_flow_style=False)
    try:
        token_entries(f"tokens:\n{text}".encode())
    except InvalidInput as error:
        raise InvalidInput([_of_an_option(problem) for problem in error.problems]) from error
    return text.rstrip("\n")


def _moment(text: str, now: datetime) -> datetime | None:
    """Return the time to come that is meant, in whole seconds, or None."""
    from katib.access.token_entries import parse_moment
    from katib.api.duration import parse_duration
    from katib.errors import InvalidInput

    until = parse_moment(text)
    if until is None:
        try:
            until = now + parse_duration(text)
        except InvalidInput:
            return None
    return until.replace(microsecond=0) if until > now else None


def _of_an_option(problem: Problem) -> Problem:
    """Return a fault of the entry as one of the command line, where there are no lines."""
    place = problem.path.removeprefix("tokens[0].")
    namespace = place.removeprefix("namespaces").removeprefix(".")
    option = "NAME" if place == "name" else f"--grant {namespace}".rstrip()
    return replace(problem, path=option, line=None)
