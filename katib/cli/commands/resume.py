"""``katib resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import (
    ExperimentName,
    LiveOption,
    MaxTrialsOption,
    ParallelOption,
    QuietOption,
    Runtime,
    TrackingUriOption,
)

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    name: ExperimentName,
    max_trials: MaxTrialsOption = None,
    parallel: ParallelOption = None,
    runtime: Annotated[
        Runtime | None,
        typer.Option(
            "--runtime",
            metavar="HOW",
            help="Run each trial as a process, or its image by docker or podman (default: as before).",
            show_default=False,
        ),
    ] = None,
    tracking_uri: TrackingUriOption = None,
    no_live: LiveOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with an experiment that was stopped or cut short.

    Trials that still run are taken over, those that were lost are run again under the same index; no other is repeated.
    """
    from katib.cli.driving import drive
    from katib.cli.lookup import experiment_named
    from katib.errors import Unsupported
    from katib.local.submit import resume
    from katib.runners.container_engine import find_engine

    if runtime is Runtime.KUBERNETES:
        raise Unsupported(
            "a cluster runs its experiments by itself, and this one is of this machine: leave --runtime out"
        )
    with settings.open_store() as store:
        experiment = experiment_named(store, settings.namespace, name)
        if runtime in {Runtime.DOCKER, Runtime.PODMAN}:
            find_engine(runtime.value)  # before anything of the experiment is changed
        ready = resume(settings.home, store, experiment, max_trials=max_trials, parallel=parallel)
        raise typer.Exit(
            drive(settings, store, ready, runtime=runtime, tracking_uri=tracking_uri, no_live=no_live, quiet=quiet)
        )
