"""What artifacts cost: a file of 256 MiB and a thousand small ones, in a folder (durable) and in an S3 server on this machine (moto).

moto keeps everything in memory and is one Python process, so that its figures say what the way there costs, not what a storage can do.
Beside them stands what the machine does without us: the file written and synced, and read, by plain calls; sha256 alone.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from katib.store.artifacts import open_artifacts
from katib.testing.s3_server import S3Server

SIZE = 256
FILES = 1_000
PIECE = os.urandom(1 << 20)

LARGE = f"""
import sys, time
from pathlib import Path
from katib.store.artifacts import open_artifacts
store = open_artifacts(sys.argv[1])
store.put("warm", b"x"); store.open("warm").read_all()
memory = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
before = memory()
started = time.perf_counter()
store.put("large", (bytes([number % 251 + 1]) * (1 << 20) for number in range({SIZE})))
put = time.perf_counter() - started
started = time.perf_counter()
assert sum(map(len, store.open("large"))) == {SIZE} << 20
print({SIZE} / put, {SIZE} / (time.perf_counter() - started), memory() - before)
"""


def measure():
    """Return rows of (what, figure, unit, promise)."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        rows = [*_machine(Path(folder) / "plain"), *_place("folder", f"{folder}/artifacts")]
    if S3Server.missing():
        print(S3Server.missing())
        return rows
    with S3Server() as server:
        return rows + _place("S3 (moto)", server.url(server.new_bucket()))


def _machine(path):
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(SIZE):
            file.write(PIECE)
        os.fsync(file.fileno())
    written = time.perf_counter() - started
    started = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
    read = time.perf_counter() - started
    started = time.perf_counter()
    seen = hashlib.sha256()
    for _ in range(SIZE):
        seen.update(PIECE)
    hashed = time.perf_counter() - started
    path.unlink()
    return [
        ("the machine: 256 MiB written and synced by plain calls", SIZE / written, "MiB/s", ""),
        ("the machine: 256 MiB read by plain calls", SIZE / read, "MiB/s", ""),
        ("the machine: sha256", SIZE / hashed, "MiB/s", ""),
    ]


def _place(name, place):
    done = subprocess.run([sys.executable, "-c", LARGE, place], check=True, capture_output=True, text=True)
    put, get, memory = map(float, done.stdout.split())
    store = open_artifacts(place)
    small = {}
    small["stored"] = _rate(lambda number: store.put(f"small/{number // 100}/{number}", b"x" * 1_000))
    small["read"] = _rate(lambda number: store.open(f"small/{number // 100}/{number}").read_all())
    started = time.perf_counter()
    assert len(store.list("small", recursive=True).entries) == FILES
    listed = time.perf_counter() - started
    started = time.perf_counter()
    assert store.delete_all("small") == FILES
    deleted = time.perf_counter() - started
    return [
        (f"{name}: 256 MiB stored", put, "MiB/s", ""),
        (f"{name}: 256 MiB read", get, "MiB/s", ""),
        (f"{name}: memory it took", memory, "MiB", "<= 64"),
        *((f"{name}: 1,000 files of 1 kB {what}, one by one", rate, "files/s", "") for what, rate in small.items()),
        (f"{name}: 1,000 files listed", listed * 1_000, "ms", ""),
        (f"{name}: 1,000 files deleted", FILES / deleted, "files/s", ""),
    ]


def _rate(call):
    started = time.perf_counter()
    for number in range(FILES):
        call(number)
    return FILES / (time.perf_counter() - started)
