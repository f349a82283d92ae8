"""Arguments and options that several commands share, with what the shell may complete them to."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from katib.cli.completions import complete_experiments, complete_references, complete_trials

__all__ = [
    "CheckedRuntimeOption",
    "ExperimentName",
    "ExperimentNames",
    "LiveOption",
    "MaxTrialsOption",
    "Output",
    "OutputOption",
    "ParallelOption",
    "QuietOption",
    "References",
    "Runtime",
    "RuntimeOption",
    "TrackingUriOption",
    "TrialName",
]


class Output(enum.StrEnum):
    """The forms of ``-o``."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Runtime(enum.StrEnum):
    """What runs a trial's container."""

    PROCESS = "process"
    DOCKER = "docker"
    PODMAN = "podman"
    KUBERNETES = "kubernetes"


OutputOption = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        metavar="FORM",
        help="The form of the answer: table, wide, json, yaml or name.",
        show_default=False,
    ),
]
ExperimentName = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT", autocompletion=complete_experiments, help="The experiment.", show_default=False
    ),
]
ExperimentNames = Annotated[
    list[str],
    typer.Argument(
        metavar="EXPERIMENT...", autocompletion=complete_experiments, help="The experiments.", show_default=False
    ),
]
TrialName = Annotated[
    str, typer.Argument(metavar="TRIAL", autocompletion=complete_trials, help="The trial.", show_default=False)
]
References = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KIND] [NAME...]",
        autocompletion=complete_references,
        help="experiments (exp), trials (tr) or suggestions (sug), and names; a name alone is an experiment's.",
        show_default=False,
    ),
]
MaxTrialsOption = Annotated[
    int | None, typer.Option("--max-trials", min=1, metavar="N", help="Run N trials in all, instead of maxTrialCount.")
]
ParallelOption = Annotated[
    int | None,
    typer.Option("--parallel", min=1, metavar="N", help="Run N trials at a time, instead of parallelTrialCount."),
]
RuntimeOption = Annotated[
    Runtime,
    typer.Option(
        "--runtime",
        metavar="HOW",
        help="Run each trial as a process (the default), or its image by docker or podman.",
        show_default=False,
    ),
]
CheckedRuntimeOption = Annotated[
    Runtime,
    typer.Option(
        "--runtime",
        metavar="HOW",
        help="What is going to run the trials: process (the default), docker, podman, or kubernetes.",
        show_default=False,
    ),
]
TrackingUriOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URL",
        envvar="KATIB_TRACKING_URI",
        help="Where this store is served over HTTP: MLflow's client in a trial then logs to the trial's own run.",
        show_default=False,
        show_envvar=False,
    ),
]
LiveOption = Annotated[bool, typer.Option("--no-live", help="Print one line per finished trial also on a terminal.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result.")]
