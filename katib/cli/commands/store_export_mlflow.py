"""``katib store export-mlflow``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.mlflow_copies import ArtifactsOption, DeletedOption, NoArtifactsOption
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    target: Annotated[
        str, typer.Option("--to", metavar="URL", help="The MLflow server: http://HOST:PORT.", show_default=False)
    ],
    workspace: Annotated[
        str | None, typer.Option("--to-workspace", metavar="NAME", help="The workspace there.", show_default=False)
    ] = None,
    project: Annotated[
        list[str] | None,
        typer.Option("--project", metavar="NAME", help="Only this project; can be repeated.", show_default=False),
    ] = None,
    artifacts: ArtifactsOption = None,
    no_artifacts: NoArtifactsOption = False,
    deleted: DeletedOption = False,
    url: StoreUrlOption = None,
) -> None:
    """Copy runs of a store to an MLflow server.

    Each run there has a tag katib.run_id by which it is found again, so running it again, also after it was interrupted, copies what is
    missing or has changed. MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who asks.
    """
    from katib.cli.mlflow_copies import copy_and_tell, files_place, server_at
    from katib.cli.store_url import named_store
    from katib.rest.mlflow_copy import export_runs

    with server_at(target, workspace) as server:
        files = files_place(artifacts, url, settings, wanted=not no_artifacts)
        with named_store(url, settings) as (_, store):
            tracking = store.tracking(settings.namespace)
            copy_and_tell(
                lambda progress: export_runs(
                    server, tracking, artifacts=files, projects=project or (), deleted=deleted, progress=progress
                ),
                f"to {server.name}",
            )
