"""How fast logs are read that say nothing, and in how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

MEGABYTES = 2_000

CHILD = """
import sys, time
from pathlib import Path
from katib.metrics.line_parser import TextLines
from katib.metrics.line_reader import LineReader
reader = LineReader(Path(sys.argv[1]), TextLines(["accuracy", "loss"]))
started = time.perf_counter()
found = 0
more = True
while more:
    samples, more = reader.read(4 << 20)
    found += len(samples)
seconds = time.perf_counter() - started
# Not ru_maxrss: that begins with what the process that started this one had.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(seconds, found, reader.lines, int(status["VmHWM"].split()[0]) / 1024)
"""


def read(path: Path) -> tuple[float, int, float]:
    """Read a log in a process of its own; seconds, samples and peak resident MiB."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True, env=os.environ
    )
    seconds, found, _, peak = done.stdout.split()
    return float(seconds), int(found), float(peak)


def measure() -> list[tuple[str, float, str, str]]:
    """Read a long log of training chatter, one with a metric in every line, and one line of a gigabyte."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        block = b"".join(b"step %d: batch took 0.1234 s, 512 images/s, lr 0.001\n" % step for step in range(20_000))
        with path.open("wb") as file:
            while file.tell() < MEGABYTES << 20:
                file.write(block)
        seconds, found, peak = read(path)
        if found:
            raise RuntimeError(found)
        rows += [
            (
                f"log parsing, lines without a metric ({MEGABYTES} MB)",
                path.stat().st_size / 1e6 / seconds,
                "MB/s",
                ">= 100",
            ),
            ("log parsing, peak resident memory", peak, "MiB", "<= 64"),
        ]
        path.write_bytes(b"".join(b"epoch %d: accuracy=0.5 loss=0.25\n" % step for step in range(200_000)))
        seconds, found, _ = read(path)
        rows.append(("log parsing, two metrics in every line", found / seconds, "samples/s", ""))
        with path.open("wb") as file:
            file.truncate(1 << 30)  # a line of a gigabyte of zero bytes, without the disk for it
        seconds, found, peak = read(path)
        rows.append(("one line of 1 GB, peak resident memory", peak, "MiB", "<= 64"))
    return rows
