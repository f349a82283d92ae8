"""The projects' own policies, carried out again and again beside a server; of several servers of one store, one does it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Final, Self

from katib.errors import KatibError
from katib.store.lease import Lease
from katib.store.retention import Retained, RetentionRules, apply_plan, plan_retention

if TYPE_CHECKING:
    from types import TracebackType

    from katib.store.artifacts import ArtifactStore
    from katib.store.retention import PlannedPurge
    from katib.store.tracking.protocol import Tracking, TrackingStore
    from katib.store.tracking.records import Purged

__all__ = ["ACTOR", "LEASE", "RetentionDuty"]

_LOGGER: Final = logging.getLogger(__name__)
ACTOR: Final = "retention"
"""Who purges, in the audit."""

LEASE: Final = "retention"
_LEASE_SECONDS: Final = 30.0
_LONGEST_END: Final = 10.0


class _EndedError(Exception):
    """There is no time for the rest, or another server has taken over."""


class RetentionDuty:
    """Purges for as long as it is open (``with``), in a thread of its own.

    Args:
        store: Stays open longer than this.
        every: Seconds from the beginning of one round to that of the next.
        artifacts: Where files of runs are; None leaves them.
        archive: Where runs go whose projects want that.
        lease_seconds: How long a server may be silent before another one takes over.
    """

    def __init__(
        self,
        store: TrackingStore,
        every: float,
        *,
        artifacts: ArtifactStore | None = None,
        archive: ArtifactStore | None = None,
        lease_seconds: float = _LEASE_SECONDS,
    ) -> None:
        self._store = store
        self._every = every
        self._artifacts = artifacts
        self._archive = archive
        self._pause = min(lease_seconds / 3, every)
        self._lease = Lease(store, LEASE, seconds=lease_seconds)
        self._ending = threading.Event()
        # A database that does not answer must not keep a server from ending.
        self._holding = threading.Thread(target=self._hold, name="retention-lease", daemon=True)
        self._working = threading.Thread(target=self._work, name="retention", daemon=True)

    def __enter__(self) -> Self:
        self._holding.start()
        self._working.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End between two changes, and let another server go on at once."""
        self._ending.set()
        for thread in (self._working, self._holding):
            thread.join(_LONGEST_END)
        if not self._working.is_alive() and self._lease.held:
            with contextlib.suppress(KatibError):
                self._lease.give_up()

    def _hold(self) -> None:
        """Keep the lease also while a round takes its time."""
        was_held = False
        while not self._ending.wait(self._pause):
            try:
                is_held = self._lease.hold()
            except Exception as error:  # noqa: BLE001 - the next turn may do better
                _LOGGER.warning("retention: %s", error)
                is_held = self._lease.held
            if is_held != was_held:
                _LOGGER.info("retention: this server does it" if is_held else "retention: another server does it")
            was_held = is_held

    def _work(self) -> None:
        due = time.monotonic()
        while not self._ending.wait(self._pause / 4):
            if not self._lease.held or time.monotonic() < due:
                continue
            due = time.monotonic() + self._every
            try:
                self._round()
            except _EndedError:
                due = time.monotonic()  # whoever holds the lease next goes on
            except Exception as error:
                _LOGGER.warning("retention: %s", error, exc_info=not isinstance(error, KatibError))

    def _round(self) -> None:
        for namespace in self._store.namespaces_with_retention():
            tracking = self._store.tracking(namespace, actor=ACTOR)
            for purge in plan_retention(tracking, RetentionRules()):
                # Each by itself: one project whose archive is away keeps no other from being purged.
                try:
                    self._purge(tracking, purge)
                except KatibError as error:
                    _LOGGER.warning("retention: %s: %s", _named(namespace, purge), error)

    def _purge(self, tracking: Tracking, purge: PlannedPurge) -> None:
        self._go_on()
        done = Retained()

        def progress(purged: Purged) -> None:
            nonlocal done
            done = Retained(purged)
            self._go_on()

        try:
            done = apply_plan(tracking, [purge], artifacts=self._artifacts, archive=self._archive, progress=progress)
        finally:
            if told := _told(done):
                # Whatever is logged else: this is gone for good. The audit has each of it.
                _LOGGER.warning("retention: %s: %s", _named(tracking.namespace, purge), told)

    def _go_on(self) -> None:
        if self._ending.is_set() or not self._lease.held:
            raise _EndedError


def _named(namespace: str, purge: PlannedPurge) -> str:
    return f"project {'' if purge.project is None else purge.project.name!r} of namespace {namespace!r}"


def _told(done: Retained) -> str:
    counts = {
        "runs archived": done.purged.archived,
        "projects removed": done.purged.projects,
        "experiments removed": done.purged.experiments,
        "runs removed": done.purged.runs,
        "points removed": done.purged.points,
        "files removed": done.files,
        "trials deleted": done.purged.deleted,
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
