"""Files of runs."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from katib.store.tracking.records.nodes import Json

__all__ = ["Artifact", "ArtifactState"]


class ArtifactState(enum.StrEnum):
    """What of an artifact is there."""

    LINK = "link"
    """Nothing: it is somewhere else, at ``uri``."""
    PENDING = "pending"
    """Announced, not uploaded."""
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a run, or a link to one.

    Attributes:
        path: Below the run's folder of artifacts; ModelDB's key.
        type: ``MODEL``, ``IMAGE``, ``DATA``, ... or empty.
        uri: Where it is.
        size: In bytes, once known.
        sha256: Of the content, once known.
        metadata: Anything else its writer said.
    """

    id: str
    run_id: str
    path: str
    type: str
    uri: str
    state: ArtifactState
    size: int | None
    sha256: str | None
    content_type: str | None
    metadata: Mapping[str, Json]
    created: datetime
