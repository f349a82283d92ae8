"""A group whose commands are imported when they are used, so that ``katib --help`` and each command start fast."""

from __future__ import annotations

import importlib
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperGroup

from katib.cli.command_table import COMMANDS
from katib.cli.common_options import with_common_options
from katib.cli.exit_codes import EXIT_CODES
from katib.cli.usage import OneCommand
from katib.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ENVIRONMENT", "LazyGroup"]

ENVIRONMENT: Final[dict[str, str]] = {
    "KATIB_HOME": "as --home; without either, katib in the user's data folder",
    "KATIB_NAMESPACE": "as --namespace",
    "NO_COLOR": "as --no-color",
    "KATIB_DEBUG": "show the traceback of a fault in katib itself",
}
"""Every variable the commands read, and what it does."""


def _load(name: str) -> Any:
    """Import one command and make it one of typer's."""
    function = importlib.import_module(COMMANDS[name].module).command
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    settings = {"help_option_names": ["-h", "--help"]}
    alone.command(name, cls=OneCommand, context_settings=settings)(with_common_options(function))
    return typer.main.get_command(alone)


class _Commands(MutableMapping[str, Any]):
    """The commands by name; looking at the names imports nothing."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            if name not in COMMANDS:
                raise KeyError(name)
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class LazyGroup(TyperGroup):
    """``katib`` itself: its help comes from the table of commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the commands by section."""
        for section in dict.fromkeys(line.section for line in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, line.summary) for name, line in COMMANDS.items() if line.section == section])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant, or say which ones there are."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from katib.api.similar import did_you_mean

            hint = did_you_mean(args[0], COMMANDS) or "katib --help lists the commands"
            raise InvalidInput(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write what cannot be guessed: environment and exit codes."""
        with formatter.section("Environment"):
            formatter.write_dl(list(ENVIRONMENT.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])
