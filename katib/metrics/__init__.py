"""Observations out of a running trial: parsers, collectors that follow its output, the reporter used inside it."""
