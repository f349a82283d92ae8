"""Folders that a trainer and its collector have in common: the volume for their exchange, and where the trainer writes its metrics.

A folder that the template mounts already, such as one of a claim, is shared as it is; others become empty folders of the pod. Names and
places that the template uses are left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SharedVolumes"]

_EXCHANGE: Final = "katib-metrics"
_FOLDER: Final = "/var/run/katib"
_PATHS: Final = "katib-metrics-files"
_EXCHANGE_LIMIT: Final = "1Gi"
"""Above what launcher and sidecar let come together there: a pod that has more is evicted."""
_ACCOUNT_FOLDER: Final = "/var/run/secrets/kubernetes.io/serviceaccount"


class SharedVolumes:
    """Of one pod, which is changed in place.

    Args:
        pod_spec: The pod's.
        trainer: The primary container.
        place: The path of the primary container, for messages.
    """

    def __init__(self, pod_spec: dict[str, Any], trainer: dict[str, Any], place: str) -> None:
        self._pod_spec = pod_spec
        self._trainer = trainer
        self._place = place
        self._mounts: list[dict[str, Any]] = []

    def exchange(self) -> str:
        """Share the folder for the exchange, and return where it is."""
        used = {str(mount.get("mountPath", "")).rstrip("/") for mount in self._trainer.get("volumeMounts") or []}
        folder = next(each for each in _candidates(_FOLDER) if each not in used)
        self._share_new(_EXCHANGE, folder, {"sizeLimit": _EXCHANGE_LIMIT})
        return folder

    def share(self, folder: str, place: str) -> None:
        """Share a folder that the trainer writes.

        Raises:
            InvalidInput: The template mounts it in a way that cannot be repeated.
        """
        mounts = sorted(
            (mount for mount in self._trainer.get("volumeMounts") or [] if _is_below(folder, mount.get("mountPath"))),
            key=lambda mount: len(str(mount.get("mountPath"))),
        )
        if not mounts:
            self._share_new(_PATHS, folder, {})
            return
        if "subPathExpr" in mounts[-1]:
            message = (
                "has a volume with a subPathExpr where the metrics are; only subPath can be shared with the collector"
            )
            raise InvalidInput([Problem(f"{place}.volumeMounts", message, mounts[-1].get("mountPath"))])
        fields = ("name", "mountPath", "subPath")
        self._mounts.append({**{name: mounts[-1][name] for name in fields if name in mounts[-1]}, "readOnly": True})

    def _share_new(self, name: str, folder: str, empty: dict[str, Any]) -> None:
        taken = {volume.get("name") for volume in self._pod_spec.get("volumes") or []}
        free = next(each for each in _candidates(name) if each not in taken)
        self._pod_spec["volumes"] = [*(self._pod_spec.get("volumes") or []), {"name": free, "emptyDir": empty}]
        mount = {"name": free, "mountPath": folder}
        self._trainer["volumeMounts"] = [*(self._trainer.get("volumeMounts") or []), mount]
        self._mounts.append(mount)

    def mount_in(self, container: dict[str, Any]) -> None:
        """Give another container what is shared."""
        used = {mount.get("mountPath") for mount in container.get("volumeMounts") or []}
        container["volumeMounts"] = [
            *(container.get("volumeMounts") or []),
            *(dict(mount) for mount in self._mounts if mount["mountPath"] not in used),
        ]

    def hide_token(self, container: dict[str, Any]) -> None:
        """Keep the pod's service account from another container.

        Kubernetes mounts the account's token in every container that has nothing in that place. So the folder for the exchange is there.
        """
        exchange = self._mounts[0]["name"]
        mount = {"name": exchange, "mountPath": _ACCOUNT_FOLDER, "readOnly": True}
        container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]


def _is_below(folder: str, mount_path: object) -> bool:
    path = str(mount_path or "").rstrip("/")
    return bool(path) and (folder == path or folder.startswith(f"{path}/"))


def _candidates(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 1_000):
        yield f"{name}-{number}"
