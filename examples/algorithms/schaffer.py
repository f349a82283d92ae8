"""Two objectives that pull one way each, at 0 and at 2 (after Schaffer, 1985)."""

import sys


def schaffer(x: float, y: float) -> tuple[float, float]:
    """Return both values at (x, y); where x is from 0 to 2 and y is 0, neither gets better without the other getting worse."""
    return x**2 + y**2, (x - 2) ** 2 + y**2


if __name__ == "__main__":
    left, right = schaffer(float(sys.argv[1]), float(sys.argv[2]))
    print(f"left={left}")
    print(f"right={right}")
