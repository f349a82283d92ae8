"""How commands show their usage: arguments by their names alone, and the options every command has apart from its own."""

from __future__ import annotations

import re
from typing import Any, Final

from typer.core import TyperCommand

__all__ = ["OneCommand", "usage_sentence"]

_EVERYWHERE = frozenset({"home", "namespace", "no_color", "verbose", "help"})
"""Options that stand last, so that a command's own are seen first."""

_TYPERS_WORDS: Final = (
    (": Value error, ", ": "),  # what a parameter's type says of its value comes with the name of a Python exception
    (r"Input should be a valid integer.*", "must be a whole number"),
    (r"Input should be a valid number.*", "must be a number"),
    (r"Input should be greater than or equal to (\S+)", r"must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"must be at most \1"),
    (r"Input should be greater than (\S+)", r"must be more than \1"),
    (r"Input should be less than (\S+)", r"must be less than \1"),
    (r"Input should be ", "must be "),
)
"""Typer's way to say what is wrong with a value, and ours."""


class OneCommand(TyperCommand):
    """A command whose help says ``FILE...`` where its arguments are called so."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Return what follows the command's name in its usage."""
        return ["[OPTIONS]", *(str(item.metavar or item.name) for item in self._arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the command's own options, and the common ones."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Common options": []}
        sections["Arguments"] = [(str(item.metavar or item.name), item.help or "") for item in self._arguments()]
        for option in self.get_params(ctx):
            if option.param_type_name == "option" and (record := option.get_help_record(ctx)) is not None:
                sections["Common options" if option.name in _EVERYWHERE else "Options"].append(record)
        for title, lines in sections.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)

    def _arguments(self) -> list[Any]:
        return [item for item in self.params if item.param_type_name == "argument"]


def usage_sentence(error: Any) -> str:
    """Return what is wrong with a command line, as our own errors say it; ``error`` is one of typer's."""
    known = getattr(error, "possibilities", None)
    text = " ".join(str(error.message if known else error.format_message()).split()).rstrip(".")
    for theirs, ours in _TYPERS_WORDS:
        text = re.sub(theirs, ours, text)
    hint = f"; did you mean {' or '.join(repr(name) for name in sorted(known))}?" if known else ""
    return text[:1].lower() + text[1:] + hint
