"""A folder for each trial that outlives it, so that another trial can go on from what it left there.

A trial's folder begins as a copy of its parent's. The copy is made beside it and renamed, under a lock that the kernel gives back when
its holder dies: whoever is killed half-way leaves nothing that counts, and whoever comes later, or at the same time, finds the whole
folder or makes it. What a trial left is not trusted: its links are copied as links and never followed, and what is neither a file, a
folder nor a link is left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from katib.errors import InvalidInput, RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inherit"]

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_LOCK: Final = ".lock"
_LOG: Final = logging.getLogger(__name__)


def inherit(root: Path, trial: str, parent: str | None) -> Path:
    """Return the folder of a trial, made as a copy of its parent's if it is not there yet; again on the same trial changes nothing.

    A parent without a folder is no fault of its child's: a warning is logged, and the child begins with nothing.

    Args:
        root: The folder of all trials; made where it is missing.
        trial: The name of the trial.
        parent: The name of the one it goes on from; None for one that begins with nothing.

    Raises:
        InvalidInput: A name is none of a trial's.
        RunnerError: The folder cannot be made or filled: no space is left, or it may not be read or written.
    """
    for name in (trial, parent):
        if name is not None and not _NAME.fullmatch(name):
            raise InvalidInput(f"{name!r} is no name of a trial, so there is no folder for it")
    folder = root / trial
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone_in(root):
            if not _is_there(folder):
                _make(folder, None if parent is None or parent == trial else root / parent)
    except (OSError, shutil.Error) as error:
        source = "" if parent is None else f" as a copy of that of its parent {parent}"
        raise RunnerError(f"cannot make the folder {folder} of trial {trial}{source}: {_said(error)}") from error
    return folder


def _make(folder: Path, source: Path | None) -> None:
    """Make a folder whole or not at all."""
    partial = folder.with_name(f".{folder.name}.partial")
    _remove(partial)
    try:
        if source is not None and _is_there(source):
            _copy(source, partial)
        else:
            if source is not None:
                _LOG.warning("trial %s begins with nothing: its parent %s has no folder", folder.name, source.name)
            partial.mkdir()
        partial.rename(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            _remove(partial)
        raise


def _is_there(folder: Path) -> bool:
    """Whether there is a real folder; a link or a file in its place is refused, as it may lead anywhere.

    Raises:
        NotADirectoryError: There is something else.
    """
    try:
        kind = folder.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(kind):
        raise NotADirectoryError(0, "it is no folder", str(folder))
    return True


def _copy(source: Path, target: Path) -> None:
    """Copy a tree without leaving it; of two parallel lists, so that no depth is too deep."""
    target.mkdir()
    made = [(source, target)]
    waiting = [(source, target)]
    while waiting:
        here, there = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                copy = there / entry.name
                if entry.is_symlink():
                    copy.symlink_to(_link(Path(entry.path), source))
                elif entry.is_dir(follow_symlinks=False):
                    copy.mkdir()
                    made.append((Path(entry.path), copy))
                    waiting.append((Path(entry.path), copy))
                elif entry.is_file(follow_symlinks=False):
                    shutil.copy2(entry.path, copy, follow_symlinks=False)
    # Last, because what may not be written could not be filled.
    for old, new in reversed(made):
        shutil.copystat(old, new, follow_symlinks=False)


def _link(link: Path, source: Path) -> str:
    """Return where the copy of a link leads: one into its own tree by an absolute path has to lead into the copy."""
    leads = link.readlink()
    if leads.is_absolute() and leads.is_relative_to(source.absolute()):
        return os.path.relpath(leads, link.parent.absolute())
    return str(leads)


def _remove(folder: Path) -> None:
    """Remove what an earlier try left, also where it may not be written."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink()
        return
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder)


@contextlib.contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Hold the lock of a root; where the file system has no locks, go on without."""
    descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _said(error: Exception) -> str:
    """Return what went wrong, for a person."""
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{place}"
    return str(error)
