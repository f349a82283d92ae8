"""``katib restore``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_deleted

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPERIMENT...",
            autocompletion=complete_deleted,
            help="Names, or uids where several deleted experiments have one name.",
            show_default=False,
        ),
    ],
) -> None:
    """Bring deleted experiments back.

    katib get --deleted lists them. A name that another experiment has by now has to be free first.
    """
    from katib.cli.printing import say
    from katib.cli.tracked import search_meant
    from katib.cli.user import user_name
    from katib.store.tracking.records import Lifecycle, Node, NodeKind

    with settings.open_store() as store:
        tracking = store.tracking(settings.namespace, actor=user_name())
        found = [search_meant(tracking, name, Lifecycle.DELETED) for name in dict.fromkeys(names)]
        for search in found:
            tracking.restore(Node(NodeKind.EXPERIMENT, search.id))
            say(f"experiment {search.name} restored")
