"""The options every command has, added to each command's own: people write ``-n`` before the command and after it."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from katib.cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ColorOption", "HomeOption", "NamespaceOption", "VerboseOption", "with_common_options"]

HomeOption = Annotated[
    str | None, typer.Option("--home", metavar="DIR", help="Where experiments are kept.", show_envvar=False)
]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", metavar="NAME", help="The namespace (default: default).")
]
ColorOption = Annotated[bool, typer.Option("--no-color", help="Print no colours.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]

_COMMON: dict[str, tuple[Any, Any]] = {
    "home": (HomeOption, None),
    "namespace": (NamespaceOption, None),
    "no_color": (ColorOption, False),
    "verbose": (VerboseOption, False),
}


def with_common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the common options, which reach it together as its first argument ``settings``."""
    own = [parameter for parameter in inspect.signature(function).parameters.values() if parameter.name != "settings"]
    # ``settings`` is no option: the name of its type need not be known where the command is.
    hints = typing.get_type_hints(function, localns={"Settings": Settings}, include_extras=True)

    @functools.wraps(function)
    def command(context: typer.Context, **arguments: Any) -> Any:
        stated = {name: arguments.pop(name) for name in _COMMON}
        before = context.obj if isinstance(context.obj, Settings) else Settings()
        return function(before.merged(**stated), **arguments)

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *(parameter.replace(kind=keyword, annotation=hints[parameter.name]) for parameter in own),
        *(inspect.Parameter(name, keyword, default=d, annotation=a) for name, (a, d) in _COMMON.items()),
    ]
    # Typer reads either of the two, depending on its version.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
