"""How every promise gets its store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.protocol import Store

__all__ = ["Place", "Promises"]

Place = str | Path
"""Where a store is: a path, or a URL."""


class Promises:
    """The store under test and the place it keeps its records in."""

    @staticmethod
    def opener(place: Place) -> Store:
        """Open the store kept at a place: a path, which does not exist before the first time, or what ``place`` returns.

        Child processes import it: set it to a function of an installed module, wrapped in ``staticmethod``.
        """
        raise NotImplementedError

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        """Return where this test's store is; override it for a store that is in no file."""
        return tmp_path / "store.db"

    @pytest.fixture
    def store(self, place: Path) -> Iterator[Store]:
        """Open a new store."""
        with self.opener(place) as store:
            yield store
