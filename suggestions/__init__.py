"""The algorithms and early stoppers, one file each; ``katib.algorithm.registry`` finds them by their files."""
