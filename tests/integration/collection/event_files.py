"""Event files as TensorBoard's writers make them, without TensorFlow."""

import struct
from pathlib import Path

from katib.metrics.event_file import crc32c


def _masked(data):
    value = crc32c(data)
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


def write(folder, scalars):
    """Write scalars (tag, value, step)."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (Path(folder) / "events.out.tfevents.1").open("wb") as file:
        for tag, value, step in scalars:
            summary = _field(1, _field(1, tag.encode()) + struct.pack("<Bf", 0x15, value))
            event = struct.pack("<Bd", 0x09, 1.7e9 + step) + bytes([0x10, step]) + _field(5, summary)
            length = struct.pack("<Q", len(event))
            file.write(length + struct.pack("<I", _masked(length)) + event + struct.pack("<I", _masked(event)))
