"""Measure what is promised for Kubernetes and print it as one table: ``make bench-cluster``, or ``bench.py NAME…`` for some.

As ``tests/benchmarks/run.py``: a benchmark is a file ``bench_<name>.py`` with ``measure()``. Its rows have one column more, what Katib's own
operator did on this kind of machine and this kind of cluster.
"""

import importlib
import sys
import time
import traceback
from pathlib import Path

from cluster_access import NoCluster, find_cluster
from singlenode.trouble import Trouble

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Print the table; exit status 1 when there is no cluster or a benchmark broke."""
    try:
        kubeconfig = find_cluster()
    except (NoCluster, Trouble) as none:
        sys.stderr.write(f"{none}\n")
        return 1
    sys.stdout.write(f"on the cluster of {kubeconfig}\n\n{_line('what', 'measured', 'unit', 'promise', 'Katib')}")
    broken = 0
    for path in sorted(HERE.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if names and name not in names:
            continue
        started = time.perf_counter()
        try:
            rows = importlib.import_module(path.stem).measure()  # this file's folder is where it looks
        except Exception:  # noqa: BLE001 - the other figures are still wanted
            broken += 1
            traceback.print_exc()
            continue
        for what, figure, unit, promise, katib in rows:
            sys.stdout.write(_line(what, f"{figure:.4g}", unit, promise, katib))
        sys.stdout.write(f"{'':<76} ({name} took {time.perf_counter() - started:.0f} s)\n")
        sys.stdout.flush()
    return 1 if broken else 0


def _line(what: str, measured: str, unit: str, promise: str, katib: str) -> str:
    return f"{what:<76} {measured:>10} {unit:<10} {promise:<13} {katib}".rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
