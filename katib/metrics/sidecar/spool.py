"""What was found and is not yet in the store, on the disk of the pod: why a sidecar that is killed loses nothing and repeats nothing.

Each record is one line: the number of its first sample, the samples, and where the collector stands after them. It is on the disk before
its samples are sent, so a sample has one number for ever, and the store can tell what it has. What stands behind the last whole record is
of a write that was interrupted, and the collector finds it again. On a full disk records are held in memory, a few; should they be lost,
the collector finds those again too, and they get the same numbers.
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.metrics.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Record", "Spool"]

_MOST_BYTES: Final = 256 << 20
_MOST_HELD_BYTES: Final = 4 << 20
_MOST_SAMPLES: Final = 1_000
_LARGE: Final = 128 << 10
_COMPACTED_AT: Final = 1 << 20
_PIECE: Final = 1 << 16
_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Record:
    """A line of the spool.

    Attributes:
        first: The number of the first sample.
        samples: As the store is told them: name, text, seconds of the Unix epoch or None, step or None.
        checkpoint: Where the collector stands after them; None where the next record goes on with what was found together.
        size: About how many bytes it has.
    """

    first: int
    samples: list[list[Any]]
    checkpoint: dict[str, Any] | None
    size: int = 0

    @property
    def following(self) -> int:
        """The number of the sample after the last."""
        return self.first + len(self.samples)


class Spool:
    """Written by one thread, read by another.

    Args:
        path: The file; what another sidecar left there is gone on with.
        most_bytes: More is not taken; the collector waits then.

    Attributes:
        following: The number of the next sample.
        durable: The collector's checkpoint that is on the disk.
        fault: Why the disk takes nothing; empty while it does.
    """

    def __init__(self, path: Path, *, most_bytes: int = _MOST_BYTES) -> None:
        self._path = path
        self._most = most_bytes
        self._lock = threading.Lock()
        self.following = 0
        self.durable: dict[str, Any] = {}
        self.fault = ""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        self._size = self._recover()
        self._place = 0
        self._held: list[Record] = []
        self._held_bytes = 0
        self._held_place = 0

    def _recover(self) -> int:
        """Return where the last whole record ends, and cut off what follows."""
        size, at, rest = 0, 0, b""
        while data := os.pread(self._file, _PIECE, at):
            at += len(data)
            *lines, rest = (rest + data).split(b"\n")
            whole = at - len(rest) - sum(len(line) + 1 for line in lines)
            for line in lines:
                record = _record(line)
                if record is None:
                    os.ftruncate(self._file, size)
                    return size
                whole += len(line) + 1
                if record.checkpoint is not None:
                    size, self.following, self.durable = whole, record.following, record.checkpoint
        os.ftruncate(self._file, size)
        return size

    @property
    def is_full(self) -> bool:
        """Whether no more is taken until the store has some."""
        return self._size >= self._most or self._held_bytes >= _MOST_HELD_BYTES

    def append(self, samples: Sequence[Sample], checkpoint: Mapping[str, Any], now: datetime) -> None:
        """Write what was found together.

        Args:
            samples: May be none.
            checkpoint: Where the collector stands after them.
            now: The time of samples that have none.
        """
        with self._lock:
            records = _records(self.following, samples, dict(checkpoint), now)
            lines = b"".join(_line(record) for record in records)
            self.following = records[-1].following
            # What is held has to be read before what comes after it.
            if self._held or not self._write(self._file, self._size, lines):
                self._held += records
                self._held_bytes += len(lines)
            else:
                self._size += len(lines)
                self.durable = dict(checkpoint)

    def _write(self, file: int, at: int, lines: bytes) -> bool:
        """Write to a file, all or nothing."""
        try:
            written = 0
            while written < len(lines):
                written += os.pwrite(file, lines[written:], at + written)
        except OSError as error:
            self.fault = error.strerror or type(error).__name__
            os.ftruncate(file, at)
            return False
        self.fault = ""
        return True

    def read(self) -> Record | None:
        """Return the next record for the store; None when there is none yet."""
        with self._lock:
            if self._place < self._size:
                line = b""
                while b"\n" not in line and self._place + len(line) < self._size:
                    line += os.pread(self._file, _PIECE, self._place + len(line))
                line = line.partition(b"\n")[0]
                self._place += len(line) + 1
                return _record(line)
            if self._held_place < len(self._held):
                self._held_place += 1
                return self._held[self._held_place - 1]
            return None

    def rewind(self) -> None:
        """Read from the beginning again."""
        with self._lock:
            self._place = self._held_place = 0

    def tidy(self, stored: int) -> None:
        """Give memory and disk back, once everything is in the store and it is worth it.

        Args:
            stored: How many samples the store has.
        """
        with self._lock:
            if stored < self.following:
                return
            if self._held:
                last = self._held[-1].checkpoint or {}
                self._held, self._held_bytes, self._held_place = [], 0, 0
                self._replace(last)
            elif self._size >= _COMPACTED_AT:
                self._replace(self.durable)

    def _replace(self, checkpoint: dict[str, Any]) -> None:
        fresh = self._path.with_suffix(".new")
        line = _line(Record(self.following, [], checkpoint))
        try:
            file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | _FLAGS, 0o600)
        except OSError:
            return
        try:
            if not self._write(file, 0, line):
                os.close(file)
                return
            fresh.rename(self._path)
        except OSError:
            os.close(file)
            return
        os.close(self._file)
        self._file, self._size, self._place = file, len(line), len(line)
        self.durable = checkpoint

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _records(first: int, samples: Sequence[Sample], checkpoint: dict[str, Any], now: datetime) -> list[Record]:
    """Return samples in records of which each fits into a report; only the last has the checkpoint."""
    records: list[Record] = []
    part: list[list[Any]] = []
    size = 0
    for sample in samples:
        if len(part) >= _MOST_SAMPLES or size >= _LARGE:
            records.append(Record(first, part, None, size))
            first, part, size = first + len(part), [], 0
        part.append(_told(sample, now))
        size += len(sample.text) + len(sample.name) + 40
    return [*records, Record(first, part, checkpoint, size)]


def _told(sample: Sample, now: datetime) -> list[Any]:
    time = sample.time or now
    return [sample.name, sample.text, time.astimezone(UTC).timestamp(), sample.step]


def _line(record: Record) -> bytes:
    parts = {"first": record.first, "samples": record.samples, "checkpoint": record.checkpoint}
    return json.dumps(parts, separators=(",", ":")).encode() + b"\n"


def _record(line: bytes) -> Record | None:
    try:
        said = json.loads(line)
        checkpoint = said["checkpoint"]
        return Record(
            int(said["first"]), list(said["samples"]), None if checkpoint is None else dict(checkpoint), len(line)
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
