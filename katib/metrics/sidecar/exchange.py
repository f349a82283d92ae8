"""The folder that launcher and sidecar share: how each learns of the other's life and end (``deploy/images/launcher/launcher.c``).

The trainer can write into the folder too. Whatever it does there costs its own metrics at most.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ended", "Exchange"]

_MOST: Final = 4_096
_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a run of the trainer, as the launcher tells it.

    Attributes:
        run: Which run of the container.
        exit_code: The container's.
        stopped: Whether it was stopped early.
        missing_bytes: Of output, for which there was no room.
        cannot_run: Why the trainer could not even be started.
    """

    run: str
    exit_code: int = 0
    stopped: bool = False
    missing_bytes: int = 0
    cannot_run: str = ""


class Exchange:
    """The files of the folder.

    Args:
        folder: Made by Kubernetes.

    Attributes:
        output: What the trainer prints.
        pushed: What ``katib.report_metrics`` writes.
        spool: The sidecar's own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.output = folder / "output.log"
        self.pushed = folder / "metrics.jsonl"
        self.spool = folder / "spool.jsonl"
        self._heartbeat = -1
        self._seen_end: tuple[int, ...] | None = None
        self._end: Ended | None = None

    def beat(self, consumed: int) -> None:
        """Give a sign of life, and say how much of the output is needed no longer. On a full disk the time of the file says enough."""
        try:
            if self._heartbeat < 0:
                path = self._folder / "heartbeat"
                self._heartbeat = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | _FLAGS, 0o644)
                os.fchmod(self._heartbeat, 0o644)
            os.pwrite(self._heartbeat, b"%020d\n" % consumed, 0)
            os.utime(self._heartbeat)
        except OSError:
            self._close_heartbeat()

    def _close_heartbeat(self) -> None:
        if self._heartbeat >= 0:
            os.close(self._heartbeat)
            self._heartbeat = -1

    def run(self) -> str:
        """Return the launcher's present run; empty before there is one."""
        return self._text("run").strip()

    def ended(self) -> Ended | None:
        """Return the end of the last run that has ended; looks into the file only when it changed."""
        try:
            found = os.stat(self._folder / "ended", follow_symlinks=False)  # noqa: PTH116 - twenty times a second
        except OSError:
            return None
        mark = (found.st_ino, found.st_mtime_ns, found.st_size)
        if mark != self._seen_end:
            self._seen_end, self._end = mark, _read_end(self._text("ended"))
        return self._end

    def launcher_lives(self) -> bool:
        """Return whether the launcher holds its lock."""
        try:
            descriptor = os.open(self._folder / "alive", os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def collected_run(self) -> str:
        """Return the run of which the launcher was told last that everything is in the store."""
        return self._text("collected").strip()

    def stop(self, run: str) -> bool:
        """Have the launcher stop a run; returns whether that could be written."""
        return self._put("stop", run)

    def collected(self, run: str) -> bool:
        """Tell the launcher that everything of a run is in the store; returns whether that could be written."""
        return self._put("collected", run)

    def _put(self, name: str, text: str) -> bool:
        path = self._folder / name
        fresh = self._folder / f"{name}.new"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FLAGS, 0o644)
            try:
                os.fchmod(descriptor, 0o644)
                os.write(descriptor, text.encode() + b"\n")
            finally:
                os.close(descriptor)
            fresh.rename(path)
        except OSError:
            return False
        return True

    def _text(self, name: str) -> str:
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
        except OSError:
            return ""
        try:
            return os.read(descriptor, _MOST).decode("utf-8", "replace")
        except OSError:
            return ""
        finally:
            os.close(descriptor)


def _read_end(text: str) -> Ended | None:
    try:
        said: Any = json.loads(text)
        return Ended(
            run=str(said["run"]),
            exit_code=int(said.get("exit_code", 0)),
            stopped=bool(said.get("stopped")),
            missing_bytes=int(said.get("missing_bytes", 0)),
            cannot_run=str(said.get("cannot_run", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
