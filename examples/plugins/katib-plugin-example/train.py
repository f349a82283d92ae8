"""A loss that falls to its floor and then stays there, for much longer than anybody wants to wait."""

import math
import sys
import time

floor, speed = float(sys.argv[1]), float(sys.argv[2])
for epoch in range(600):
    print(f"loss={floor + math.exp(-speed * epoch):.4f}", flush=True)
    time.sleep(0.1)
