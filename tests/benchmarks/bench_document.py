"""How long a hostile document keeps the reader busy, and how much memory it gets, before it is refused.

Each is read in a process of its own; its figures are what refusing adds to a process that has the reader loaded already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

CHILD = r"""
import json, re, sys, time
from pathlib import Path
import yaml
from katib.api.document import load
from katib.errors import InvalidExperiment
text = sys.stdin.read()
load("warm: [1, x, 'y', {z: 1.5}]")
def peak():
    # Not ru_maxrss, which begins with what the parent process had.
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
before, started, refused = peak(), time.perf_counter(), False
try:
    load(text)
except InvalidExperiment:
    refused = True
print(json.dumps([refused, (time.perf_counter() - started) * 1e3, peak() - before]))
"""


def laughs() -> str:
    """Every level names the one below ten times."""
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    return "\n".join(lines)


BOMBS = {
    "billion laughs": laughs(),
    "long text, 40,000 aliases": "a: &x " + "y" * 500_000 + "\nb: [" + ", ".join(["*x"] * 40_000) + "]",
    "500,000 nested lists": "a: " + "[" * 500_000,
    "1,300 nested mappings": "\n".join(" " * depth + "a:" for depth in range(1_300)),
    "a number of 1,000,000 digits": "a: " + "9" * 1_000_000,
    "260,000 documents": "---\n" * 260_000,
    "a scalar of 2 MB": "a: " + "x" * 2_000_000,
    "300,000 unfinished keys": "{" + "? " * 300_000,
    "900,000 backslashes": '{"a": "' + "\\" * 900_000 + "\\ud83d\\ude00",
    "400,000 tabs": "{" + "\n\t" * 400_000,
    "a Python tag": "a: !!python/object/apply:os.system [ls]",
}
LARGE = {
    "list of 500,000 values, refused at 50,000": "a: [" + "x," * 500_000 + "]",
    "mapping of 90,000 keys, refused at 50,000": "{" + ",".join(f"k{i}: 1" for i in range(90_000)) + "}",
}


def refuse(text: str) -> tuple[float, float]:
    """Have a text refused in a process of its own; milliseconds and MiB. The best of three, as others use the machine too."""
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", CHILD], input=text, capture_output=True, text=True, check=True, env=os.environ
        )
        refused, milliseconds, mebibytes = json.loads(done.stdout)
        if not refused:
            raise RuntimeError(text[:80])
        runs.append((milliseconds, mebibytes))
    return min(run[0] for run in runs), max(run[1] for run in runs)


def measure() -> list[tuple[str, float, str, str]]:
    """Refuse each document; the rows name the worst bomb and, apart from them, files that are merely far too large."""
    figures = {name: refuse(text) for name, text in BOMBS.items()}
    slowest = max(figures, key=lambda name: figures[name][0])
    largest = max(figures, key=lambda name: figures[name][1])
    rows = [
        (f"refusing a YAML bomb, slowest of {len(BOMBS)}: {slowest}", figures[slowest][0], "ms", "<= 50"),
        (f"refusing a YAML bomb, most memory: {largest}", figures[largest][1], "MiB", "<= 32"),
    ]
    for name, text in LARGE.items():
        milliseconds, mebibytes = refuse(text)
        rows += [(f"refusing a {name}", milliseconds, "ms", ""), ("  and its memory", mebibytes, "MiB", "<= 32")]
    return rows
