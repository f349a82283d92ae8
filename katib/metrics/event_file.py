"""Scalars from TensorBoard event files, read without TensorFlow.

A file is a sequence of records: length (uint64), masked CRC-32C of the length, data, masked CRC-32C of the data (TFRecord). The data
is a protobuf ``Event`` of which wall_time (1), step (2) and summary (5) matter; a summary's values (1) have a tag (1) and either
simple_value (2) or tensor (8). Sources: TensorFlow's ``event.proto``, ``summary.proto``, ``tensor.proto`` and the TFRecord description.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from katib.metrics.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["EventFile", "Scalar", "crc32c"]

_HEADER: Final = 12
_FOOTER: Final = 4
_CHECKED: Final = 64 << 10
"""Scalars are small; of larger records (images, graphs) the checksum of the length is proof enough that the file is sound."""
_LARGEST: Final = 256 << 20
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value of one tag.

    Attributes:
        tag: Its name.
        value: Its value.
        step: The global step.
        wall_time: Seconds of the Unix epoch.
    """

    tag: str
    value: float
    step: int
    wall_time: float


@cache
def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    table, value = _table(), 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _masked(data: bytes) -> int:
    value = crc32c(data)
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class EventFile:
    """One growing event file.

    Attributes:
        corrupt: A checksum was wrong; nothing after the last sound record is used.
    """

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path)
        self._pending = b""
        self._skip = 0
        self.corrupt = False
        self.records = 0

    def read(self, limit: int) -> tuple[list[Scalar], bool]:
        """Return the scalars in up to ``limit`` new bytes, and whether there may be more to read at once."""
        if self.corrupt:
            return [], False
        data = self._tail.read(limit)
        if self._tail.restarted:
            self._pending, self._skip = b"", 0
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        self._pending += data
        return list(self._records()), bool(data)

    def _records(self) -> Iterator[Scalar]:
        position = 0
        pending = self._pending
        while len(pending) - position >= _HEADER:
            length, check = struct.unpack_from("<QI", pending, position)
            if _masked(pending[position : position + 8]) != check or length > _LARGEST:
                self.corrupt = True
                break
            start, end = position + _HEADER, position + _HEADER + length
            if length > _CHECKED:
                # No scalar is that large: pass over it without ever holding it.
                self.records += 1
                self._skip = max(0, end + _FOOTER - len(pending))
                position = min(end + _FOOTER, len(pending))
                continue
            if len(pending) < end + _FOOTER:
                break
            body = pending[start:end]
            if _masked(body) != struct.unpack_from("<I", pending, end)[0]:
                self.corrupt = True
                break
            self.records += 1
            yield from _scalars(body)
            position = end + _FOOTER
        self._pending = pending[position:]

    def checkpoint(self) -> dict[str, Any]:
        """Return where it stands: before a record that is not complete."""
        place = self._tail.checkpoint()
        return {**place, "offset": place["offset"] - len(self._pending) + self._skip}

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was."""
        self._tail.restore(checkpoint)
        self._pending, self._skip = b"", 0


def _scalars(event: bytes) -> Iterator[Scalar]:
    """Yield the scalars of one serialised Event; what cannot be read is passed over."""
    wall_time, step, summaries = 0.0, 0, []
    try:
        for number, kind, value in _fields(event):
            if number == 1 and kind == _FIXED64:
                wall_time = struct.unpack("<d", value)[0]
            elif number == 2 and kind == _VARINT:  # noqa: PLR2004 - field numbers of event.proto
                step = value
            elif number == 5 and kind == _BYTES:  # noqa: PLR2004
                summaries.append(value)
        for summary in summaries:
            for number, kind, value in _fields(summary):
                if number == 1 and kind == _BYTES:
                    tag, found = _value(value)
                    if found is not None:
                        yield Scalar(tag, found, step, wall_time)
    except (IndexError, struct.error, UnicodeDecodeError, ValueError):
        return


def _value(data: bytes) -> tuple[str, float | None]:
    tag, found = "", None
    for number, kind, value in _fields(data):
        if number == 1 and kind == _BYTES:
            tag = value.decode()
        elif number == 2 and kind == _FIXED32:  # noqa: PLR2004
            found = _shortest(struct.unpack("<f", value)[0])
        elif number == 8 and kind == _BYTES:  # noqa: PLR2004
            found = _tensor(value)
    return tag, found


def _shortest(value: float) -> float:
    """Return the double people mean by a float32: 0.1, not 0.10000000149."""
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        try:
            if struct.unpack("<f", struct.pack("<f", float(text)))[0] == value:
                return float(text)
        except OverflowError:
            continue
    return value


_DTYPES: Final = {1: ("<f", 5), 2: ("<d", 6), 3: ("<i", 7), 9: ("<q", 10)}
"""DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64: how one value is packed, and the field of its repeated form."""


def _tensor(data: bytes) -> float | None:
    """Return the value of a tensor that holds exactly one number."""
    dtype, content, repeated = 0, b"", {}
    for number, kind, value in _fields(data):
        if number == 1 and kind == _VARINT:
            dtype = value
        elif number == 4 and kind == _BYTES:  # noqa: PLR2004
            content = value
        else:
            repeated[number] = (kind, value)
    if dtype not in _DTYPES:
        return None
    form, field = _DTYPES[dtype]
    if not content and field in repeated:
        kind, content = repeated[field]
        if kind == _VARINT:
            return float(content)
        if form in ("<i", "<q"):
            return float(_varint(content, 0)[0])
    if len(content) != struct.calcsize(form):
        return None
    value = struct.unpack(form, content)[0]
    return _shortest(value) if form == "<f" else float(value)


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield (field number, wire type, value) of a protobuf message."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        value: Any
        if kind == _VARINT:
            value, position = _varint(data, position)
            if value >= 1 << 63:
                value -= 1 << 64
        elif kind == _BYTES:
            length, position = _varint(data, position)
            value, position = data[position : position + length], position + length
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            value, position = data[position : position + size], position + size
        else:
            message = f"wire type {kind}"
            raise ValueError(message)
        yield key >> 3, kind, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, position
        shift += 7
        if shift > 63:  # noqa: PLR2004 - no 64-bit number is longer
            message = "a varint without an end"
            raise ValueError(message)
