"""What the author of an algorithm or early stopper imports; how algorithms are found, asked and checked."""
