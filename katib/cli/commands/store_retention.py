"""``katib store retention``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from katib.cli.options import Output, OutputOption
from katib.cli.retention_options import DeletedForOption, KeepBestOption
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Project, ProjectRetention

__all__ = ["command"]


def command(
    settings: Settings,
    project: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROJECT]", help="The project; what is set without a name is that of Default.", show_default=False
        ),
    ] = None,
    deleted_for: DeletedForOption = None,
    keep_best: KeepBestOption = None,
    archive: Annotated[
        bool | None,
        typer.Option(
            "--archive/--no-archive", help="Purge runs only where an archive has them first.", show_default=False
        ),
    ] = None,
    keep_artifacts: Annotated[
        bool | None,
        typer.Option(
            "--keep-artifacts/--no-keep-artifacts", help="Leave the files of purged runs.", show_default=False
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget what was set before.")] = False,
    output: OutputOption = Output.TABLE,
    url: StoreUrlOption = None,
) -> None:
    """Show or set what a project wants purged.

    'katib store purge' carries it out, and so does a server that is told how often. What is not named stays as it was set; without any
    option, the policy of the project, or of all projects that have one, is shown.
    """
    from katib.api.duration import parse_duration
    from katib.cli.store_url import named_store
    from katib.cli.user import user_name
    from katib.store.retention import projects_with_retention
    from katib.store.tracking.records import ProjectRetention

    changes: dict[str, Any] = {
        "deleted_for": None if deleted_for is None else parse_duration(deleted_for),
        "keep_best": keep_best,
        "archive": archive,
        "keep_artifacts": keep_artifacts,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    with named_store(url, settings) as (_, store):
        tracking = store.tracking(settings.namespace, actor=user_name())
        if not changes and not clear:
            found = [tracking.project_named(project)] if project is not None else [*projects_with_retention(tracking)]
            _show(found, output, single=project is not None)
            return
        meant = _meant(tracking, project)
        retention: ProjectRetention = replace(ProjectRetention() if clear else meant.retention, **changes)
        _show([tracking.update_project(meant.id, retention=retention)], output, single=True)


def _meant(tracking: Tracking, name: str | None) -> Project:
    return tracking.default_project() if name is None else tracking.project_named(name)


def _show(projects: list[Project], output: Output, *, single: bool) -> None:
    from katib.api.duration import format_duration
    from katib.cli.printing import note, say, say_table
    from katib.cli.resource_output import print_document

    if output is Output.NAME:
        for project in projects:
            say(project.name)
    elif output in {Output.JSON, Output.YAML}:
        documents = [_document(project) for project in projects]
        print_document(documents[0] if single else documents, output)
    elif not projects:
        note("no project of this namespace has a policy: 'katib store retention PROJECT --deleted-for 30d' sets one")
    else:
        rows = [
            [
                project.name,
                "" if project.retention.deleted_for is None else format_duration(project.retention.deleted_for),
                str(project.retention.keep_best or ""),
                "yes" if project.retention.archive else "no",
                "stay" if project.retention.keep_artifacts else "go",
            ]
            for project in projects
        ]
        say_table(["PROJECT", "DELETED-FOR", "KEEP-BEST", "ARCHIVE", "FILES"], rows)


def _document(project: Project) -> dict[str, Any]:
    own = project.retention
    return {
        "project": project.name,
        "id": project.id,
        "namespace": project.namespace,
        "deletedForSeconds": None if own.deleted_for is None else own.deleted_for.total_seconds(),
        "keepBest": own.keep_best,
        "archive": own.archive,
        "keepArtifacts": own.keep_artifacts,
    }
