"""Watches of the kinds of jobs that trials have; one is begun when the first trial of its kind is there, also of a CRD that came later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from katib.kube.reflector import Reflector
from katib.operator import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from katib.kube.client import Client
    from katib.kube.resource import Resource

__all__ = ["JobWatches"]


class JobWatches:
    """Reflectors by kind.

    Args:
        client: To the API server.
        namespace: The only one that is looked at; None for all.
        on_change: Called with the old and the new job.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str | None,
        on_change: Callable[[dict[str, Any] | None, dict[str, Any] | None], None],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._on_change = on_change
        self._lock = threading.Lock()
        self._reflectors: dict[Resource, Reflector] = {}

    def of(self, api_version: str, kind: str) -> tuple[Resource, Reflector]:
        """Return the kind as the API server serves it, and its watch.

        Raises:
            UnknownKind: The API server does not know it (yet).
            KatibError: The API server cannot be asked.
        """
        resource = self._client.resource_for(api_version, kind)
        with self._lock:
            reflector = self._reflectors.get(resource)
            if reflector is None:
                reflector = self._reflectors[resource] = Reflector(
                    self._client,
                    resource,
                    namespace=self._namespace,
                    label_selector=kinds.TRIAL_LABEL,
                    on_change=self._on_change,
                )
                reflector.start()
        return resource, reflector

    def all(self) -> Iterator[Reflector]:
        """Yield every watch there is."""
        with self._lock:
            yield from list(self._reflectors.values())

    def stop(self) -> None:
        """End all of them."""
        for reflector in self.all():
            reflector.stop()
