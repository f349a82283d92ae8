"""``katib export``."""

from __future__ import annotations

import contextlib
import enum
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import ExperimentName
from katib.cli.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.cli.export_rows import Writable
    from katib.cli.settings import Settings

__all__ = ["command"]


class Form(enum.StrEnum):
    """What is written."""

    CSV = "csv"
    JSON = "json"


def command(
    settings: Settings,
    name: ExperimentName,
    output: Annotated[
        Form,
        typer.Option(
            "--output",
            "-o",
            "--format",
            metavar="FORM",
            help="csv (the default) for a spreadsheet, json for a program.",
            show_default=False,
        ),
    ] = Form.CSV,
    series: Annotated[
        bool, typer.Option("--series", help="Every report of every metric instead of one row per trial.")
    ] = False,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="Write this file instead of standard output.")
    ] = None,
) -> None:
    """Write the trials of an experiment as CSV or JSON.

    One row per trial: columns parameters.X and metrics.X (and metrics.X.min, .max, .latest). Running trials are included.
    """
    from katib.cli.export_rows import columns, series_columns, series_rows, trial_rows, write_csv, write_json
    from katib.cli.lookup import experiment_named

    with settings.open_store() as store:
        experiment = experiment_named(store, settings.namespace, name)
        heading = series_columns() if series else columns(experiment)
        rows = series_rows(store, experiment) if series else trial_rows(store, experiment)
        with _destination(file) as destination:
            (write_csv if output is Form.CSV else write_json)(destination, heading, rows)


class _SafeTerminal:
    """Standard output where it is a terminal: values that trials made up cannot steer it."""

    def write(self, text: str, /) -> None:
        sys.stdout.write(printable(text))


@contextlib.contextmanager
def _destination(path: str | None) -> Iterator[Writable]:
    """Open standard output, or a file that appears whole or not at all."""
    from katib.errors import InvalidInput

    if path is None or path == "-":
        yield _SafeTerminal() if sys.stdout.isatty() else sys.stdout
        return
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with draft.open("x", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(target)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
