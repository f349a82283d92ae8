"""What both ways have in common: pages of a search, and which failures are the end of a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.errors import KatibError, RemoteFault, StoreUnavailable, Unauthenticated
from katib.rest.mlflow.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from katib.rest.mlflow_copy.server import MlflowServer

__all__ = ["pages", "raise_if_over"]


def pages(server: MlflowServer, path: str, asked: Mapping[str, Any], name: str) -> Iterator[Fields]:
    """Yield what a search of a server finds, page by page.

    Raises:
        RemoteFault: It gives the same page again and again.
    """
    token: str | None = None
    while True:
        answer = Fields(server.post(path, {**asked, **({"page_token": token} if token else {})}))
        yield from answer.messages(name)
        following = answer.text("next_page_token") or None
        if following is None:
            return
        if following == token:
            raise RemoteFault(f"{server.name} gives the same page again and again")
        token = following


def raise_if_over(error: KatibError) -> None:
    """Raise what is no fault of one run: the server or the store is away, or lets us no further."""
    if isinstance(error, StoreUnavailable | Unauthenticated):
        raise error
