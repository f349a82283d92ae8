"""One kind of object as an API server serves it, and the paths under which it does.

Names come from users, so a path is made here and nowhere else: no name leaves its place in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from katib.errors import InvalidInput, Problem

__all__ = [
    "CONFIG_MAPS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "DEPLOYMENTS",
    "EVENTS",
    "JOBS",
    "LEASES",
    "NAMESPACES",
    "NODES",
    "PERSISTENT_VOLUME_CLAIMS",
    "PODS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "Resource",
]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object.

    Attributes:
        group: Of the API; empty for the core.
        version: Of the group.
        plural: As in paths.
        kind: As in documents.
        namespaced: Whether its objects live in namespaces.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What documents of this kind say as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the path of the collection, of one object, or of a part of it.

        Raises:
            InvalidInput: A name that is no part of a path.
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", _part("metadata.namespace", namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(_part("metadata.name", name))
        if subresource:
            parts.append(subresource)
        return "/" + "/".join(parts)


def _part(where: str, text: str) -> str:
    """Return a name as a part of a path, which ``..`` never is, however it is quoted."""
    if text in ("", ".", ".."):
        raise InvalidInput([Problem(where, "is no name of an object", text)])
    return quote(text, safe="")


PODS: Final = Resource("", "v1", "pods", "Pod")
SERVICES: Final = Resource("", "v1", "services", "Service")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
EVENTS: Final = Resource("", "v1", "events", "Event")
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES: Final = Resource("", "v1", "nodes", "Node", namespaced=False)
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
PERSISTENT_VOLUME_CLAIMS: Final = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
JOBS: Final = Resource("batch", "v1", "jobs", "Job")
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE_DEFINITIONS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
