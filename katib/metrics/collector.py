"""Collectors: what gathers a running trial's metrics, live, and can go on after it was killed.

A collector is polled and gives samples together with a checkpoint. Whoever stores both in one transaction and restores the checkpoint
later gets every sample exactly once.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from katib.errors import Unsupported
from katib.metrics.event_file import EventFile
from katib.metrics.line_parser import JsonLines, PushedLines, TextLines
from katib.metrics.line_reader import LineReader
from katib.metrics.paths import collector_path, local_path
from katib.metrics.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from katib.api.experiment import MetricsCollectorSpec
    from katib.metrics.line_parser import LineParser

__all__ = ["KINDS", "Batch", "Collector", "collector_of", "make_collector"]

DEFAULT_LIMIT: Final = 4 << 20
KINDS: Final = ("StdOut", "File", "TensorFlowEvent", "Push")
"""The kinds that read what a trial writes; the others need a cluster."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll found.

    Attributes:
        samples: In the order of the report.
        checkpoint: Where the collector stands after them; a small JSON-ready mapping.
        more: There is probably more to read at once.
    """

    samples: Sequence[Sample]
    checkpoint: dict[str, Any]
    more: bool = False


class Collector(abc.ABC):
    """Gathers the metrics of one trial."""

    @abc.abstractmethod
    def poll(self, limit_bytes: int = DEFAULT_LIMIT) -> Batch:
        """Return what was reported since the last poll, from at most so many bytes. What is not there yet is no error."""

    @abc.abstractmethod
    def drain(self) -> Iterator[Batch]:
        """Yield everything that is left; the trial has ended and writes no more."""

    @abc.abstractmethod
    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was."""

    @abc.abstractmethod
    def evidence(self) -> list[str]:
        """Return what was seen, as sentences for someone who misses a metric."""


def make_collector(
    spec: MetricsCollectorSpec, metrics: Sequence[str], *, stdout: Path, root: Path, push: Path
) -> Collector:
    """Return the collector of a defaulted spec.

    Args:
        spec: The experiment's.
        metrics: Which metrics to listen for.
        stdout: The file that holds what the trial prints.
        root: The folder that stands for ``/`` in the spec's paths.
        push: The file that ``katib.report_metrics`` writes.

    Raises:
        Unsupported: The kind needs a cluster.
    """
    kind = spec.collector.kind if spec.collector else "StdOut"
    source = spec.source
    filters = (source.filter.metrics_format or []) if source and source.filter else []
    path = collector_path(spec)
    is_json = bool(source and source.file_system_path and source.file_system_path.format == "JSON")
    match kind:
        case "StdOut":
            return collector_of(kind, metrics, stdout, "its output", filters=filters)
        case "Push":
            return collector_of(kind, metrics, push, "what it reported")
        case "File" | "TensorFlowEvent" if path is not None:
            return collector_of(kind, metrics, local_path(path, root), path, filters=filters, is_json=is_json)
    raise Unsupported(f"the metrics collector {kind} needs Kubernetes; on one machine there are {', '.join(KINDS)}")


def collector_of(
    kind: str,
    metrics: Sequence[str],
    path: Path,
    shown: str,
    *,
    filters: Sequence[str] = (),
    is_json: bool = False,
) -> Collector:
    """Return the collector of one of ``KINDS``.

    Args:
        kind: Which.
        metrics: Which metrics to listen for.
        path: The file, or the folder of event files.
        shown: What it is called in sentences.
        filters: Of lines of text.
        is_json: Whether a file's lines are JSON.
    """
    match kind:
        case "Push":
            return _Lines(kind, path, shown, PushedLines(metrics))
        case "TensorFlowEvent":
            return _Events(path, shown, metrics)
    parser = JsonLines(metrics) if is_json and kind == "File" else TextLines(metrics, filters)
    return _Lines(kind, path, shown, parser)


