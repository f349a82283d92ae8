"""``katib compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_trials
from katib.cli.options import Output, OutputOption
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            autocompletion=complete_trials,
            help="Names or ids of runs; with --best, an experiment.",
            show_default=False,
        ),
    ],
    best: Annotated[
        int | None,
        typer.Option(
            "--best", min=2, max=100, metavar="N", help="The best N trials of an experiment.", show_default=False
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    url: StoreUrlOption = None,
) -> None:
    """Show what differs between runs.

    Parameters, latest values of metrics, tags, properties, datasets, code and environment. -o wide shows what is equal, too.
    """
    from katib.cli.compared_runs import best_runs, comparison_rows, run_meant
    from katib.cli.printing import say, say_table
    from katib.cli.resource_output import print_document
    from katib.cli.store_url import stated_store
    from katib.cli.tracked import search_meant
    from katib.errors import InvalidInput
    from katib.store.tracking.records import Lifecycle

    if best is not None and len(runs) != 1:
        raise InvalidInput("--best compares trials of one experiment: name that alone")
    if best is None and len(runs) == 1:
        raise InvalidInput("name two runs or more, or an experiment with --best N")
    with stated_store(url, settings) as store:
        tracking = store.tracking(settings.namespace)
        if best is None:
            found = [run_meant(tracking, word) for word in dict.fromkeys(runs)]
        else:
            found = best_runs(tracking, search_meant(tracking, runs[0], Lifecycle.ACTIVE), best)
        comparison = tracking.compare([run.id for run in found])
    if output is Output.NAME:
        for run in found:
            say(run.name)
    elif output in {Output.JSON, Output.YAML}:
        document = {
            "runs": [{"id": run.id, "name": run.name} for run in found],
            "different": {name: list(values) for name, values in comparison.different.items()},
            "equal": dict(comparison.equal),
        }
        print_document(document, output)
    else:
        rows = list(comparison_rows(comparison, equal=output is Output.WIDE))
        say_table(["", *[run.name for run in found]], rows)
