"""Where local mode keeps its things: one folder with the store and a folder for each trial.

Layout::

    <home>/katib.db                                      the store
    <home>/experiments/<uid>/driver.lock                 held while a process drives the experiment
    <home>/experiments/<uid>/trials/<trial>/             what one trial wrote: output.log, push.jsonl, files/
    <home>/experiments/<uid>/trials/.failed-attempts     while it is driven: a pipe that tells of trials that are tried again
    <home>/experiments/<uid>/checkpoints/<trial>/        what it leaves for the trials that go on from it (suggestion_trial_dir)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from katib.errors import Conflict, InvalidInput, RunnerError
from katib.runners.trial_files import OUTPUT_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Home"]


@dataclass(frozen=True)
class Home:
    """The folder of local mode; nothing is created before it is needed."""

    path: Path

    @classmethod
    def find(cls, path: str | None = None) -> Home:
        """Return the home the user means: ``path``, else ``KATIB_HOME``, else ``katib`` in the user's data folder (XDG)."""
        chosen = path or os.environ.get("KATIB_HOME")
        if chosen:
            return cls(Path(chosen).expanduser().absolute())
        data = os.environ.get("XDG_DATA_HOME")
        try:
            folder = Path(data) if data and Path(data).is_absolute() else Path.home() / ".local" / "share"
        except RuntimeError as error:
            raise InvalidInput(
                "this user has no home directory: say where to keep experiments with KATIB_HOME"
            ) from error
        return cls(folder / "katib")

    @property
    def store_path(self) -> Path:
        """The file of the store."""
        return self.path / "katib.db"

    def experiment_folder(self, uid: str) -> Path:
        """Everything of one experiment that is not in the store."""
        return self.path / "experiments" / uid

    def trial_folder(self, uid: str, trial: str) -> Path:
        """Everything that one trial wrote."""
        return self.experiment_folder(uid) / "trials" / trial

    def output(self, uid: str, trial: str) -> Path:
        """What one trial printed, both streams in order."""
        return self.trial_folder(uid, trial) / OUTPUT_NAME

    def push_file(self, uid: str, trial: str) -> Path:
        """Where ``katib.report_metrics`` writes inside one trial."""
        return self.trial_folder(uid, trial) / "push.jsonl"

    def files(self, uid: str, trial: str) -> Path:
        """The root that stands for ``/`` in the paths of the file collectors of one trial."""
        return self.trial_folder(uid, trial) / "files"

    def _lock_path(self, uid: str) -> Path:
        return self.experiment_folder(uid) / "driver.lock"

    @contextlib.contextmanager
    def driving(self, uid: str, name: str) -> Iterator[Callable[[], None]]:
        """Hold the right to drive one experiment; the kernel gives it back when the process ends, however it ends.

        Yields:
            A check that raises RunnerError once the folder was removed or moved: then the right is worth nothing any more.

        Raises:
            Conflict: Another process holds it.
            RunnerError: The folder cannot be written.
        """
        path = self._lock_path(uid)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RunnerError(f"cannot write {path.parent}: {error.strerror}") from error
        try:
            if not _lock(descriptor):
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise Conflict(
                    f"experiment {name!r} is being run by process {holder}; `katib stop {name}` ends that run"
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

            def make_sure_it_is_there() -> None:
                if _was_removed(path, descriptor):
                    raise RunnerError(
                        f"{path.parent} was removed while experiment {name!r} ran, so its trials were ended"
                    )

            yield make_sure_it_is_there
        finally:
            os.close(descriptor)

    def is_driven(self, uid: str) -> bool:
        """Whether some process is driving the experiment now."""
        try:
            descriptor = os.open(self._lock_path(uid), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def remove_experiment(self, uid: str) -> None:
        """Remove the folder of an experiment nobody drives; one that is not there is fine.

        Raises:
            RunnerError: Something in it cannot be removed.
        """
        try:
            shutil.rmtree(self.experiment_folder(uid))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise RunnerError(f"cannot remove {error.filename}: {error.strerror}") from error


def _was_removed(path: Path, descriptor: int) -> bool:
    """Whether an open file is no longer the one at its path; a disk that cannot say so now is not believed."""
    try:
        return not os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError as error:
        return error.errno in {errno.ENOENT, errno.ENOTDIR}


def _lock(descriptor: int) -> bool:
    """Take the lock; whoever only looks (``is_driven``) holds it for a moment, so one refusal is not believed."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False
