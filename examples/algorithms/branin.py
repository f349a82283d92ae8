"""Branin's function: two parameters, three equal minima of 0.397887 (Dixon and Szego, 1978)."""

import math
import sys


def branin(x: float, y: float) -> float:
    """Return the value at (x, y), for x in [-5, 10] and y in [0, 15]."""
    bend = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


if __name__ == "__main__":
    print(f"value={branin(float(sys.argv[1]), float(sys.argv[2]))}")
