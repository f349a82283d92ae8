"""Paths of metrics files, which experiments write for a container, in a trial that runs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from katib.api.experiment import MetricsCollectorSpec

__all__ = ["collector_folder", "collector_path", "local_path"]


def collector_path(spec: MetricsCollectorSpec) -> str | None:
    """Return the file or folder that the trial writes its metrics to, or None when it writes none."""
    kind = spec.collector.kind if spec.collector else "StdOut"
    if kind not in ("File", "TensorFlowEvent") or not spec.source or not spec.source.file_system_path:
        return None
    return spec.source.file_system_path.path


def collector_folder(spec: MetricsCollectorSpec) -> str | None:
    """Return the folder of the metrics, which is there before the trial starts; None when it writes none."""
    path = collector_path(spec)
    if path is None:
        return None
    kind = spec.collector.kind if spec.collector else ""
    return path if kind == "TensorFlowEvent" else str(Path(path).parent)


def local_path(path: str, root: Path) -> Path:
    """Return the place below ``root`` that stands for an absolute path; never outside it."""
    parts = [part for part in Path(path).parts if part not in ("/", "..", ".")]
    return root.joinpath(*parts)
