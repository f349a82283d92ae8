"""Deleted experiments, with what is needed to bring one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.cli.age import age, now
from katib.cli.printing import note, say_table
from katib.cli.tracked import all_searches
from katib.store.tracking.records import Lifecycle

if TYPE_CHECKING:
    from katib.store.full_store import FullStore

__all__ = ["show_deleted"]

_HEADING: Final = ("NAME", "STATUS", "TRIALS", "OBJECTIVE", "DELETED", "UID")


def show_deleted(store: FullStore, namespace: str) -> None:
    """Print the deleted experiments of a namespace, those deleted last at first."""
    found = sorted(
        all_searches(store.tracking(namespace), Lifecycle.DELETED),
        key=lambda search: search.deleted or search.created,
        reverse=True,
    )
    if not found:
        note(f"no deleted experiments in namespace {namespace}")
        return
    at = now()
    say_table(
        _HEADING,
        [
            (
                search.name,
                str(search.state),
                str(search.trials),
                f"{search.objective_type} {search.objective}".strip(),
                age(search.deleted, at),
                search.id,
            )
            for search in found
        ],
    )
