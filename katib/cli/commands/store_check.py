"""``katib store check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Which store (default: that of the home).", show_default=False),
    ] = None,
) -> None:
    """Say whether a store can be reached and used.

    Changes nothing. The exit code is 10 when the store is away, empty, or of another version; the message says what to do.
    """
    from katib.cli.printing import say
    from katib.cli.store_url import meant_store
    from katib.store import check_store

    found = check_store(meant_store(url, settings))
    say(f"store {found.place} ({found.server}) has schema {found.schema} and can be used")
