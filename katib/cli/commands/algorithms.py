"""``katib algorithms``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_plugins
from katib.cli.options import Output, OutputOption

if TYPE_CHECKING:
    from katib.algorithm.discovery import Description
    from katib.cli.settings import Settings

__all__ = ["command"]

_ALGORITHM = "algorithm"
_STOPPER = "early stopper"


def command(
    settings: Settings,  # noqa: ARG001 - every command has it
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", autocompletion=complete_plugins, help="Which one.", show_default=False),
    ] = None,
    early_stopping: Annotated[
        bool,
        typer.Option("--early-stopping", help="Only early stoppers; some have the name of an algorithm."),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the algorithms and early stoppers, or explain one.

    An experiment names its algorithm in spec.algorithm.algorithmName and sets it in algorithmSettings; an early stopper likewise in
    spec.earlyStopping.
    """
    from katib.cli.printing import say
    from katib.cli.resource_output import print_document

    if name is not None:
        kind, described = _found(name, early_stopping=early_stopping)
        if output in {Output.JSON, Output.YAML}:
            print_document(_document(kind, described), output)
        elif output is Output.NAME:
            say(described.name)
        else:
            _explain(kind, described)
        return
    _list(output, early_stopping=early_stopping)


def _found(name: str, *, early_stopping: bool) -> tuple[str, Description]:
    """Return what a name means: an algorithm first of all, or else an early stopper."""
    from katib.algorithm import early_stoppers, registry
    from katib.cli.algorithm_named import algorithm_named, early_stopper_named

    if early_stopping or (name not in registry.names() and name in early_stoppers.names()):
        return _STOPPER, early_stopper_named(name)
    return _ALGORITHM, algorithm_named(name)


def _list(output: Output, *, early_stopping: bool) -> None:
    from katib.algorithm import early_stoppers, registry
    from katib.cli.plain_docs import plain
    from katib.cli.printing import say, say_table
    from katib.cli.resource_output import print_document

    listed = [] if early_stopping else [(_ALGORITHM, *item) for item in registry.summaries().items()]
    listed += [(_STOPPER, *item) for item in early_stoppers.summaries().items()]
    rows = [[name, kind, plain(summary)] for kind, name, summary in listed]
    if output in {Output.JSON, Output.YAML}:
        print_document([{"name": name, "kind": kind, "summary": summary} for name, kind, summary in rows], output)
    elif output is Output.NAME:
        say("\n".join(dict.fromkeys(name for name, _, _ in rows)))
    else:
        say_table(["NAME", "KIND", "SUMMARY"], rows)


def _document(kind: str, described: Description) -> dict[str, object]:
    import dataclasses

    return {"kind": kind, **dataclasses.asdict(described)}


def _explain(kind: str, described: Description) -> None:
    from katib.algorithm import early_stoppers
    from katib.cli.plain_docs import plain
    from katib.cli.printing import say, say_table

    say(f"{described.name}: {plain(described.summary)}")
    if described.details:
        say()
        say(plain(described.details))
    say()
    if described.settings:
        rows = [[item.name, item.type, item.default, plain(item.description)] for item in described.settings]
        say_table(["SETTING", "TYPE", "DEFAULT", "MEANING"], rows)
    else:
        say("It has no settings.")
    if kind == _ALGORITHM and described.name in early_stoppers.names():
        say()
        say(f"There is an early stopper of this name too: katib algorithms {described.name} --early-stopping")
