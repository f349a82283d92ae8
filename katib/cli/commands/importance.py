"""``katib importance``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import ExperimentName, Output, OutputOption
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    name: ExperimentName,
    metric: Annotated[
        str | None,
        typer.Option("--metric", metavar="NAME", help="For this metric, instead of the objective.", show_default=False),
    ] = None,
    output: OutputOption = Output.TABLE,
    url: StoreUrlOption = None,
) -> None:
    """Show how much each parameter of an experiment matters.

    Optuna's fANOVA on the finished trials: which part of the differences between their results each parameter explains.
    """
    from katib.cli.printing import say, say_table
    from katib.cli.resource_output import print_document
    from katib.cli.store_url import stated_store
    from katib.cli.tracked import search_meant
    from katib.store.tracking.records import Lifecycle

    with stated_store(url, settings) as store:
        tracking = store.tracking(settings.namespace)
        search = search_meant(tracking, name, Lifecycle.ACTIVE)
        found = tracking.importances(search.id, metric)
    if output is Output.NAME:
        for parameter in found:
            say(parameter)
    elif output in {Output.JSON, Output.YAML}:
        print_document({"metric": metric or search.objective, "importances": found}, output)
    else:
        say_table(["PARAMETER", "IMPORTANCE"], [[parameter, f"{share:.3f}"] for parameter, share in found.items()])
