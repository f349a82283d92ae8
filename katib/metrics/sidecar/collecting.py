"""The sidecar's one loop: look at what the trainer left, put it into the spool, and see to it that both ends know how far it is."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from katib.metrics.collector import collector_of
from katib.metrics.sidecar.rules import StoppingRules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from katib.metrics.collector import Batch, Collector
    from katib.metrics.sample import Sample
    from katib.metrics.sidecar.delivery import Delivery
    from katib.metrics.sidecar.exchange import Ended, Exchange
    from katib.metrics.sidecar.settings import SidecarSettings
    from katib.metrics.sidecar.spool import Spool

__all__ = ["Collecting", "collectors_of"]

_LOGGER: Final = logging.getLogger(__name__)
_TICK: Final = 0.05
"""Seconds between two looks whether the trainer has ended."""
_QUICK_TICK: Final = 0.005
_AFTER_LAUNCHER: Final = 0.1
"""Seconds in which the container's own runtime sees the end of the launcher."""
_POLL: Final = 0.25
_POLL_FOLDERS: Final = 1.0
_BEAT: Final = 1.0
_LIMIT: Final = 1 << 20
_MUCH: Final = 8 << 20
"""Bytes of output of which the launcher is told at once that they are read."""
_RECORDED_EVERY: Final = 4 << 20
"""Bytes of output that say nothing after which the place in it is worth a record."""
_LONGEST_MESSAGE: Final = 4_000
"""Kubernetes cuts a termination message off at 4096 bytes."""


def collectors_of(settings: SidecarSettings, exchange: Exchange) -> dict[str, tuple[Collector, float]]:
    """Return the collectors of a kind by their names in checkpoints, each with the seconds between two polls.

    What ``katib.report_metrics`` writes is collected whatever the kind.
    """
    found: dict[str, tuple[Collector, float]] = {}
    match settings.kind:
        case "StdOut":
            made = collector_of("StdOut", settings.metrics, exchange.output, "its output", filters=settings.filters)
            found["output"] = (made, _POLL)
        case "File" | "TensorFlowEvent":
            made = collector_of(
                settings.kind,
                settings.metrics,
                Path(settings.path),
                settings.path,
                filters=settings.filters,
                is_json=settings.is_json,
            )
            found["file"] = (made, _POLL if settings.kind == "File" else _POLL_FOLDERS)
        case "PrometheusMetric" if settings.http is not None:
            from katib.metrics.sidecar.scrape import Scraper

            found["server"] = (Scraper(settings.http, settings.metrics), settings.http.seconds)
    found["pushed"] = (collector_of("Push", settings.metrics, exchange.pushed, "what it reported"), _POLL)
    return found


