"""How runs are read as trials: those of Optuna's own, and those of experiments that we drive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from katib.store.optuna import facts, trials
from katib.store.tracking.records import RunPart

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

    from katib.store.protocol import Observed
    from katib.store.tracking.records import Run

__all__ = ["OptunaReading", "StudyReading"]


class StudyReading(Protocol):
    """What one kind of experiment looks like to Optuna."""

    @property
    def parts(self) -> Collection[RunPart]:
        """What of a run is needed."""

    @property
    def intermediate(self) -> str:
        """The metric of what a trial reports on its way."""

    @property
    def reports_alone(self) -> bool:
        """Whether a running trial gets reports without a change of its row."""

    @property
    def directions(self) -> list[StudyDirection]:
        """The directions of the study."""

    def frozen(self, run: Run, reports: Sequence[Observed]) -> FrozenTrial:
        """Return a run as a trial."""

    def system_attrs(self) -> dict[str, Any]:
        """Return the system attributes that the study has by its nature."""


class OptunaReading(StudyReading):
    """Studies of Optuna's own."""

    parts = frozenset({RunPart.PROPERTIES})
    intermediate = facts.INTERMEDIATE
    reports_alone = False

    def __init__(self, directions: list[StudyDirection]) -> None:
        self._directions = directions

    @property
    @override
    def directions(self) -> list[StudyDirection]:
        return list(self._directions)

    @override
    def frozen(self, run: Run, reports: Sequence[Observed]) -> FrozenTrial:
        return trials.frozen(run, reports)

    @override
    def system_attrs(self) -> dict[str, Any]:
        return {}
