"""``katib install keys``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.cli.settings import Settings
    from katib.kube.client import Client

__all__ = ["command"]

_ATTEMPTS: Final = 5


def command(
    settings: Settings,
    secret: Annotated[
        str, typer.Option("--secret", metavar="NAME", help="The Secret that has them; it must be there.")
    ] = "katib-keys",  # noqa: S107 - a name
    database_secret: Annotated[
        str | None,
        typer.Option(
            "--database-secret",
            metavar="NAME",
            help="Another Secret, which gets a password for a database and its URL.",
            show_default=False,
        ),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            metavar="URL",
            help="That URL; the word password in braces is replaced.",
            show_default=False,
        ),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(
            "--kubeconfig", metavar="FILE", help="The cluster (default: the one around this process, or KUBECONFIG)."
        ),
    ] = None,
) -> None:
    """Make the keys that operator and store share, in a Secret.

    Only what is missing there is made: saying it again changes nothing. Nothing secret is printed.
    """
    from katib.access.installed_keys import missing_database, missing_keys
    from katib.errors import InvalidInput, Problem, Unsupported

    if (database_secret is None) != (database_url is None):
        option = "--database-url" if database_url is None else "--database-secret"
        raise InvalidInput([Problem(option, "is required: the Secret and the URL go together")])
    try:
        from katib.kube.client import Client
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"this needs more than is installed ({error.name}): pip install 'katib[kubernetes]'"
        ) from error
    with Client.connect(kubeconfig=kubeconfig, user_agent="katib-install") as client:
        _complete(client, settings.namespace, secret, missing_keys)
        if database_secret is not None and database_url is not None:
            url = database_url
            _complete(client, settings.namespace, database_secret, lambda data: missing_database(data, url))


def _complete(
    client: Client, namespace: str, name: str, missing: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> None:
    """Add to a Secret what it lacks, and to no other version of it than was read."""
    from katib.cli.printing import say
    from katib.errors import Conflict, NotFound
    from katib.kube.resource import Resource

    secrets = Resource("", "v1", "secrets", "Secret")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            found = client.get(secrets, name, namespace)
        except NotFound:
            raise NotFound(
                f"there is no Secret {namespace}/{name}: kubectl create secret generic {name} -n {namespace}"
            ) from None
        made = missing(found.get("data") or {})
        if not made:
            say(f"secret {namespace}/{name} has all it needs")
            return
        patch: dict[str, Any] = {
            "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
            "data": dict(made),
        }
        try:
            client.merge_patch(secrets, name, patch, namespace, field_manager="katib-install")
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
        else:
            say(f"secret {namespace}/{name} got {', '.join(sorted(made))}")
            return
