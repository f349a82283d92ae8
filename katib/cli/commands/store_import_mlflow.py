"""``katib store import-mlflow``."""

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
    source: Annotated[
        str,
        typer.Option("--from", metavar="URL", help="The MLflow server: http://HOST:PORT.", show_default=False),
    ],
    workspace: Annotated[
        str | None,
        typer.Option("--from-workspace", metavar="NAME", help="The workspace there.", show_default=False),
    ] = None,
    experiment: Annotated[
        list[str] | None,
        typer.Option(
            "--experiment",
            metavar="NAME",
            help="Only this experiment of MLflow's; can be repeated.",
            show_default=False,
        ),
    ] = None,
    artifacts: ArtifactsOption = None,
    no_artifacts: NoArtifactsOption = False,
    deleted: DeletedOption = False,
    url: StoreUrlOption = None,
) -> None:
    """Copy the runs of an MLflow server into a store.

    Nothing is changed there. Runs keep their ids, so running it again, also after it was interrupted, copies what is missing or has
    changed. MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who asks.
    """
    from katib.cli.mlflow_copies import copy_and_tell, files_place, server_at
    from katib.cli.store_url import named_store
    from katib.cli.user import user_name
    from katib.rest.mlflow_copy import import_runs

    with server_at(source, workspace) as server:
        files = files_place(artifacts, url, settings, wanted=not no_artifacts)
        with named_store(url, settings) as (name, store):
            tracking = store.tracking(settings.namespace, actor=user_name())
            copy_and_tell(
                lambda progress: import_runs(
                    server, tracking, artifacts=files, experiments=experiment or (), deleted=deleted, progress=progress
                ),
                f"into {name}",
            )
