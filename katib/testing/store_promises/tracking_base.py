"""How every promise of a tracking store gets its store, and the records that promises begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from katib.store.tracking.protocol import TrackingStore
from katib.store.tracking.records import NewRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from katib.store.tracking.protocol import Tracking
    from katib.testing.store_promises.base import Place

__all__ = ["OpenTrackingStore", "TrackingPromises", "a_project", "a_run"]


class OpenTrackingStore(TrackingStore, Protocol):
    """A tracking store that is closed when its ``with`` block ends."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: object) -> None: ...


class TrackingPromises:
    """The tracking store under test, and the place it keeps its records in."""

    @staticmethod
    def opener(place: Place) -> OpenTrackingStore:
        """Open the store kept at a place: a path, which does not exist before the first time, or what ``place`` returns.

        Child processes import it: set it to a function of an installed module, wrapped in ``staticmethod``.
        """
        raise NotImplementedError

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        """Return where this test's store is; override it for a store that is in no file."""
        return tmp_path / "store.db"

    @pytest.fixture
    def trackings(self, place: Place) -> Iterator[OpenTrackingStore]:
        """Open a new store."""
        with self.opener(place) as store:
            yield store

    @pytest.fixture
    def tracking(self, trackings: OpenTrackingStore) -> Tracking:
        """Return what the namespace ``team-a`` has, as Ann sees and changes it."""
        return trackings.tracking("team-a", actor="ann")


def a_project(tracking: Tracking, name: str = "vision") -> str:
    """Record a project and return its id."""
    return tracking.create_project(name).id


def a_run(tracking: Tracking, **fields: Any) -> str:
    """Record a run, of the default project unless another one is named, and return its id."""
    if not {"project_id", "experiment_id", "parent_id"} & fields.keys():
        fields["project_id"] = tracking.default_project().id
    return tracking.create_run(NewRun(**fields)).id
