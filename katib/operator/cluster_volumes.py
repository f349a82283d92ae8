"""Volumes that the trials of an experiment share, claimed by whoever creates it, with the caller's own rights."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, NotFound, Problem
from katib.kube.errors import AlreadyExists, Invalid, ServerAway
from katib.kube.resource import PERSISTENT_VOLUME_CLAIMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.operator.cluster_client import ClusterClient

__all__ = ["ClusterVolumes"]

_ATTEMPTS: Final = 4
_FIRST_PAUSE: Final = 0.2


class ClusterVolumes:
    """The volume claims of a cluster; implements ``katib.experiments.protocol.Volumes``.

    Args:
        client: To the API server.
    """

    def __init__(self, client: ClusterClient) -> None:
        self._client = client

    def claim(self, namespace: str, document: Mapping[str, Any]) -> bool:
        """Create a PersistentVolumeClaim, unless there is one of the name; return whether it was created now.

        Raises:
            InvalidInput: The API server does not accept it, or the one that is there is being deleted.
            Denied: The caller may not create it.
        """
        name = str(document["metadata"]["name"])
        for attempt in range(_ATTEMPTS):
            try:
                self._client.create(PERSISTENT_VOLUME_CLAIMS, document, namespace)
            except AlreadyExists:
                self._check_staying(namespace, name)
                return attempt > 0  # an answer that got lost was that it was made
            except ServerAway:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_FIRST_PAUSE * 2**attempt)
            except Invalid as error:
                raise InvalidInput([Problem("storage_config", str(error))]) from error
            else:
                return True
        raise AssertionError  # the last attempt returns or raises

    def _check_staying(self, namespace: str, name: str) -> None:
        try:
            found = self._client.get(PERSISTENT_VOLUME_CLAIMS, name, namespace)
        except NotFound:
            found = {"metadata": {"deletionTimestamp": "now"}}
        if found["metadata"].get("deletionTimestamp"):
            message = (
                f"the volume claim {namespace}/{name} is being deleted: try again when it is gone, or take another name"
            )
            raise InvalidInput([Problem("name", message)])

    def release(self, namespace: str, name: str) -> None:
        """Delete a claim."""
        self._client.delete(PERSISTENT_VOLUME_CLAIMS, name, namespace)
