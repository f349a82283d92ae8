"""What ``katib store import-mlflow`` and ``export-mlflow`` have in common: which server, where files are, and what is said of a copy."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.counted import counted
from katib.errors import InvalidInput, KatibError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.cli.settings import Settings
    from katib.rest.mlflow_copy import Copied, MlflowServer
    from katib.store.artifacts import ArtifactStore

__all__ = ["ArtifactsOption", "DeletedOption", "NoArtifactsOption", "copy_and_tell", "files_place", "server_at"]

ArtifactsOption = Annotated[
    str | None,
    typer.Option(
        "--artifacts",
        metavar="URL",
        help="Where files of runs are kept here, as for `serve store` (default: a folder beside a store in a file).",
        show_default=False,
    ),
]
NoArtifactsOption = Annotated[bool, typer.Option("--no-artifacts", help="Copy no files.")]
DeletedOption = Annotated[bool, typer.Option("--deleted", help="Copy deleted runs too, which are then deleted there.")]

_TOLD_EVERY: float = 0.2
_MOST_TOLD = 20


def server_at(url: str, workspace: str | None) -> MlflowServer:
    """Return the server of an address, with what MLflow's variables say of who calls."""
    from katib.rest.mlflow_copy import MlflowServer
    from katib.rest.mlflow_copy.server import Credentials

    return MlflowServer(url, workspace=workspace, credentials=Credentials.of_environment(os.environ))


def files_place(artifacts: str | None, url: str | None, settings: Settings, *, wanted: bool) -> ArtifactStore | None:
    """Return where files of runs are; None for no files.

    Raises:
        InvalidInput: Nobody said where they are, and the store is no file.
        Unsupported: The extra ``server`` is not installed.
    """
    from katib.cli.store_url import meant_store
    from katib.store.artifacts import open_artifacts

    if not wanted:
        if artifacts is not None:
            raise InvalidInput("--artifacts copies files and --no-artifacts copies none: one of the two")
        return None
    try:
        from katib.cli.store_http import artifacts_place
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"files are copied with the extra `server` (there is no module {error.name}), or --no-artifacts"
        ) from None
    place = artifacts_place(artifacts, meant_store(url, settings))
    if place is None:
        raise InvalidInput("say where files of runs are kept here: --artifacts URL, or --no-artifacts for no files")
    return open_artifacts(place)


def copy_and_tell(copy: Callable[[Callable[[Copied], None]], Copied], sentence: str) -> None:
    """Copy, with a line on a terminal that says how far it is, and say what became of it.

    Args:
        copy: Called with what is to be called after each run.
        sentence: What the summary ends with, such as ``into store.db``.

    Raises:
        KatibError: Some runs could not be copied; each is told.
    """
    from katib.cli.printing import note, say

    progress = _Progress()
    try:
        copied = copy(progress.show)
    finally:
        progress.end()
    for failure in copied.failures[:_MOST_TOLD]:
        note(f"{failure.what}: {failure.why}")
    if copied.failed > _MOST_TOLD:
        note(f"and {copied.failed - _MOST_TOLD:,} more")
    if copied.words:
        note(f"{counted(copied.words, 'report')} without a number left out: MLflow has no place for words")
    if copied.models:
        note(
            f"{counted(copied.models, 'logged model')} of MLflow 3 left out: the files among those of their runs were copied"
        )
    left = f", {counted(copied.left, 'run')} left alone" if copied.left else ""
    say(
        f"{counted(copied.runs, 'run')} of {counted(copied.experiments, 'experiment')} copied {sentence}: "
        f"{counted(copied.points, 'value')} of metrics, {counted(copied.files, 'file')}; "
        f"{counted(copied.unchanged, 'run')} were there before{left}"
    )
    if copied.failed:
        raise KatibError(
            f"{copied.failed:,} could not be copied; what was copied stays, and the same call again tries the others"
        )


class _Progress:
    """One line on a terminal."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._wanted = sys.stderr.isatty()

    def show(self, copied: Copied) -> None:
        now = time.monotonic()
        if self._wanted and now - self._shown >= _TOLD_EVERY:
            done = copied.runs + copied.unchanged + copied.left
            failed = f", {copied.failed:,} failed" if copied.failed else ""
            sys.stderr.write(
                f"\r{counted(done, 'run')}, {counted(copied.points, 'value')}, {counted(copied.files, 'file')}{failed}"
            )
            sys.stderr.flush()
            self._shown = now

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\n")
