"""How commands show their usage: arguments by their names alone, and the options every command has apart from its own."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

__all__ = ["OneCommand", "usage_sentence"]

_EVERYWHERE = frozenset({"home", "namespace", "no_color", "verbose", "help"})
"""Options that stand last, so that a command's own are seen first."""


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
    # What a parameter's type says of its value comes with the name of a Python exception.
    text = text.replace(": Value error, ", ": ")
    hint = f"; did you mean {' or '.join(repr(name) for name in sorted(known))}?" if known else ""
    return text[:1].lower() + text[1:] + hint