class Collecting:
    """Collects one trial's metrics.

    Args:
        settings: What there is to collect.
        exchange: The folder shared with the launcher.
        spool: Where samples wait for the store.
        delivery: Brings them there; started by ``run``.
        tell: Is given what the operator shall know, a short JSON document, whenever that may have changed.
    """

    def __init__(
        self,
        settings: SidecarSettings,
        exchange: Exchange,
        spool: Spool,
        delivery: Delivery,
        *,
        tell: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._exchange = exchange
        self._spool = spool
        self._delivery = delivery
        self._tell = tell
        self._terminated = threading.Event()
        self._rules = StoppingRules(
            settings.rules, objective=settings.metrics[0] if settings.metrics else "", maximize=settings.maximize
        )
        collectors = collectors_of(settings, exchange)
        self._collectors = {name: collector for name, (collector, _) in collectors.items()}
        self._pauses = {name: pause for name, (_, pause) in collectors.items()}
        self._next_polls = dict.fromkeys(collectors, 0.0)
        self._next_beat = 0.0
        self._consumed = 0
        self._places: dict[str, Any] = {}
        self._counts: dict[str, int] = dict.fromkeys(settings.metrics, 0)
        self._stopped_run = ""
        self._collected_run = exchange.collected_run()
        self._last_end: Ended | None = None
        self._fault = ""
        self._restore()

    def _restore(self) -> None:
        checkpoint = self._spool.durable
        self._places = dict(checkpoint.get("places", {}))
        for name, place in self._places.items():
            if name in self._collectors:
                self._collectors[name].restore(place)
        self._rules.restore(checkpoint.get("rules", {}))
        self._counts.update(checkpoint.get("counts", {}))

    def terminate(self) -> None:
        """End, once everything that the trainer left is in the store: it has ended when Kubernetes says this."""
        self._terminated.set()

    def run(self) -> int:
        """Collect until told to end, and return the exit code."""
        self._delivery.start()
        while True:
            self._beat()
            if self._is_broken():
                _LOGGER.error("the thread that reports has ended; this process ends too, to be started again")
                return 1
            if self._terminated.is_set():
                if self._finish(self._new_end()):
                    return 0
                continue
            end = self._new_end()
            if end is not None:
                if self._finish(end) and self._settings.ends_itself:
                    self._outlive_launcher()
                    return 0
                continue
            more = self._poll()
            self._stop_early()
            if not more:
                self._terminated.wait(_TICK)

    def _outlive_launcher(self) -> None:
        """Wait until the launcher has ended: who ends before it is started again."""
        while self._exchange.launcher_lives() and not self._terminated.is_set():
            self._beat()
            time.sleep(_QUICK_TICK)
        time.sleep(_AFTER_LAUNCHER)

    def _is_broken(self) -> bool:
        return not self._delivery.is_alive and not self._delivery.refused

    def _new_end(self) -> Ended | None:
        """Return the end of a run that is not collected yet."""
        if not self._settings.wrapped:
            return None
        end = self._exchange.ended()
        if end is None or end.run == self._collected_run:
            return None
        if end.run != self._exchange.run():
            self._collected_run = end.run  # the container was started again, and its trainer is not to be cut off
            return None
        self._last_end = end
        return end

    # -- what the trainer left ------------------------------------------------------------------------------------------

    def _poll(self) -> bool:
        """Take in what is new; returns whether there is more."""
        now = time.monotonic()
        more = False
        for name, collector in self._collectors.items():
            if self._spool.is_full:
                self._notice("the spool is full; the collector waits for the store")
                return False
            if self._next_polls[name] <= now:
                batch = collector.poll(_LIMIT)
                self._keep(name, batch)
                more = more or batch.more
                if not batch.more:
                    self._next_polls[name] = time.monotonic() + self._pauses[name]
        return more

    def _keep(self, name: str, batch: Batch) -> None:
        if not batch.samples and not self._is_worth_a_record(name, batch):
            return
        self._count(batch.samples)
        self._places[name] = batch.checkpoint
        self._spool.append(
            batch.samples,
            {"places": dict(self._places), "rules": self._rules.checkpoint(), "counts": dict(self._counts)},
            datetime.now(UTC),
        )
        self._notice(f"the volume takes nothing: {self._spool.fault}" if self._spool.fault else "")
        self._delivery.wake()

    def _is_worth_a_record(self, name: str, batch: Batch) -> bool:
        def offset(place: Any) -> int:
            return int(place.get("offset", 0)) if isinstance(place, dict) else 0

        return offset(batch.checkpoint) - offset(self._places.get(name)) >= _RECORDED_EVERY

    def _count(self, samples: Sequence[Sample]) -> None:
        self._rules.take(samples)
        for sample in samples:
            self._counts[sample.name] = self._counts.get(sample.name, 0) + 1

    def _notice(self, fault: str) -> None:
        if fault and fault != self._fault:
            _LOGGER.warning("%s", fault)
        self._fault = fault

    # -- what the launcher and the operator are told ----------------------------------------------------------------------

    def _beat(self) -> None:
        consumed = int(self._spool.durable.get("places", {}).get("output", {}).get("offset", 0))
        if time.monotonic() >= self._next_beat or consumed - self._consumed >= _MUCH:
            self._next_beat = time.monotonic() + _BEAT
            self._consumed = consumed
            self._exchange.beat(consumed)

    def _stop_early(self) -> None:
        verdict = self._rules.verdict()
        if not verdict or not self._settings.wrapped:
            return
        run = self._exchange.run()
        if run and run != self._stopped_run and self._exchange.stop(run):
            self._stopped_run = run
            _LOGGER.warning("the trial is stopped early: %s", verdict)

    def _finish(self, end: Ended | None) -> bool:
        """Bring everything that is left to the store, however long that takes, and say so; returns whether that was done."""
        for name, collector in self._collectors.items():
            for batch in collector.drain():
                if not self._wait(lambda: not self._spool.is_full or bool(self._delivery.refused)):
                    return False
                self._keep(name, batch)
        self._tell(self._message())
        self._delivery.wake()
        if not self._wait(lambda: self._delivery.is_idle):
            return False
        self._tell(self._message())
        if end is not None and self._exchange.collected(end.run):
            self._collected_run = end.run
        return True

    def _wait(self, done: Callable[[], bool]) -> bool:
        """Wait for the thread that reports; returns whether it still works."""
        since = time.monotonic()
        while not done():
            if self._is_broken():
                return False
            self._beat()
            time.sleep(_QUICK_TICK if time.monotonic() - since < 1 else _TICK)
        return True

    def _evidence(self) -> list[str]:
        found = []
        for name, collector in self._collectors.items():
            if name == "pushed" and self._settings.kind != "Push" and not self._places.get("pushed"):
                continue  # nobody said that it would report so
            try:
                found += collector.evidence()
            except OSError as error:
                found.append(f"{error.filename} cannot be looked at: {error.strerror}.")
        path = self._settings.path
        if path and os.path.lexists(path) and not os.access(path, os.R_OK):
            found.append(f"The collector, which is user {os.getuid()}, may not read {path}: let others read it.")
        return found

    def _message(self) -> str:
        """Return what became of the trial's metrics."""
        verdict = self._rules.verdict()
        end = self._last_end
        evidence: list[str] = []
        if end is not None and end.cannot_run:
            evidence.append(f"The command could not be started: {end.cannot_run}.")
        if end is not None and end.missing_bytes:
            evidence.append(f"{end.missing_bytes} bytes of its output are missing: the volume was full.")
        if self._settings.metrics and not self._counts.get(self._settings.metrics[0]):
            evidence += self._evidence()
        said: dict[str, Any] = {"points": self._counts, "stored": self._delivery.stored}
        if end is not None and end.stopped:
            said["stopped"] = verdict or "the rules of early stopping were met"
        if not self._delivery.is_idle:
            said["unsent"] = self._spool.following - self._delivery.stored
        if self._delivery.refused or self._delivery.trouble:
            said["trouble"] = (self._delivery.refused or self._delivery.trouble)[:500]
        text = json.dumps({**said, "evidence": evidence}, ensure_ascii=False)
        while len(text.encode()) > _LONGEST_MESSAGE and evidence:
            evidence = [*evidence[:-1], evidence[-1][: len(evidence[-1]) // 2]] if evidence[-1] else evidence[:-1]
            text = json.dumps({**said, "evidence": evidence}, ensure_ascii=False)
        return text
