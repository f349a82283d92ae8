"""Texts in MLflow's messages that are JSON, mostly: schemas and profiles of datasets."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["json_or_text"]


def json_or_text(text: str | None) -> Any:
    """Return the JSON in a text; a text that is none, or has numbers that JSON has not, stays a text."""
    if not text:
        return None
    try:
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict | list) else text


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number
