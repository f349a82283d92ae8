"""Run every benchmark and print the promised figures as one table: ``make bench``, or ``run.py NAME…`` for some.

A benchmark is a file ``bench_<name>.py`` with a function ``measure()`` that returns rows of (what, figure, unit, promise).
Nothing here fails because a machine is slow: the table says what was measured, people judge.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import time
import traceback
from pathlib import Path

Row = tuple[str, float, str, str]


def measure(path: Path) -> list[Row]:
    """Load one benchmark file and run it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rows: list[Row] = module.measure()
    return rows


def main(names: list[str]) -> int:
    """Print the table; exit status 1 only when a benchmark broke."""
    broken = 0
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
    )
    print(f"{'what':<72} {'measured':>12} {'unit':<10} promise")
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if names and name not in names:
            continue
        started = time.perf_counter()
        try:
            rows = measure(path)
        except Exception:  # noqa: BLE001 - the other figures are still wanted
            broken += 1
            traceback.print_exc()
            continue
        for what, figure, unit, promise in rows:
            print(f"{what:<72} {figure:>12.4g} {unit:<10} {promise}")
        print(f"{'':<72} ({name} took {time.perf_counter() - started:.0f} s)", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
