"""A training program whose loss falls with every epoch; how far depends on the learning rate, as with a real one."""

import argparse
import math
import time

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, required=True)
parser.add_argument("--epochs", type=int, default=30)
arguments = parser.parse_args()

# Too small a rate learns nothing in the time there is, too large a one settles far from the optimum.
distance = abs(math.log10(arguments.learning_rate) + 2)
for epoch in range(1, arguments.epochs + 1):
    time.sleep(0.1)
    print(f"epoch={epoch} loss={0.1 + distance + math.exp(-epoch / 3):.4f}", flush=True)
