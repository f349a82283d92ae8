"""The collector ``PrometheusMetric``: asks the trainer's own metrics server while the trial runs (facts 5: Katib never had one).

Metrics are gauges that stand still between two steps of training, so a value is a report when it changed. What the trainer sets after the
last look is not seen: its server ends with it. A trainer that wants every value seen prints it, or calls ``katib.report_metrics``.
"""

from __future__ import annotations

import http.client
import re
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from katib.metrics.collector import DEFAULT_LIMIT, Batch, Collector
from katib.metrics.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from katib.metrics.sidecar.settings import HttpSource

__all__ = ["Scraper", "parse_exposition"]

_PATIENCE: Final = 2.0
_OK: Final = 200
_ACCEPT: Final = "text/plain;version=0.0.4"
_SERIES: Final = re.compile(
    r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*\})?\s+(\S+)(?:\s+(-?\d+))?\s*"
)
_LONGEST_LINE: Final = 16_384


def parse_exposition(text: str) -> Iterator[tuple[str, str, str, int | None]]:
    """Yield what Prometheus' text format says: name, labels as written (with braces, or empty), value, milliseconds or None."""
    for line in text.split("\n"):
        if line.startswith("#") or len(line) > _LONGEST_LINE:
            continue
        found = _SERIES.fullmatch(line)
        if found:
            labels = "" if found[2] in (None, "{}") else found[2]
            yield found[1], labels, found[3], int(found[4]) if found[4] else None


class Scraper(Collector):
    """Looks at a trainer's metrics server.

    Args:
        source: Where it is.
        metrics: Names, or names with labels as the server writes them (``loss{set="valid"}``).
    """

    def __init__(self, source: HttpSource, metrics: Sequence[str]) -> None:
        self._source = source
        self._metrics = tuple(metrics)
        self._last: dict[str, str] = {}
        self._looks = 0
        self._answers = 0
        self._fault = ""
        self._names: dict[str, None] = {}
        self._several: set[str] = set()

    @override
    def poll(self, limit_bytes: int = DEFAULT_LIMIT) -> Batch:
        self._looks += 1
        try:
            text = self._look(limit_bytes)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._fault = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return Batch([], self._checkpoint())
        self._answers += 1
        return Batch(list(self._changed(text)), self._checkpoint())

    def _look(self, limit: int) -> str:
        source = self._source
        context = None
        if source.scheme.lower() == "https":
            # A probe of the pod's own address: there is nobody between, and no name that a certificate could be for.
            context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = (
            http.client.HTTPConnection(source.host, source.port, timeout=_PATIENCE)
            if context is None
            else http.client.HTTPSConnection(source.host, source.port, timeout=_PATIENCE, context=context)
        )
        try:
            connection.request("GET", source.path, headers={"Accept": _ACCEPT, **dict(source.headers)})
            response = connection.getresponse()
            text = response.read(limit)
        finally:
            connection.close()
        if response.status != _OK:
            message = f"it answered {response.status}"
            raise ValueError(message)
        return text.decode("utf-8", "replace")

    def _changed(self, text: str) -> Iterator[Sample]:
        by_name: dict[str, list[tuple[str, str, int | None]]] = {}
        for name, labels, value, milliseconds in parse_exposition(text):
            self._names.setdefault(name)
            if name in self._metrics or name + labels in self._metrics:
                by_name.setdefault(name, []).append((labels, value, milliseconds))
        now = datetime.now(UTC)
        for metric in self._metrics:
            name = metric.partition("{")[0]
            found = [each for each in by_name.get(name, ()) if metric in (name, name + each[0])]
            if not found:
                continue
            if len(found) > 1 and found[0][0]:
                self._several.add(metric)
            _, value, milliseconds = min(
                found, key=lambda each: bool(each[0])
            )  # the one without labels, else the first
            if self._last.get(metric) != value:
                self._last[metric] = value
                yield Sample(metric, value, now if milliseconds is None else _moment(milliseconds, now))

    def _checkpoint(self) -> dict[str, Any]:
        return {"last": dict(self._last)}

    @override
    def drain(self) -> Iterator[Batch]:
        yield Batch([], self._checkpoint())

    @override
    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        self._last = dict(checkpoint.get("last", {}))

    @override
    def evidence(self) -> list[str]:
        source = self._source
        where = f"{source.scheme.lower()}://{source.host}:{source.port}{source.path}"
        said = [
            f"Collector PrometheusMetric looked for {', '.join(self._metrics)} at {where}.",
            f"It asked {self._looks} times and was answered {self._answers} times.",
        ]
        if self._fault:
            said.append(f"The last failure: {self._fault}.")
        if self._answers:
            said.append(f"The metrics there: {', '.join(list(self._names)[:20]) or 'none'}.")
        said += [
            f"There are several series {name}, of which the first was taken: name one with its labels."
            for name in sorted(self._several)
        ]
        return said


def _moment(milliseconds: int, now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return now
