"""Where an export goes: standard output, or a file that appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from katib.cli.safe_text import printable
from katib.errors import InvalidInput, RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.cli.export_rows import Writable

__all__ = ["binary_destination", "text_destination"]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _SafeTerminal:
    """Standard output where it is a terminal: values that trials made up cannot steer it."""

    def write(self, text: str, /) -> None:
        sys.stdout.write(printable(text))


class _Pipe:
    """Standard output as a file that knows how much was written, which the ends of Parquet and Arrow files say."""

    closed = False

    def __init__(self) -> None:
        self._place = 0

    def write(self, content: Any) -> int:
        size = memoryview(content).nbytes
        sys.stdout.buffer.write(content)
        self._place += size
        return size

    def tell(self) -> int:
        return self._place

    def flush(self) -> None:
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Leave it open: it is not ours."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def text_destination(path: str | None) -> Iterator[Writable]:
    """Open a file, or standard output where there is none or it is ``-``.

    Raises:
        InvalidInput: It cannot be written.
        RunnerError: There is no room.
    """
    with _told(path):
        if path is None or path == "-":
            yield _SafeTerminal() if sys.stdout.isatty() else sys.stdout
            return
        with _draft(path) as draft, draft.open("x", encoding="utf-8", newline="") as file:
            yield file


@contextlib.contextmanager
def binary_destination(path: str | None) -> Iterator[IO[bytes]]:
    """Open a file for what is no text, or standard output unless that is a terminal.

    Raises:
        InvalidInput: It cannot be written, or is a terminal.
        RunnerError: There is no room.
    """
    with _told(path):
        if path is None or path == "-":
            if sys.stdout.isatty():
                raise InvalidInput("this form is not for a terminal: name a file with --file, or use a pipe")
            yield cast("IO[bytes]", _Pipe())  # it has what pyarrow asks of a file
            return
        with _draft(path) as draft, draft.open("xb") as file:
            yield file


@contextlib.contextmanager
def _draft(path: str) -> Iterator[Path]:
    """Yield the path of a file that gets its name when the block ends well."""
    target = Path(path)
    if not target.name or target.is_dir():
        raise InvalidInput("name the file to write" if not path else f"cannot write {path}: it is a folder, not a file")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(target)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: str | None) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever read has seen enough
        raise
    except OSError as error:
        where = "the answer" if path is None or path == "-" else path
        sentence = f"cannot write {where}: {error.strerror or error}"
        raise (RunnerError if error.errno in _NO_ROOM else InvalidInput)(sentence) from error
