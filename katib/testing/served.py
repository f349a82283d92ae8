"""``katib serve`` as a real process, for tests that ask over the wire or do it harm."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Served", "ServedStore", "ServedSuggestion", "children_of"]

_END_SECONDS: Final = 30


class Served:
    """A server for as long as it is open (``with``); what is left of it then is killed.

    Args:
        arguments: Of the command line; without an address it takes any free port of this machine.
        environment: Added to this process's own.

    Attributes:
        process: The server.
        address: ``HOST:PORT``; empty if it did not start.
        first_line: What it said when it was ready; empty if it did not start.
    """

    subject: ClassVar[str]
    """What it serves."""

    program: tuple[str, ...] = ("-m", "katib.cli.main")
    """What Python runs."""

    def __init__(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self._arguments = [str(argument) for argument in arguments]
        if "--address" not in self._arguments:
            self._arguments += ["--address", "127.0.0.1:0"]
        self._environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **(environment or {})}
        self._log: Any = None
        self.process: subprocess.Popen[str]
        self.first_line = ""
        self.address = ""

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        self.process = subprocess.Popen(  # noqa: S603 - this project's own command line
            [sys.executable, *self.program, "serve", self.subject, *self._arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        if self.first_line:
            self.address = self.first_line.split(" on ", 1)[1].split(" (", 1)[0].split(", ")[0]
        return self

    def __exit__(self, *_: object) -> None:
        for pid in (*self.workers, self.process.pid):
            if self.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        self.process.wait(_END_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return children_of(self.process.pid)

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        self._log.flush()
        return Path(f"/proc/self/fd/{self._log.fileno()}").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Tell it to stop, wait for the end, and return its exit code."""
        self.process.terminate()
        return self.process.wait(_END_SECONDS)


class ServedSuggestion(Served):
    """``katib serve suggestion``."""

    subject = "suggestion"


class ServedStore(Served):
    """``katib serve store``."""

    subject = "store"


def children_of(parent: int) -> list[int]:
    """Return the process ids of the children of a process that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, ppid = path.read_text().rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                found.append(int(path.parent.name))
    return sorted(found)
