"""``katib version``."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

from katib.cli.options import Output, OutputOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command", "sentence"]


def command(settings: Settings, output: OutputOption = Output.TABLE) -> None:  # noqa: ARG001 - every command has it
    """Print the version."""
    from katib.cli.printing import say
    from katib.cli.resource_output import print_document

    found = {"katib": version_of("katib"), "python": platform.python_version(), "platform": platform.platform()}
    if output in {Output.JSON, Output.YAML}:
        print_document(found, output)
    else:
        say(sentence())


def sentence() -> str:
    """Return the version on one line."""
    return f"katib {version_of('katib')} (Python {platform.python_version()})"
