"""Files of runs: models, plots, checkpoints, in a folder or in a bucket.

``open_artifacts`` is the way in. What a file belongs to, who may read it and which of them are kept is the business of whoever calls; here
are names and bytes. Libraries of object storages are imported when one is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.store.artifacts.reader import ArtifactReader
from katib.store.artifacts.records import ArtifactEntry, ArtifactInfo, ArtifactPage, ArtifactPart, ArtifactUpload
from katib.store.artifacts.store import ArtifactStore

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ArtifactEntry",
    "ArtifactInfo",
    "ArtifactPage",
    "ArtifactPart",
    "ArtifactReader",
    "ArtifactStore",
    "ArtifactUpload",
    "open_artifacts",
]


def open_artifacts(url_or_path: str | Path, *, patience: float = 30.0) -> ArtifactStore:
    """Open the artifacts in a folder or a bucket; nothing is asked of a bucket before the first call.

    Example::

        artifacts = open_artifacts("file:///var/lib/katib/artifacts")
        artifacts.put("run-1/notes.txt", b"it works")

    Args:
        url_or_path: A path, ``file:///path``, ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``. Options follow
            a ``?`` or come from the environment (``docs/artifacts.md``).
        patience: Seconds a storage may be silent, and for which a request that failed is tried again.

    Raises:
        InvalidInput: A URL that cannot be read, or an option that the place does not know.
        Unsupported: Another kind of place, or the extra ``artifacts`` is not installed.
        StoreUnavailable, Denied: A folder that cannot be made or used.
    """
    from katib.store.artifacts.location import backend_at

    return ArtifactStore(backend_at(url_or_path, patience=patience))
