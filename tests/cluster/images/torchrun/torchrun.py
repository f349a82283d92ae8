#!/usr/bin/python3
# ruff: noqa: S606 - a script of an image, which starts what it is told to
"""One process of a PyTorchJob's node, with the rank that the training operator's variables give it."""

import os
import sys

words = sys.argv[1:]
if words[:1] != ["--no-python"]:
    sys.exit(f"torchrun was called in a way that its double does not know: {words}")
nodes, rank = int(os.environ["PET_NNODES"]), int(os.environ["PET_NODE_RANK"])
if os.environ["PET_NPROC_PER_NODE"] != "1" or not os.environ["PET_MASTER_ADDR"]:
    sys.exit("this double starts one process a node, and wants to know its master")
ranks = {"LOCAL_RANK": "0", "RANK": str(rank), "WORLD_SIZE": str(nodes)}
os.execvpe(words[1], words[1:], {**os.environ, **ranks})
