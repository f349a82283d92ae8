"""``katib completion``."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


class Shell(enum.StrEnum):
    """The shells that can be taught."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def command(
    settings: Settings,  # noqa: ARG001 - every command has it
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print the completion script of a shell.

    For bash: add  source <(katib completion bash)  to ~/.bashrc. Experiments, trials and algorithms are completed by the
    names that exist at that moment.
    """
    from typer._completion_shared import get_completion_script

    from katib.cli.printing import say

    say(get_completion_script(prog_name="katib", complete_var="_KATIB_COMPLETE", shell=shell.value))
