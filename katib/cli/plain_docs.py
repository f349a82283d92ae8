"""Docstrings as terminals show them: without the marks of reStructuredText."""

from __future__ import annotations

import re

__all__ = ["plain"]

_MARK = re.compile(r":[a-z:]+:`~?([^`]*)`|``(.+?)``|(?<!`)`(?=[^\s`])([^`]*[^\s`])`(?!`)_{0,2}")


def plain(text: str) -> str:
    """Return the text with literals and roles shown by their words alone."""
    return _MARK.sub(lambda found: next(group for group in found.groups() if group is not None), text)
