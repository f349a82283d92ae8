"""Which store a command means."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from katib.cli.settings import Settings
    from katib.store.full_store import FullStore

__all__ = ["StoreUrlOption", "meant_store", "named_store", "stated_store"]

StoreUrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The store: sqlite:///FILE, postgresql+psycopg://... or mysql+pymysql://... (default: that of local mode).",
        show_default=False,
    ),
]


def meant_store(url: str | None, settings: Settings) -> str | Path:
    """Return the URL, else ``KATIB_STORE_URL``, else the path of the store of local mode."""
    return url or os.environ.get("KATIB_STORE_URL") or settings.home.store_path


@contextlib.contextmanager
def named_store(url: str | None, settings: Settings) -> Iterator[tuple[str, FullStore]]:
    """Open the store of a URL, of ``KATIB_STORE_URL``, or of local mode, and yield what it is called with it.

    Raises:
        InvalidInput: The URL cannot be read.
        StoreUnavailable: The store cannot be opened.
        Unsupported: It is in a database of another kind.
    """
    from katib.store import open_store

    meant = meant_store(url, settings)
    if isinstance(meant, str):
        with open_store(meant) as store:
            yield _without_password(meant), store
    else:
        with settings.open_store() as store:
            yield str(meant), store


@contextlib.contextmanager
def stated_store(url: str | None, settings: Settings) -> Iterator[FullStore]:
    """Open the store of a URL, else that of local mode; for commands that look at what is here unless they are told otherwise.

    Raises:
        InvalidInput, StoreUnavailable, Unsupported: As ``named_store``.
    """
    from katib.store import open_store

    with settings.open_store() if url is None else open_store(url) as store:
        yield store


def _without_password(url: str) -> str:
    """Return a URL as it may be shown."""
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    if not separator or not at:
        return url.partition("?")[0] if separator else url
    return f"{scheme}://{user.partition(':')[0]}@{place.partition('?')[0]}"
