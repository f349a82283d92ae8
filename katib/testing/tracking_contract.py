"""What every tracking store promises, as tests.

A tracking store's whole test module can be::

    class TestMyTracking(TrackingContract):
        opener = staticmethod(open_my_store)
"""

from __future__ import annotations

from katib.testing.store_promises.analyses import AnalysisPromises
from katib.testing.store_promises.artifacts import ArtifactPromises
from katib.testing.store_promises.comments import CommentPromises
from katib.testing.store_promises.comparisons import ComparisonPromises
from katib.testing.store_promises.datasets import DatasetPromises
from katib.testing.store_promises.deletion import DeletionPromises
from katib.testing.store_promises.expected_states import ExpectedStatePromises
from katib.testing.store_promises.lineage import LineagePromises
from katib.testing.store_promises.projects import ProjectPromises
from katib.testing.store_promises.purges import PurgePromises
from katib.testing.store_promises.recordings import RecordingPromises
from katib.testing.store_promises.retention import RetentionPromises
from katib.testing.store_promises.runs import RunPromises
from katib.testing.store_promises.searches import SearchPromises

__all__ = ["TrackingContract"]


class TrackingContract(
    ProjectPromises,
    SearchPromises,
    RunPromises,
    DatasetPromises,
    ArtifactPromises,
    CommentPromises,
    LineagePromises,
    ComparisonPromises,
    AnalysisPromises,
    ExpectedStatePromises,
    DeletionPromises,
    PurgePromises,
    RetentionPromises,
    RecordingPromises,
):
    """Inherit it and set ``opener`` (``katib.testing.store_promises.tracking_base``)."""
