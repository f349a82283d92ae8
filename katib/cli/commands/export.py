"""``katib export``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_experiments
from katib.cli.store_url import StoreUrlOption
from katib.store.export import Form

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.cli.settings import Settings
    from katib.store.export import Selection
    from katib.store.full_store import FullStore
    from katib.store.tracking.protocol import Tracking

__all__ = ["command"]


def command(
    settings: Settings,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[EXPERIMENT]", autocompletion=complete_experiments, help="The experiment.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Form,
        typer.Option(
            "--output",
            "-o",
            "--format",
            metavar="FORM",
            help="csv (the default), json, jsonl, parquet or arrow.",
            show_default=False,
        ),
    ] = Form.CSV,
    series: Annotated[
        bool, typer.Option("--series", help="Every report of every metric instead of one row per trial.")
    ] = False,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="Write this file instead of standard output.")
    ] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="All runs of a project.")] = None,
    filter_by: Annotated[
        str | None, typer.Option("--filter", metavar="FILTER", help="Runs that pass, such as 'metrics.loss < 0.1'.")
    ] = None,
    points: Annotated[
        bool, typer.Option("--points", help="Every report of every metric, as a table of runs has it.")
    ] = False,
    url: StoreUrlOption = None,
) -> None:
    """Write the trials of an experiment, or any runs, as a table.

    An experiment alone, as csv or json: one row per trial, columns parameters.X and metrics.X (and metrics.X.min, .max, .latest).
    Everything else: one row per run, columns params.X, metrics.X.latest, .min, .max and tags.X. Running trials are included.
    """
    from katib.cli.store_url import stated_store
    from katib.errors import InvalidInput, NotFound
    from katib.store.export import Selection
    from katib.store.tracking.records import RunScope

    if name is None and project is None and filter_by is None:
        raise InvalidInput("say what to export: an experiment, --project NAME or --filter FILTER ('' for all runs)")
    plain = (project, filter_by, points) == (None, None, False) and not output.is_binary and output is not Form.JSONL
    if series and not plain:
        raise InvalidInput(
            "--series writes the trials of one experiment as csv or json; --points writes those of any runs"
        )
    with stated_store(url, settings) as store:
        tracking = store.tracking(settings.namespace)
        experiments: tuple[str, ...] = ()
        if name is not None:
            experiment = _experiment(store, settings, name)
            if plain and not isinstance(experiment, str):
                _write_trials(store, experiment, output, file, series=series)
                return
            if series:
                raise NotFound(f"{name!r} is no experiment that katib ran: --points writes what it reported")
            experiments = (experiment if isinstance(experiment, str) else experiment.metadata.uid or "",)
        projects = () if project is None else (tracking.project_named(project).id,)
        scope = RunScope(project_ids=projects, experiment_ids=experiments)
        _write_runs(tracking, Selection(filter_by or "", scope=scope), output, file, points=points)


def _experiment(store: FullStore, settings: Settings, name: str) -> Experiment | str:
    """Return an experiment that katib ran, or the uid of another one."""
    from katib.cli.lookup import experiment_named
    from katib.cli.tracked import search_meant
    from katib.errors import NotFound
    from katib.store.tracking.records import Lifecycle

    try:
        return experiment_named(store, settings.namespace, name)
    except NotFound:
        try:
            return search_meant(store.tracking(settings.namespace), name, Lifecycle.ACTIVE).id
        except NotFound:
            pass
        raise


def _write_trials(store: FullStore, experiment: Experiment, form: Form, file: str | None, *, series: bool) -> None:
    from katib.cli.destination import text_destination
    from katib.cli.export_rows import columns, series_columns, series_rows, trial_rows, write_csv, write_json

    heading = series_columns() if series else columns(experiment)
    rows = series_rows(store, experiment) if series else trial_rows(store, experiment)
    with text_destination(file) as destination:
        (write_csv if form is Form.CSV else write_json)(destination, heading, rows)


def _write_runs(tracking: Tracking, selection: Selection, form: Form, file: str | None, *, points: bool) -> None:
    from katib.cli.destination import binary_destination, text_destination
    from katib.store.export import write, write_text

    if form.is_binary:
        with binary_destination(file) as binary:
            write(tracking, selection, form, binary, points=points)
    else:
        with text_destination(file) as text:
            write_text(tracking, selection, form, text, points=points)
