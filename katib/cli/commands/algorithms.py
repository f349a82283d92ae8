"""``katib algorithms``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_algorithms
from katib.cli.options import Output, OutputOption

if TYPE_CHECKING:
    from katib.algorithm.registry import Description
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,  # noqa: ARG001 - every command has it
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", autocompletion=complete_algorithms, help="The algorithm.", show_default=False),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the algorithms, or explain one.

    An experiment names its algorithm in spec.algorithm.algorithmName and sets it in algorithmSettings.
    """
    from katib.algorithm import registry
    from katib.cli.algorithm_named import algorithm_named
    from katib.cli.plain_docs import plain
    from katib.cli.printing import say, say_table
    from katib.cli.resource_output import print_document

    if name is not None:
        described = algorithm_named(name)
        if output in {Output.JSON, Output.YAML}:
            print_document(_document(described), output)
        elif output is Output.NAME:
            say(described.name)
        else:
            _explain(described)
        return
    summaries = {key: plain(summary) for key, summary in registry.summaries().items()}
    if output in {Output.JSON, Output.YAML}:
        print_document([{"name": key, "summary": summary} for key, summary in summaries.items()], output)
    elif output is Output.NAME:
        say("\n".join(summaries))
    else:
        say_table(["NAME", "SUMMARY"], [[key, summary] for key, summary in summaries.items()])


def _document(described: Description) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(described)


def _explain(described: Description) -> None:
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
