"""``katib delete``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import ExperimentNames

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    names: ExperimentNames,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete experiments with their trials and files.

    Asks first on a terminal; a script is taken at its word.
    """
    from katib.cli.counted import counted
    from katib.cli.lookup import experiment_named
    from katib.cli.printing import note, say
    from katib.cli.run_summary import command_of
    from katib.errors import Conflict, Interrupted
    from katib.local.submit import delete

    with settings.open_store() as store:
        experiments = [experiment_named(store, settings.namespace, name) for name in dict.fromkeys(names)]
        for experiment in experiments:  # before the first one is gone
            if settings.home.is_driven(experiment.metadata.uid or ""):
                name, namespace = experiment.metadata.name, experiment.metadata.namespace
                raise Conflict(f"experiment {name!r} is running: stop it first ({command_of('stop', name, namespace)})")
        if not yes and sys.stdin.isatty():
            for experiment in experiments:
                trials = experiment.status.trials if experiment.status else 0
                note(f"experiment {experiment.metadata.name} with {counted(trials, 'trial')} and all files of it")
            if not _confirmed():
                raise Interrupted("nothing was deleted")
        for experiment in experiments:
            delete(settings.home, store, experiment)
            say(f"experiment {experiment.metadata.name} deleted")


def _confirmed() -> bool:
    """Ask on standard error, so that the question is seen also when the answer is written to a file.

    The line is not read by readline, which may sleep through a Ctrl-C that comes as soon as the question is seen.
    """
    while True:
        try:
            sys.stderr.write("Delete? [y/N]: ")
            sys.stderr.flush()
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        if not line:  # Ctrl-D or Ctrl-C is no, and leaves the cursor where it is
            sys.stderr.write("\n")
        answer = line.strip().lower()
        if answer in ("", "n", "no", "y", "yes"):
            return answer.startswith("y")
