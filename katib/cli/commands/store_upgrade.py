"""``katib store upgrade``."""

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
    """Create the tables of a store, or bring them up to date.

    Stop what writes to the store first. Running it again is fine, also after it was killed.
    """
    from katib.cli.printing import say
    from katib.cli.store_url import meant_store
    from katib.store import upgrade_store

    done = upgrade_store(meant_store(url, settings))
    if done.found is None:
        what = f"has been created with schema {done.schema}"
    elif done.found == done.schema:
        what = f"has schema {done.schema} already"
    else:
        what = f"has been upgraded from schema {done.found} to {done.schema}"
    say(f"store {done.place} ({done.server}) {what}")
