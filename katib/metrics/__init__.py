"""Observations out of a running trial: tails, parsers, collectors, and what a training script calls to report."""
