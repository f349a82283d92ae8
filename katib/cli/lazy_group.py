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
    "KATIB_STORE_URL": "as --url, for the commands that serve or change a store",
    "KATIB_TRACKING_URI": "as --tracking-uri",
    "NO_COLOR": "as --no-color",
    "KATIB_DEBUG": "show the traceback of a fault in katib itself",
}
"""Every variable the commands read, and what it does."""


def _load(name: str) -> Any:
    """Import one command and make it one of typer's."""
    function = importlib.import_module(COMMANDS[name].module).command
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    settings = {"help_option_names": ["-h", "--help"]}
    alone.command(name.rsplit(maxsplit=1)[-1], cls=OneCommand, context_settings=settings)(with_common_options(function))
    return typer.main.get_command(alone)


class _Commands(MutableMapping[str, Any]):
    """The commands behind some words, by their next word; looking at the names imports nothing."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._words = dict.fromkeys(name.removeprefix(prefix).split()[0] for name in _beginning_with(prefix))
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, word: str) -> Any:
        if word not in self._loaded:
            name = self._prefix + word
            if word not in self._words:
                raise KeyError(word)
            self._loaded[word] = _load(name) if name in COMMANDS else LazyGroup(name=word, prefix=f"{name} ")
        return self._loaded[word]

    def __setitem__(self, word: str, command: Any) -> None:
        self._loaded[word] = command

    def __delitem__(self, word: str) -> None:
        del self._loaded[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)


def _beginning_with(prefix: str) -> list[str]:
    return [name for name in COMMANDS if name.startswith(prefix)]


class LazyGroup(TyperGroup):
    """``katib`` itself, or the first word of some of its commands: its help comes from the table of commands.

    Args:
        prefix: The words before, each with a space behind it; empty for ``katib`` itself.
    """

    def __init__(self, *, prefix: str = "", **attributes: Any) -> None:
        if prefix:
            attributes.setdefault("help", f"Commands of katib {prefix.strip()}.")
            attributes.setdefault("rich_markup_mode", None)
            attributes.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(**attributes)
        self._prefix = prefix
        self.commands = _Commands(prefix)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return the names in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the commands by section."""
        shown = {name: COMMANDS[name] for name in _beginning_with(self._prefix)}
        for section in dict.fromkeys(line.section for line in shown.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name.removeprefix(self._prefix), line.summary)
                        for name, line in shown.items()
                        if line.section == section
                    ]
                )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is meant, or say which ones there are."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            from katib.api.similar import did_you_mean

            before = f"katib {self._prefix}".strip()
            hint = did_you_mean(args[0], self.commands) or f"{before} --help lists the commands"
            raise InvalidInput(f"there is no command {self._prefix + args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write what cannot be guessed: environment and exit codes."""
        if self._prefix:
            return
        with formatter.section("Environment"):
            formatter.write_dl(list(ENVIRONMENT.items()))
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])
