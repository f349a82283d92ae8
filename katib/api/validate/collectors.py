"""Where metrics come from: kinds, paths, formats and filters (facts 2.8, items 13 and 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import CollectorSource, ExperimentSpec, MetricsCollectorSpec

__all__ = ["collector_problems"]

_PATH = "spec.metricsCollectorSpec"
_GROUPS = 2
_LAST_PORT = 65_535


def collector_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Yield what is wrong with the metrics collector."""
    collector = spec.metrics_collector_spec
    if collector is None or collector.collector is None:
        return
    source = collector.source
    match collector.collector.kind:
        case "File":
            yield from _file_problems(source, kind="File")
            if source and source.file_system_path and source.file_system_path.format == "JSON" and source.filter:
                yield Problem(
                    f"{_PATH}.source.filter", "cannot be given beside the format JSON, whose fields are the metrics"
                )
        case "TensorFlowEvent":
            yield from _file_problems(source, kind="Directory")
        case "PrometheusMetric":
            yield from _http_problems(source)
        case "Custom":
            yield from _custom_problems(collector)
        case "StdOut" | "Push":
            pass
    yield from _filter_problems(source)


def _file_problems(source: CollectorSource | None, *, kind: str) -> Iterator[Problem]:
    path = source.file_system_path if source else None
    where = f"{_PATH}.source.fileSystemPath"
    if path is None:
        yield Problem(where, "is required")
        return
    if path.kind != kind:
        yield Problem(f"{where}.kind", f"must be {kind} for this collector", path.kind)
    if not (path.path or "").startswith("/"):
        yield Problem(f"{where}.path", "must be an absolute path", path.path)
    if kind == "File" and path.format is None:
        yield Problem(f"{where}.format", "must be TEXT or JSON")
    if kind == "Directory" and path.format is not None:
        yield Problem(f"{where}.format", "must be left out: event files have one format", path.format)


def _http_problems(source: CollectorSource | None) -> Iterator[Problem]:
    http = source.http_get if source else None
    where = f"{_PATH}.source.httpGet"
    if http is None:
        yield Problem(where, "is required")
        return
    try:
        port = int(http.port or 0)
    except ValueError:
        port = 0
    if not 1 <= port <= _LAST_PORT:
        yield Problem(f"{where}.port", f"must be a whole number from 1 to {_LAST_PORT}", http.port)
    if not (http.path or "").startswith("/"):
        yield Problem(f"{where}.path", "must begin with '/'", http.path)


def _custom_problems(collector: MetricsCollectorSpec) -> Iterator[Problem]:
    if collector.collector is None or not collector.collector.custom_collector:
        yield Problem(f"{_PATH}.collector.customCollector", "is required for the kind Custom")
    path = collector.source.file_system_path if collector.source else None
    if path is not None and not (path.path or "").startswith("/"):
        yield Problem(f"{_PATH}.source.fileSystemPath.path", "must be an absolute path", path.path)
    if path is not None and path.kind is None:
        yield Problem(f"{_PATH}.source.fileSystemPath.kind", "must be File or Directory")


def _filter_problems(source: CollectorSource | None) -> Iterator[Problem]:
    formats = (source.filter.metrics_format or []) if source and source.filter else []
    if not formats:
        return
    import re2

    options = re2.Options()
    options.log_errors = False
    for index, pattern in enumerate(formats):
        path = f"{_PATH}.source.filter.metricsFormat[{index}]"
        try:
            groups = re2.compile(pattern, options=options).groups
        except re2.error as error:
            said = (
                error.args[0].decode(errors="replace")
                if error.args and isinstance(error.args[0], bytes)
                else str(error)
            )
            yield Problem(path, f"is no regular expression (RE2): {said}", pattern)
            continue
        if groups < _GROUPS:
            yield Problem(path, "must have two groups in parentheses: the metric's name and its value", pattern)
