"""Names of trials: short, without meaning, and the same for the same index for ever."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import Final

__all__ = ["trial_index", "trial_name"]

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels, so that no words come out; nothing that looks like something else."""
_LENGTH: Final = 8
_SIZE: Final = len(_ALPHABET) ** _LENGTH
_LONGEST: Final = 63
_MOST: Final = 10_000_000
"""Trials that one experiment may have had."""


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
    factor, _, first = _permutation(experiment_uid)
    number = (index * factor + first) % _SIZE
    characters = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return f"{_prefix(experiment_name)}-{''.join(characters)}"


def trial_index(experiment_name: str, experiment_uid: str, name: str) -> int | None:
    """Return the index of the trial that has a name; None for a name that no trial of this experiment was given."""
    prefix, _, characters = name.rpartition("-")
    if prefix != _prefix(experiment_name) or len(characters) != _LENGTH or not set(characters) <= set(_ALPHABET):
        return None
    number = sum(_ALPHABET.index(each) * len(_ALPHABET) ** place for place, each in enumerate(characters))
    _, inverse, first = _permutation(experiment_uid)
    index = (number - first) * inverse % _SIZE
    # Every such name has an index; those of names that others chose are spread over all there are.
    return index if index < _MOST else None


def _prefix(experiment_name: str) -> str:
    return experiment_name[: _LONGEST - _LENGTH - 1].rstrip("-")


@lru_cache(maxsize=256)
def _permutation(experiment_uid: str) -> tuple[int, int, int]:
    """Return by what an index is multiplied, by what a number is to undo that, and what is added."""
    digest = hashlib.blake2b(experiment_uid.encode(), digest_size=16).digest()
    factor = int.from_bytes(digest[:8], "big") % _SIZE
    while math.gcd(factor, len(_ALPHABET)) != 1:
        factor += 1
    return factor, pow(factor, -1, _SIZE), int.from_bytes(digest[8:], "big")
