"""``katib stop``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import ExperimentName

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    name: ExperimentName,
    now: Annotated[bool, typer.Option("--now", help="Kill running trials instead of giving them time to end.")] = False,
) -> None:
    """Stop an experiment; it can be resumed.

    The process that runs it is asked to end; without one, trials it left running are ended here.
    """
    from katib.cli.lookup import experiment_named
    from katib.cli.printing import say
    from katib.cli.run_summary import command_of
    from katib.engine.status import over
    from katib.local.stopping import stop

    with settings.open_store() as store:
        experiment = experiment_named(store, settings.namespace, name)
        name, namespace = experiment.metadata.name, experiment.metadata.namespace
        driven = settings.home.is_driven(experiment.metadata.uid or "")
        if over(experiment.status) and not driven:
            say(f"experiment {name} is over already")
            return
        stop(settings.home, store, experiment, at_once=now)
        if driven:
            say(f"experiment {name} is stopping; {command_of('wait', name, namespace)} returns when it has ended")
        else:
            say(f"experiment {name} stopped; {command_of('resume', name, namespace)} goes on with it")