class _Lines(Collector):
    """One file of lines."""

    def __init__(self, kind: str, path: Path, shown: str, parser: LineParser) -> None:
        self._kind = kind
        self._path = path
        self._shown = shown
        self._parser = parser
        self._reader = LineReader(path, parser)

    @override
    def poll(self, limit_bytes: int = DEFAULT_LIMIT) -> Batch:
        samples, more = self._reader.read(limit_bytes)
        return Batch(samples, self._reader.checkpoint(), more)

    @override
    def drain(self) -> Iterator[Batch]:
        while True:
            batch = self.poll()
            yield batch
            if not batch.more:
                break
        yield Batch(self._reader.finish(), self._reader.checkpoint())

    @override
    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        self._reader.restore(checkpoint)

    @override
    def evidence(self) -> list[str]:
        names = ", ".join(sorted(self._parser.metrics))
        if not self._path.exists():
            return [f"Collector {self._kind} looked for {names}, but the trial wrote no {self._shown}."]
        lines = f"{self._reader.lines} line{'' if self._reader.lines == 1 else 's'}"
        found = [f"Collector {self._kind} looked for {names} in {self._shown} and saw {lines}."]
        if self._reader.oversized:
            found.append(f"{self._reader.oversized} lines were too long to be read.")
        if last := self._reader.last_lines():
            found.append("The last lines: " + " | ".join(line[:200] for line in last))
        return found


class _Events(Collector):
    """A folder of event files, also in folders below it."""

    def __init__(self, folder: Path, shown: str, metrics: Sequence[str]) -> None:
        self._folder = folder
        self._shown = shown
        self._metrics = tuple(metrics)
        self._files: dict[str, EventFile] = {}
        self._tags: dict[str, None] = {}
        self._restored: dict[str, Any] = {}

    @override
    def poll(self, limit_bytes: int = DEFAULT_LIMIT) -> Batch:
        self._look()
        samples: list[Sample] = []
        more = False
        for name, file in self._files.items():
            scalars, file_has_more = file.read(limit_bytes)
            more = more or file_has_more
            folder = name.rpartition("/")[0]
            for scalar in scalars:
                self._tags.setdefault(scalar.tag)
                samples += [
                    Sample(metric, repr(scalar.value), datetime.fromtimestamp(scalar.wall_time, UTC), scalar.step)
                    for metric in self._metrics
                    if self._is(metric, scalar.tag, folder)
                ]
        return Batch(samples, {"files": {name: file.checkpoint() for name, file in self._files.items()}}, more)

    def _look(self) -> None:
        """Find files that were not there before."""
        paths = sorted(self._folder.rglob("*tfevents*")) if self._folder.is_dir() else []
        for path in paths:
            name = path.relative_to(self._folder).as_posix()
            if name not in self._files and path.is_file():
                self._files[name] = EventFile(path)
                if name in self._restored:
                    self._files[name].restore(self._restored[name])

    def _is(self, metric: str, tag: str, folder: str) -> bool:
        """Whether a tag in a file of this folder is the metric: ``accuracy``, or ``train/accuracy`` for those below ``train``."""
        if tag == metric:
            return True
        where, _, last = metric.rpartition("/")
        return bool(where) and tag == last and f"/{folder}".endswith(f"/{where}")

    @override
    def drain(self) -> Iterator[Batch]:
        while True:
            batch = self.poll()
            yield batch
            if not batch.more:
                break

    @override
    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        self._files.clear()
        self._restored = dict(checkpoint.get("files", {}))

    @override
    def evidence(self) -> list[str]:
        names = ", ".join(self._metrics)
        if not self._files:
            return [
                f"Collector TensorFlowEvent looked for {names}, but the trial wrote no event files below {self._shown}."
            ]
        found = [
            f"Collector TensorFlowEvent looked for {names} in {len(self._files)} event files below {self._shown}.",
            f"The tags in them: {', '.join(list(self._tags)[:20]) or 'none'}.",
        ]
        broken = [name for name, file in self._files.items() if file.corrupt]
        if broken:
            found.append(f"These are damaged: {', '.join(broken[:5])}.")
        return found
