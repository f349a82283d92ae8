"""``katib store purge``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.counted import counted
from katib.cli.retention_options import DeletedForOption, KeepBestOption
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.store.full_store import FullStore
    from katib.store.retention import PlannedPurge
    from katib.store.tracking.records import Purged

__all__ = ["command"]

_TOLD_EVERY: float = 0.2


def command(
    settings: Settings,
    deleted_for: DeletedForOption = None,
    keep_best: KeepBestOption = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="Only in this project.")] = None,
    artifacts: Annotated[
        str | None, typer.Option("--artifacts", metavar="URL", help="Where the files of runs are, to remove those too.")
    ] = None,
    keep_artifacts: Annotated[
        bool, typer.Option("--keep-artifacts", help="Leave the files of purged runs, whatever their projects say.")
    ] = False,
    archive: Annotated[
        str | None,
        typer.Option(
            "--archive",
            metavar="URL",
            help="Write runs there before they go, as Parquet: a folder, s3://..., gs://... or az://...",
        ),
    ] = None,
    no_archive: Annotated[
        bool, typer.Option("--no-archive", help="Archive nothing, also where a project wants it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    url: StoreUrlOption = None,
) -> None:
    """Remove for good what was deleted long enough ago.

    Without --deleted-for and --keep-best, every project's own policy says what goes ('katib store retention'). Goes through one namespace in small steps; whoever uses the store meanwhile does not notice. Killed in between, the next call goes on.
    """
    from katib.api.duration import parse_duration
    from katib.cli.printing import note, say
    from katib.cli.store_url import named_store
    from katib.cli.user import user_name
    from katib.errors import InvalidInput
    from katib.store.artifacts import open_artifacts
    from katib.store.retention import RetentionRules, apply_plan, plan_retention, total

    if artifacts is not None and keep_artifacts:
        raise InvalidInput("--artifacts removes files and --keep-artifacts leaves them: one of the two")
    if archive is not None and no_archive:
        raise InvalidInput("--archive writes runs and --no-archive does not: one of the two")
    with named_store(url, settings) as (name, store):
        tracking = store.tracking(settings.namespace, actor=user_name())
        rules = RetentionRules(
            deleted_for=None if deleted_for is None else parse_duration(deleted_for),
            keep_best=keep_best,
            archive=False if no_archive else True if archive is not None else None,
            keep_artifacts=keep_artifacts or None,
            project_id=None if project is None else tracking.project_named(project).id,
        )
        plan = plan_retention(tracking, rules)
        if not plan:
            who = "no project of this namespace says" if project is None else "the project does not say"
            note(f"{who} what is to go: 'katib store retention' sets that; or use --deleted-for TIME or --keep-best N")
        if dry_run:
            would = total([tracking.purgeable(purge.policy) for purge in plan])
            say(f"{name}: would remove {_sentence(would, deleting='delete')}")
            return
        place = None if artifacts is None else open_artifacts(artifacts)
        vault = None if archive is None else open_artifacts(archive)
        local = _experiments_here(settings, store, plan) if name == str(settings.home.store_path) else []
        told = _Progress()
        try:
            done = apply_plan(tracking, plan, artifacts=place, archive=vault, progress=told.show)
        finally:
            told.end()
        _remove_folders(settings, store, local)
        archived = f", {counted(done.purged.archived, 'run')} archived" if vault is not None else ""
        say(
            f"{name}: removed {_sentence(done.purged)}"
            + archived
            + f", {counted(done.files, 'file')}" * (place is not None)
        )
        if done.waiting and name != str(settings.home.store_path):
            note("files of purged runs are still there: --artifacts URL says where, and removes them")


def _sentence(purged: Purged, *, deleting: str = "deleted") -> str:
    parts = ["projects", "experiments", "runs", "points"]
    told = ", ".join(counted(getattr(purged, part), part.removesuffix("s")) for part in parts)
    return told + f"; {deleting} {counted(purged.deleted, 'trial')}" * bool(purged.deleted)


def _experiments_here(settings: Settings, store: FullStore, plan: list[PlannedPurge]) -> list[str]:
    """Return deleted experiments that may have a folder in the home."""
    from katib.cli.tracked import all_searches
    from katib.store.tracking.records import Lifecycle

    if all(purge.policy.deleted_before is None for purge in plan):
        return []
    tracking = store.tracking(settings.namespace)
    return [search.id for search in all_searches(tracking, Lifecycle.DELETED)]


def _remove_folders(settings: Settings, store: FullStore, experiments: list[str]) -> None:
    """Remove what is left in the home of experiments that are gone."""
    from katib.errors import NotFound

    tracking = store.tracking(settings.namespace)
    for uid in experiments:
        try:
            tracking.search(uid)
        except NotFound:
            settings.home.remove_experiment(uid)


class _Progress:
    """One line on a terminal that says how much is gone."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._wanted = sys.stderr.isatty()

    def show(self, purged: Purged) -> None:
        now = time.monotonic()
        if self._wanted and now - self._shown >= _TOLD_EVERY:
            sys.stderr.write(f"\r{purged.runs:,} runs, {purged.points:,} points removed")
            sys.stderr.flush()
            self._shown = now

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\n")
