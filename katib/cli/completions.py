"""What the shell offers after TAB: the names that exist now. Never an error and never a message: the user is typing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from katib.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.full_store import FullStore

__all__ = [
    "complete_algorithms",
    "complete_deleted",
    "complete_experiments",
    "complete_plugins",
    "complete_references",
    "complete_trials",
]

_MOST_TRIALS = 200
"""More than anybody reads; what is typed narrows it down."""


@contextlib.contextmanager
def _store(context: Any) -> Iterator[tuple[FullStore, str]]:
    """Open the store the command line so far means, together with its namespace; nothing is created by a TAB."""
    settings = Settings()
    while context is not None:  # what stands nearest to the cursor counts most, and comes first
        stated = {name: context.params.get(name) for name in ("home", "namespace")}
        settings = Settings().merged(**stated).merged(home=settings.home_path, namespace=settings.stated_namespace)
        context = context.parent
    if not settings.home.store_path.exists():
        raise FileNotFoundError(settings.home.store_path)
    with settings.open_store() as store:
        yield store, settings.namespace


def complete_experiments(ctx: Any, incomplete: str) -> list[str]:
    """Return the experiments of the namespace."""
    with contextlib.suppress(Exception), _store(ctx) as (store, namespace):
        return [item.name for item in store.experiments(namespace) if item.name.startswith(incomplete)]
    return []


def complete_deleted(ctx: Any, incomplete: str) -> list[str]:
    """Return the deleted experiments of the namespace."""
    with contextlib.suppress(Exception), _store(ctx) as (store, namespace):
        from katib.cli.tracked import all_searches
        from katib.store.tracking.records import Lifecycle

        found = all_searches(store.tracking(namespace), Lifecycle.DELETED)
        return sorted({search.name for search in found if search.name.startswith(incomplete)})
    return []


def complete_trials(ctx: Any, incomplete: str) -> list[str]:
    """Return trials whose names begin so, newest first."""
    with contextlib.suppress(Exception), _store(ctx) as (store, namespace):
        found = [
            trial.name
            for experiment in store.experiments(namespace)
            if experiment.name.startswith(incomplete[: len(experiment.name)])
            for trial in store.trials(experiment.uid)
            if trial.name.startswith(incomplete)
        ]
        return found[: -_MOST_TRIALS - 1 : -1]
    return []


def complete_references(ctx: Any, incomplete: str) -> list[str]:
    """Return kinds and experiments, or the names of the kind that stands before."""
    given = [str(word) for word in ctx.params.get("references") or ()]
    if given and given[0] in {"trial", "trials", "tr"}:
        return complete_trials(ctx, incomplete)
    experiments = complete_experiments(ctx, incomplete)
    if given:
        return experiments
    return [kind for kind in ("experiments", "trials", "suggestions") if kind.startswith(incomplete)] + experiments


def complete_algorithms(ctx: Any, incomplete: str) -> list[tuple[str, str]]:  # noqa: ARG001 - typer's signature
    """Return the algorithms, with a line about each."""
    with contextlib.suppress(Exception):
        from katib.algorithm.registry import summaries
        from katib.cli.plain_docs import plain

        return [(name, plain(summary)) for name, summary in summaries().items() if name.startswith(incomplete)]
    return []


def complete_plugins(ctx: Any, incomplete: str) -> list[tuple[str, str]]:
    """Return the algorithms and the early stoppers, with a line about each."""
    offered = complete_algorithms(ctx, incomplete)
    with contextlib.suppress(Exception):
        from katib.algorithm.early_stoppers import summaries
        from katib.cli.plain_docs import plain

        known = {name for name, _ in offered}
        offered += [
            (name, plain(summary))
            for name, summary in summaries().items()
            if name.startswith(incomplete) and name not in known
        ]
    return offered
