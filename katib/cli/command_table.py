"""Every command with its one line of help, written down so that ``katib --help`` imports none of them.

A test compares this table with the commands themselves.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["COMMANDS", "CommandLine"]


class CommandLine(NamedTuple):
    """One line of ``katib --help``.

    Attributes:
        section: The heading it stands under.
        module: Where its function ``command`` is.
        summary: The first line of that function's docstring.
    """

    section: str
    module: str
    summary: str


_RUN, _LOOK, _SERVE, _OTHER = "Run", "Look", "Serve", "More"

COMMANDS: Final[dict[str, CommandLine]] = {
    "run": CommandLine(_RUN, "katib.cli.commands.run", "Run experiments from files to their end."),
    "resume": CommandLine(_RUN, "katib.cli.commands.resume", "Go on with an experiment that was stopped or cut short."),
    "stop": CommandLine(_RUN, "katib.cli.commands.stop", "Stop an experiment; it can be resumed."),
    "wait": CommandLine(_RUN, "katib.cli.commands.wait", "Wait until an experiment is over or has a condition."),
    "delete": CommandLine(_RUN, "katib.cli.commands.delete", "Delete experiments; they can be restored."),
    "restore": CommandLine(_RUN, "katib.cli.commands.restore", "Bring deleted experiments back."),
    "get": CommandLine(_LOOK, "katib.cli.commands.get", "List experiments, trials or suggestions."),
    "describe": CommandLine(_LOOK, "katib.cli.commands.describe", "Tell everything about an experiment or a trial."),
    "best": CommandLine(_LOOK, "katib.cli.commands.best", "Show the best trial of an experiment."),
    "trials": CommandLine(_LOOK, "katib.cli.commands.trials", "List the trials of an experiment."),
    "compare": CommandLine(_LOOK, "katib.cli.commands.compare", "Show what differs between runs."),
    "importance": CommandLine(
        _LOOK, "katib.cli.commands.importance", "Show how much each parameter of an experiment matters."
    ),
    "logs": CommandLine(_LOOK, "katib.cli.commands.logs", "Print what a trial printed."),
    "export": CommandLine(
        _LOOK, "katib.cli.commands.export", "Write the trials of an experiment, or any runs, as a table."
    ),
    "up": CommandLine(_SERVE, "katib.cli.commands.up", "Serve experiments to a workstation or a small team."),
    "serve suggestion": CommandLine(
        _SERVE,
        "katib.cli.commands.serve_suggestion",
        "Suggest points to other programs over gRPC.",
    ),
    "serve store": CommandLine(
        _SERVE,
        "katib.cli.commands.serve_store",
        "Keep what runs report, for our clients and others'.",
    ),
    "serve operator": CommandLine(
        _SERVE,
        "katib.cli.commands.serve_operator",
        "Run the experiments of a Kubernetes cluster.",
    ),
    "serve api": CommandLine(
        _SERVE,
        "katib.cli.commands.serve_api",
        "Answer for a cluster's experiments over gRPC.",
    ),
    "install keys": CommandLine(
        _SERVE,
        "katib.cli.commands.install_keys",
        "Make the keys that operator and store share, in a Secret.",
    ),
    "init": CommandLine(_OTHER, "katib.cli.commands.init", "Write a commented experiment to start from."),
    "validate": CommandLine(_OTHER, "katib.cli.commands.validate", "Check experiment files without running anything."),
    "algorithms": CommandLine(
        _OTHER, "katib.cli.commands.algorithms", "List the algorithms and early stoppers, or explain one."
    ),
    "store upgrade": CommandLine(
        _OTHER, "katib.cli.commands.store_upgrade", "Create the tables of a store, or bring them up to date."
    ),
    "store check": CommandLine(
        _OTHER, "katib.cli.commands.store_check", "Say whether a store can be reached and used."
    ),
    "store import": CommandLine(
        _OTHER,
        "katib.cli.commands.store_import",
        "Copy the metrics that Katib has kept into a store.",
    ),
    "store import-mlflow": CommandLine(
        _OTHER, "katib.cli.commands.store_import_mlflow", "Copy the runs of an MLflow server into a store."
    ),
    "store export-mlflow": CommandLine(
        _OTHER, "katib.cli.commands.store_export_mlflow", "Copy runs of a store to an MLflow server."
    ),
    "store purge": CommandLine(
        _OTHER, "katib.cli.commands.store_purge", "Remove for good what was deleted long enough ago."
    ),
    "store retention": CommandLine(
        _OTHER, "katib.cli.commands.store_retention", "Show or set what a project wants purged."
    ),
    "store token": CommandLine(
        _OTHER, "katib.cli.commands.store_token", "Make a token and its entry for a token file."
    ),
    "completion": CommandLine(_OTHER, "katib.cli.commands.completion", "Print the completion script of a shell."),
    "version": CommandLine(_OTHER, "katib.cli.commands.version", "Print the version."),
}
"""In the order of the help. A name may be of two words."""
