"""Which of several processes acts: the one that holds a ``Lease``, and only for as long as nobody else can hold it.

Nobody's wall clock is believed. A candidate takes the lease over when it has itself seen the record unchanged for the
time that it promises; the holder counts from before it sent its last renewal that succeeded, on its own clock, which goes
on while the process is stopped or the machine sleeps. So ``is_leading`` is right at once after SIGCONT, with no thread
having run, and false ``lease_duration - renew_deadline`` before anybody else can lead.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.errors import KatibError
from katib.kube.errors import AlreadyExists, Conflict, NotFound, NotLeading
from katib.kube.resource import LEASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.kube.client import Client

__all__ = ["LeaderElection", "LeaseTimes"]

_LOGGER: Final = logging.getLogger(__name__)
_NEVER: Final = float("-inf")
_SOON: Final = 0.01


def _seconds() -> float:
    """Seconds that only grow, also while the machine sleeps where its clock can say so."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long is what, in seconds.

    Attributes:
        lease: After which, without a renewal, another one takes the lease.
        renew: After which the holder stops acting by itself.
        retry: Between two attempts to renew, or to take.
    """

    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease > self.renew > self.retry > 0:
            raise ValueError("the times of a lease must be: lease > renew > retry > 0")


class LeaderElection:
    """Takes part in the election for one lease.

    Args:
        client: Of the server; not a fenced one.
        namespace: Of the lease.
        name: Of the lease; those who share it elect one of them.
        identity: Of this process; else made of the host's name and a random number.
        times: How long is what.
        clock: Seconds that only grow.
        jitter: Where the jitter of a candidate's pauses comes from.

    Example::

        election = LeaderElection(client, namespace="katib", name="katib-operator")
        writer = client.fenced(election.check)
        election.run(start_workers, stop_workers, stop)
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str | None = None,
        times: LeaseTimes | None = None,
        clock: Callable[[], float] = _seconds,
        jitter: random.Random | None = None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._times = times or LeaseTimes()
        self._clock = clock
        self._jitter = jitter or random.Random()
        self._record: dict[str, Any] = {}
        """The lease's ``spec`` as it was last seen."""
        self._version = ""
        self._seen_at = _NEVER
        """When the record was first seen to be as it is."""
        self._until = _NEVER
        self._free_at = _NEVER
        """When it may be taken, as far as is known."""
        self.identity = identity or f"{socket.gethostname()}_{uuid.uuid4()}"
        self.transitions = 0

    @property
    def is_leading(self) -> bool:
        """Whether this process may act now."""
        return self._clock() < self._until

    @property
    def holder(self) -> str:
        """Who held the lease when it was last seen; empty for nobody."""
        return str(self._record.get("holderIdentity") or "")

    def check(self) -> None:
        """Let pass who leads; ``Client.fenced`` asks it before each write.

        Raises:
            NotLeading: This process does not lead, or not for sure.
        """
        if not self.is_leading:
            other = f"; {self.holder} did last" if self.holder and self.holder != self.identity else ""
            raise NotLeading(f"this process ({self.identity}) does not hold the lease {self._name}{other}")

    def run(self, on_started: Callable[[], None], on_lost: Callable[[], None], stop: threading.Event) -> None:
        """Take part until ``stop`` is set: campaign, lead, and after a loss campaign again.

        On a clean stop ``on_lost`` is called while this process still leads, so that it can finish what it is writing;
        then the lease is given up, and the next one need not wait for it.

        Args:
            on_started: Is called, in a thread of its own, when this process leads; it may return at once or stay.
            on_lost: Is called, in this thread, when it does not any more, or is about to; it returns when nothing acts.
            stop: Ends it. ``on_lost=stop.set`` makes a loss the end of the process.
        """
        while not stop.is_set():
            if not self._campaign(stop):
                return
            _LOGGER.info("%s leads by the lease %s", self.identity, self._name)
            self.transitions += 1
            self._start(on_started)
            try:
                self._hold(stop)
            finally:
                if not self.is_leading:
                    _LOGGER.warning("%s lost the lease %s", self.identity, self._name)
                try:
                    on_lost()
                finally:
                    self._release()

    def _start(self, on_started: Callable[[], None]) -> None:
        begun = threading.Event()

        def lead() -> None:
            begun.set()
            try:
                on_started()
            except Exception:
                _LOGGER.exception("the leader failed")
                self._until = _NEVER  # whoever can do it better shall

        threading.Thread(target=lead, name="leading", daemon=True).start()
        begun.wait()

    def _campaign(self, stop: threading.Event) -> bool:
        """Wait until the lease is this process's; return False when it is to stop."""
        while not stop.is_set():
            try:
                if self._take():
                    return True
            except KatibError as error:
                _LOGGER.warning("the lease %s cannot be taken: %s", self._name, error)
            # Not later than the lease becomes free: whoever waits for a leader has waited for long enough by then.
            pause, free = self._times.retry * (1 + 0.2 * self._jitter.random()), self._free_at - self._clock()
            stop.wait(min(pause, free + _SOON) if free > 0 else pause)
        return False

    def _hold(self, stop: threading.Event) -> None:
        """Renew the lease until it is lost or to be given up."""
        while not stop.wait(self._times.retry) and self.is_leading:
            try:
                if not self._renew():
                    self._until = _NEVER
                    return
            except KatibError as error:
                _LOGGER.warning("the lease %s cannot be renewed: %s", self._name, error)

    @property
    def _patience(self) -> float:
        """Seconds for one request: a second one still fits into the time to renew."""
        return min(5.0, self._times.renew / 2)

    def _take(self) -> bool:
        now = self._clock()
        try:
            self._see(self._client.get(LEASES, self._name, self._namespace, timeout=self._patience))
        except NotFound:
            return self._make()
        if self.holder not in ("", self.identity):
            promised = self._record.get("leaseDurationSeconds")
            promise = float(promised) if isinstance(promised, int | float) else 0.0
            self._free_at = self._seen_at + max(promise, self._times.lease)
            if self._clock() < self._free_at:
                return False
        changes = 0 if self.holder == self.identity else 1
        record = self._own(now_taken=True)
        record["leaseTransitions"] = int(self._record.get("leaseTransitions") or 0) + changes
        return self._write(record, now)

    def _make(self) -> bool:
        now = self._clock()
        body = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {**self._own(now_taken=True), "leaseTransitions": 0},
        }
        try:
            self._see(self._client.create(LEASES, body, self._namespace, timeout=self._patience))
        except AlreadyExists:
            return False
        return self._held_since(now)

    def _renew(self) -> bool:
        """Renew; return False when the lease is another one's."""
        now = self._clock()
        if self._write(self._own(), now):
            return True
        # The answer to the last renewal may have got lost: then the version is another one, and the holder is not.
        now = self._clock()
        self._see(self._client.get(LEASES, self._name, self._namespace, timeout=self._patience))
        if self.holder != self.identity:
            return False
        self._write(self._own(), now)
        return True

    def _write(self, record: dict[str, Any], now: float) -> bool:
        """Write the record into the version that was seen; return False when it is another one by now."""
        patch = {"metadata": {"resourceVersion": self._version}, "spec": record}
        try:
            answer = self._client.merge_patch(LEASES, self._name, patch, self._namespace, timeout=self._patience)
        except (Conflict, NotFound):
            return False
        self._see(answer)
        return self._held_since(now)

    def _held_since(self, now: float) -> bool:
        self._until = now + self._times.renew
        return self.is_leading

    def _own(self, *, now_taken: bool = False) -> dict[str, Any]:
        written = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        record: dict[str, Any] = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._times.lease)),
            "renewTime": written,
        }
        if now_taken:
            record["acquireTime"] = written
        return record

    def _see(self, lease: dict[str, Any]) -> None:
        record = lease.get("spec")
        record = record if isinstance(record, dict) else {}
        if record != self._record:
            self._record = record
            self._seen_at = self._clock()
        self._version = str(lease.get("metadata", {}).get("resourceVersion") or "")

    def _release(self) -> None:
        """Give the lease up, if it is still this process's: the next one takes it at once."""
        led = self.is_leading
        self._until = _NEVER
        if not led:
            return
        record = {**self._own(), "holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            self._write(record, _NEVER)
        except KatibError as error:
            _LOGGER.warning("the lease %s was not given up and runs out by itself: %s", self._name, error)
