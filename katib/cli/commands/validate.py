"""``katib validate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import CheckedRuntimeOption, Output, Runtime

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Experiment files; - is standard input.", show_default=False),
    ] = None,
    runtime: CheckedRuntimeOption = Runtime.PROCESS,
    output: Annotated[
        Output,
        typer.Option(
            "--output",
            "-o",
            metavar="FORM",
            help="json and yaml print the experiments with their defaults filled in.",
            show_default=False,
        ),
    ] = Output.TABLE,
) -> None:
    """Check experiment files without running anything.

    Every problem of every file is told, each with its place.
    """
    from katib.cli.checked_files import checked
    from katib.cli.printing import say
    from katib.cli.resource_output import print_resources

    found = checked(files or [], runtime=runtime, namespace=settings.chosen_namespace)
    if output in {Output.TABLE, Output.WIDE}:
        for file, experiment in found:
            say(f"{file}: experiment {experiment.metadata.name} is valid")
    else:
        print_resources([experiment for _, experiment in found], output, single=len(found) == 1)
