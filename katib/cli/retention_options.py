"""Options about what a purge takes, the same for who carries it out and who sets a project's policy."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["DeletedForOption", "KeepBestOption"]

DeletedForOption = Annotated[
    str | None,
    typer.Option(
        "--deleted-for",
        metavar="TIME",
        help="Remove what was deleted so long ago, such as 30d.",
        show_default=False,
    ),
]
KeepBestOption = Annotated[
    int | None,
    typer.Option("--keep-best", min=1, metavar="N", help="Delete finished trials, but the best N of each experiment."),
]
