"""``katib run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import (
    LiveOption,
    MaxTrialsOption,
    ParallelOption,
    QuietOption,
    Runtime,
    RuntimeOption,
    TrackingUriOption,
)

if TYPE_CHECKING:
    from katib.api.experiment import Experiment
    from katib.cli.settings import Settings
    from katib.store.protocol import Store

__all__ = ["command"]


def command(
    settings: Settings,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE...", help="Experiment files; - is standard input.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Run it under this name, instead of metadata.name.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete an experiment of the same name first, with its trials.")
    ] = False,
    max_trials: MaxTrialsOption = None,
    parallel: ParallelOption = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="Make the suggestions reproducible, instead of spec.seed.")
    ] = None,
    runtime: RuntimeOption = Runtime.PROCESS,
    tracking_uri: TrackingUriOption = None,
    no_live: LiveOption = False,
    quiet: QuietOption = False,
) -> None:
    """Run experiments from files to their end.

    All files are checked before anything starts; several experiments run one after another.
    Ctrl-C stops cleanly, pressed again at once; katib resume goes on.
    """
    from katib.cli.checked_files import checked
    from katib.cli.driving import drive
    from katib.errors import InvalidInput, Unsupported
    from katib.local.budget import with_budget
    from katib.local.submit import submit

    if name is not None and len(files or []) > 1:
        raise InvalidInput(f"--name is for one experiment, and here are {len(files or [])} files")
    if runtime is Runtime.KUBERNETES:
        raise Unsupported("a cluster runs experiments by itself: kubectl apply -f FILE (docs/install-kubernetes.md)")
    found = checked(files or [], runtime=runtime, name=name, namespace=settings.chosen_namespace)
    experiments = [
        with_budget(experiment, max_trials=max_trials, parallel=parallel, seed=seed) for _, experiment in found
    ]
    with settings.open_store() as store:
        if not replace:
            for experiment in experiments:  # before the first one runs for hours
                _refuse_taken(store, experiment)
        worst = 0
        for experiment in experiments:
            stored = submit(settings.home, store, experiment, replaces=replace)
            code = drive(
                settings, store, stored, runtime=runtime, tracking_uri=tracking_uri, no_live=no_live, quiet=quiet
            )
            worst = max(worst, code)
            if code not in {0, 1}:
                break  # stopped by its user
    raise typer.Exit(worst)


def _refuse_taken(store: Store, experiment: Experiment) -> None:
    """Raise Conflict, with what the user may do, when there is an experiment of this name."""
    from katib.cli.run_summary import command_of
    from katib.engine.status import over
    from katib.errors import Conflict, NotFound

    name, namespace = experiment.metadata.name, experiment.metadata.namespace or "default"
    try:
        known = store.experiment(namespace, name)
    except NotFound:
        return
    last = known.status.conditions[-1].type if known.status and known.status.conditions else ""
    choices = "replace it (--replace) or choose another name (--name)"
    if not over(known.status) or last == "Stopped":
        choices = f"go on with it ({command_of('resume', name, namespace)}), {choices}"
    raise Conflict(f"there is an experiment {name!r} already: {choices}")
