"""The mathematics of a search space: parameters, distributions, unit cube, lazy grid, conditions, constraints."""
