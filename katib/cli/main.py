"""``katib``: reads the command line, runs one command, and turns whatever happens into an exit code."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from katib.cli.common_options import ColorOption, HomeOption, NamespaceOption, VerboseOption
from katib.cli.failures import explain
from katib.cli.lazy_group import LazyGroup
from katib.cli.settings import Settings
from katib.errors import Interrupted, RunnerError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMPLETE = "_KATIB_COMPLETE"
"""The variable by which a shell's script asks for completions (``katib completion``)."""

_OBJECTS_BEFORE_COLLECTION = 50_000

_app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@_app.callback(invoke_without_command=True)
def _katib(
    context: typer.Context,
    home: HomeOption = None,
    namespace: NamespaceOption = None,
    no_color: ColorOption = False,
    verbose: VerboseOption = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Hyperparameter tuning: run Katib experiments on this machine.

    Start with: katib init experiment.yaml && katib run experiment.yaml
    """
    context.obj = Settings().merged(home=home, namespace=namespace, no_color=no_color, verbose=verbose)
    if version:
        from katib.cli.commands.version import sentence

        sys.stdout.write(f"{sentence()}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        sys.stdout.write(f"{context.get_help()}\n")


def _command() -> Any:
    if os.environ.get(_COMPLETE):
        from typer.completion import get_completion_inspect_parameters

        get_completion_inspect_parameters()  # registers the shells
    return typer.main.get_command(_app)


def _run(words: list[str]) -> None:
    command = _command()
    if os.environ.get(_COMPLETE):
        command(args=words, prog_name="katib")  # answers the shell and leaves
        return
    # Not typer's own main, which makes 1 of a closed pipe and has other words for what is wrong.
    with command.make_context("katib", words) as context:
        command.invoke(context)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: Without the program's name; None means those of the process.
    """
    # Most commands are over before a collection finds anything; imports alone would trigger dozens (measured: 12 % of `get`).
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its escape, never a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        _run(sys.argv[1:] if arguments is None else list(arguments))
    except typer.Exit as end:
        code = end.exit_code
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BrokenPipeError:
        code = 0
    except (KeyboardInterrupt, typer.Abort):
        code = Interrupted.exit_code
    except Exception as error:  # noqa: BLE001 - this is where errors become sentences
        code = explain(error)
    else:
        code = 0
    return _flushed(code)


def _open_closed_streams() -> None:
    """Put nothing in the place of a standard stream that was closed (``katib run FILE >&-``).

    Without it the next file that is opened gets the stream's number, and what is printed would be written into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - its signature
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _flushed(code: int) -> int:
    """Write what is buffered; whoever closed the pipe (``katib trials x | head``) has seen enough, which is no fault."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    except OSError as error:
        _abandon_stdout()
        return explain(RunnerError(f"cannot write the answer: {error.strerror}"))
    return code


def _abandon_stdout() -> None:
    """Let Python's own flush at exit succeed."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
