"""The one place where an error becomes text on standard error and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from typer.exceptions import TyperException

from katib.cli.exit_codes import INTERNAL
from katib.cli.safe_text import printable
from katib.cli.usage import usage_sentence
from katib.errors import InvalidInput, KatibError, RunnerError

__all__ = ["explain"]


def explain(error: Exception) -> int:
    """Say what went wrong, one line for each problem, and return the exit code.

    A fault that nobody planned for is one sentence; its traceback goes to a file, or to standard error with ``KATIB_DEBUG=1``.
    """
    if os.environ.get("KATIB_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, TyperException):
        _say(f"error: {usage_sentence(error)}")
        context = getattr(error, "ctx", None)
        if context is not None:
            _say(f"see: {context.command_path} --help")
        return InvalidInput.exit_code
    if isinstance(error, InvalidInput):
        for problem in error.problems:
            # An empty path is the whole input; "document:" would say less than the sentence alone.
            text = str(problem) if problem.path or problem.line is not None else str(problem).removeprefix("document: ")
            _say(f"error: {text}")
        return error.exit_code
    if isinstance(error, KatibError):
        _say(f"error: {error}")
        return error.exit_code
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else "cannot read or write: "
        _say(f"error: {where}{error.strerror or error}")
        return RunnerError.exit_code
    kept = "" if os.environ.get("KATIB_DEBUG") else f"; the details are in {_keep_traceback(error)}"
    _say(f"error: katib itself failed ({type(error).__name__}: {error}){kept}")
    return INTERNAL


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # a closed terminal cannot be told
        print(printable(text), file=sys.stderr, flush=True)  # noqa: T201 - this is where errors are printed


def _keep_traceback(error: Exception) -> str:
    """Write the traceback to a file and return its path, or why there is none."""
    try:
        descriptor, path = tempfile.mkstemp(prefix=f"katib-{datetime.now(UTC):%Y%m%dT%H%M%S}-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
        return str(Path(path))
    except OSError as failure:
        return f"no file ({failure.strerror}); set KATIB_DEBUG=1 to see them"
