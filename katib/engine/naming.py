"""Names of trials: short, without meaning, and the same for the same index for ever."""

from __future__ import annotations

import hashlib
import math
from typing import Final

__all__ = ["trial_name"]

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels, so that no words come out; nothing that looks like something else."""
_LENGTH: Final = 8
_SIZE: Final = len(_ALPHABET) ** _LENGTH
_LONGEST: Final = 63


def trial_name(experiment_name: str, experiment_uid: str, index: int) -> str:
    """Return the name of a trial: ``<experiment>-<eight characters>``, at most 63 in all.

    The characters are the index, permuted: two indices of one experiment never share a name, by construction, and creating trial
    ``index`` twice creates the same thing twice.

    Raises:
        ValueError: The index is negative or beyond 27^8.
    """
    if not 0 <= index < _SIZE:
        message = f"no trial has index {index}"
        raise ValueError(message)
    digest = hashlib.blake2b(experiment_uid.encode(), digest_size=16).digest()
    factor = int.from_bytes(digest[:8], "big") % _SIZE
    while math.gcd(factor, len(_ALPHABET)) != 1:
        factor += 1
    number = (index * factor + int.from_bytes(digest[8:], "big")) % _SIZE
    characters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    prefix = experiment_name[: _LONGEST - _LENGTH - 1].rstrip("-")
    return f"{prefix}-{''.join(characters)}"
