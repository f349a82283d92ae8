"""From what the user wrote to an experiment of the tracking store, whoever drives it, and whether it is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.similar import did_you_mean
from katib.cli.age import moment
from katib.cli.lookup import Kind, parse_reference
from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.tracking.records import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import SearchExperiment

__all__ = ["all_searches", "search_meant"]


def all_searches(tracking: Tracking, lifecycle: Lifecycle) -> Iterator[SearchExperiment]:
    """Yield the experiments of a namespace."""
    cursor = None
    while True:
        page = tracking.find_searches(lifecycle=lifecycle, cursor=cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def search_meant(tracking: Tracking, word: str, lifecycle: Lifecycle) -> SearchExperiment:
    """Return the experiment that has the word as its name or its uid; ``exp/NAME`` is the same.

    Raises:
        NotFound: There is none.
        Conflict: Several deleted ones have the name.
    """
    name = word
    if "/" in word:
        reference = parse_reference([word])
        if reference.kind is not Kind.EXPERIMENT:
            raise InvalidInput(f"{word!r} is no experiment")
        name = reference.names[0]
    known = list(all_searches(tracking, lifecycle))
    found = [search for search in known if search.id == name] or [search for search in known if search.name == name]
    if len(found) > 1:
        told = ", ".join(f"{search.id} of {moment(search.deleted or search.created)}" for search in found)
        raise Conflict(f"{len(found)} experiments are named {name!r}: say which one by its uid ({told})")
    if not found:
        what = "deleted experiment" if lifecycle is Lifecycle.DELETED else "experiment"
        hint = did_you_mean(name, [search.name for search in known])
        raise NotFound(f"namespace {tracking.namespace!r} has no {what} named {name!r}" + f"; {hint}" * bool(hint))
    return found[0]
