"""Numbers of things as people write them."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, noun: str) -> str:
    """Return ``1 trial`` or ``3,000 trials``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
