"""Who sits at the keyboard, for the store's audit."""

from __future__ import annotations

import getpass

__all__ = ["user_name"]


def user_name() -> str:
    """Return the user's name; empty where the system has none for this user id."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
