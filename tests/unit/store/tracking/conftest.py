import sys
from pathlib import Path

# The tests of finding share rows, and generators with those of the language.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "query")]
