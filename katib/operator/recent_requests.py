"""Notes in an Experiment by which requests it was changed, so that none is carried out twice, whoever serves it and for as long as it is there.

The note is written with the change, in one patch, on the condition that nobody has written since the notes were read.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from katib.experiments.asking import reused
from katib.operator.kinds import RECENT_REQUESTS, REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from katib.api.experiment import Experiment

__all__ = ["ChangeRequest", "is_among", "mark_of"]

_MOST: Final = 16
"""The last requests of an experiment that are known again; a client sends a call again soon or never."""


def mark_of(request_id: str, said: bytes) -> str:
    """Return what is noted of a request: what the same one again says too, and another one of the same id does not."""
    digest = hashlib.blake2b(request_id.encode("utf-8", "surrogatepass"), digest_size=12)
    return f"{digest.hexdigest()}-{hashlib.blake2b(said, digest_size=12).hexdigest()}"


def is_among(marks: Collection[str], mark: str, request_id: str) -> bool:
    """Whether the request of a mark is among those that were noted.

    Raises:
        Conflict: Another one with its id is.
    """
    if mark in marks:
        return True
    of_id = f"{mark.partition('-')[0]}-"
    if any(each.startswith(of_id) for each in marks):
        raise reused(request_id)
    return False


class ChangeRequest:
    """One change that is asked for.

    Args:
        request_id: Of the caller's choosing; with an empty one it is another change each time, and is not noted.
        what: All that is asked for, beginning with the word for it.
    """

    def __init__(self, request_id: str, *what: str | int | bool | None) -> None:
        self._id = request_id
        self._mark = mark_of(request_id, json.dumps(what).encode()) if request_id else ""

    @property
    def is_noted(self) -> bool:
        """Whether it has an id to be known by."""
        return bool(self._mark)

    def was_made(self, experiment: Experiment) -> bool:
        """Whether the experiment was changed by it.

        Raises:
            Conflict: By another request with this id.
        """
        if not self._mark:
            return False
        annotations = experiment.metadata.annotations or {}
        marks = [*_marks(experiment), annotations.get(REQUEST_ID, "")]
        return is_among(marks, self._mark, self._id)

    def noted(self, patch: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
        """Return a merge patch of the experiment that notes the request as well."""
        if not self._mark:
            return dict(patch)
        metadata: Mapping[str, Any] = patch.get("metadata") or {}
        marks = " ".join([*_marks(experiment), self._mark][-_MOST:])
        annotations = {**(metadata.get("annotations") or {}), RECENT_REQUESTS: marks}
        version = experiment.metadata.resource_version
        return {**patch, "metadata": {**metadata, "annotations": annotations, "resourceVersion": version}}


def _marks(experiment: Experiment) -> list[str]:
    return ((experiment.metadata.annotations or {}).get(RECENT_REQUESTS) or "").split()
