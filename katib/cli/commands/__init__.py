"""The commands, one module each: a function ``command`` whose parameters are its options and whose docstring is its help."""
