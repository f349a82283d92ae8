"""``katib init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.completions import complete_algorithms

if TYPE_CHECKING:
    from katib.algorithm.registry import Description
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,  # noqa: ARG001 - every command has it
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]", help="Write this file, which must be new; else standard output.", show_default=False
        ),
    ] = None,
    algorithm: Annotated[
        str,
        typer.Option("--algorithm", "-a", metavar="NAME", autocompletion=complete_algorithms, help="The algorithm."),
    ] = "random",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The experiment's name.")] = "first",
) -> None:
    """Write a commented experiment to start from.

    It runs as it is, unless a note says what to fill in; put your own program and parameters in.
    """
    import shlex
    from importlib.resources import files

    from katib.cli.algorithm_named import algorithm_named
    from katib.cli.printing import note, say

    _check(name)
    described = algorithm_named(algorithm)
    template = files("katib.cli").joinpath("templates/experiment.yaml").read_text(encoding="utf-8")
    text = (
        template.replace("@NAME@", name)
        .replace("@ALGORITHM@", described.name)
        .replace("    # @SETTINGS@\n", _settings(described))
    )
    problems = _problems(text)
    if file is None or file == "-":
        say(text.rstrip("\n"))
    else:
        _write_new(file, text)
        say(f"{file} written; katib run {shlex.quote(file)} runs it" + ", once it is filled in" * bool(problems))
    for problem in problems:
        note(f"note: before it can run: {problem}")


def _check(name: str) -> None:
    """Refuse a name that no experiment may have, rather than write a file that cannot run."""
    from katib.api.base import ObjectMeta
    from katib.api.experiment import Experiment, ExperimentSpec
    from katib.api.validate.metadata import metadata_problems
    from katib.errors import InvalidInput

    for problem in metadata_problems(
        Experiment.model_construct(metadata=ObjectMeta(name=name), spec=ExperimentSpec.model_construct())
    ):
        raise InvalidInput(f"--name {name!r}: {problem.message}")


def _problems(text: str) -> list[str]:
    """Return what the algorithm misses in the template: a setting only the user can choose, or parameters of another kind."""
    from katib.errors import InvalidInput
    from katib.local.submit import check

    try:
        check(text)
    except InvalidInput as error:
        return [str(problem) for problem in error.problems]
    return []


def _settings(described: Description) -> str:
    """Return the algorithm's settings as a commented block."""
    from katib.cli.plain_docs import plain

    if not described.settings:
        return f"    # {described.name} has no settings.\n"
    # An empty default is one the algorithm chooses itself.
    lines = [
        f'    #   - {{name: {setting.name}, value: "{setting.default}"}}  # {plain(setting.description)}\n'
        for setting in described.settings
    ]
    return "".join(["    # algorithmSettings:\n", *lines])


def _write_new(path: str, text: str) -> None:
    from pathlib import Path

    from katib.errors import Conflict, InvalidInput

    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise Conflict(f"{path} exists already: choose another file, or remove it first") from error
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
