"""One server at a time on a SQLite file, also where its volume is on several machines and SQLite's own locks say nothing.

A file beside the database names who serves it. On one machine a lock of that file decides at once, and the kernel gives it up with the
process. Between machines only the file itself is believed: its holder writes a new number into it every few seconds, and whoever wants
it watches that. Clocks are never compared: everybody measures only how long they have seen nothing move.

Whoever finds another machine's name waits until a holder that lives would have moved, writes its own name, and looks again after longer
than a holder takes to look: of two that write, the one that wrote last stays. A holder that could not renew in time (it was paused, the
volume was away) takes no changes until it has looked in the same way.

Commands and local mode need no lease: they share the file with a server of their machine, as SQLite's locks are good for.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from katib.errors import Conflict, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FileLease", "Holder", "LeaseTimes", "lease_of"]

_LOGGER: Final = logging.getLogger(__name__)
_SIZE: Final = 1024
"""Bytes of the file, always the same, so that a renewal needs no room on a full disk."""

_LONGEST_ADDRESS: Final = 300
_LOOKS: Final = 30
"""How often somebody who waits looks, in the time that it waits."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where there is such a clock."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long everything takes, in seconds; the same for all who may want a file.

    Attributes:
        renewed_every: Between two renewals.
        trusted_for: After a renewal, its holder takes changes for so long without another one.
        watched_for: Whoever wants the lease of another machine sees nothing move for so long; more than ``trusted_for``.
        settling: Between writing one's name over another and believing it; more than ``renewed_every``.
    """

    renewed_every: float = 3.0
    trusted_for: float = 10.0
    watched_for: float = 15.0
    settling: float = 5.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who serves a file, as the lease says.

    Attributes:
        token: Of this one time of serving.
        host: Name of its machine.
        boot: Of its kernel since it was started; locks are good between processes that have the same.
        pid: Of its process.
        since: When it began, for people.
        address: Where it answers; empty until it does.
        renewals: So often it has renewed.
    """

    token: str
    host: str
    boot: str
    pid: int
    since: str
    address: str = ""
    renewals: int = 0

    def __str__(self) -> str:
        where = f", on {self.address}" if self.address else ""
        return f"process {self.pid} of {self.host}, since {self.since}{where}"

    def text(self) -> bytes:
        """Return what the file holds."""
        document = {each.name: getattr(self, each.name) for each in fields(self)}
        return json.dumps(document).encode("ascii").ljust(_SIZE - 1)[: _SIZE - 1] + b"\n"

    @classmethod
    def of(cls, text: bytes) -> Holder | None:
        """Return who a file names; None where it names nobody."""
        try:
            document = json.loads(text)
            values: dict[str, Any] = {each.name: document[each.name] for each in fields(cls)}
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return cls(**values) if all(isinstance(value, str | int) for value in values.values()) else None


@dataclass(slots=True)
class _State:
    """What the thread that renews knows.

    Attributes:
        holder: This process, as the file has it.
        renewed: When it was last written, by ``_now``.
        descriptor: Of the file; it has the lock.
        lost: Why the lease is lost; empty while it is not.
        trouble: Why it could not be renewed last time.
    """

    holder: Holder
    renewed: float
    descriptor: int
    lost: str = ""
    trouble: str = ""


@dataclass(slots=True)
class _Watched:
    """What somebody who waits has seen.

    Attributes:
        text: Of the file, when it was first seen; None for not yet.
        until: How long it must stand still, by ``_now``.
    """

    text: bytes | None = None
    until: float = 0.0


class FileLease:
    """The right to serve a SQLite file, for as long as it is open (``with``).

    Example::

        with FileLease(Path("katib.db")) as lease, open_store("katib.db") as store:
            store.guard_writes(lease.check)

    Args:
        database: The file; it need not be there yet.
        waiting: Is told, in a sentence, that the holder may be on another machine and is waited for.
        times: How long everything takes.
    """

    def __init__(
        self, database: Path, *, waiting: Callable[[str], None] | None = None, times: LeaseTimes | None = None
    ) -> None:
        self._database = database.resolve()
        self._path = self._database.with_name(f"{self._database.name}.lease")
        self._waiting = waiting or _LOGGER.warning
        self._times = times or LeaseTimes()
        self._address = ""
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._state: _State
        self._thread: threading.Thread

    def __enter__(self) -> Self:
        """Take it.

        Raises:
            Conflict: Another process serves the file.
            StoreUnavailable: The lease cannot be written.
        """
        try:
            self._database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreUnavailable(f"cannot create the store {self._database}: {error.strerror or error}") from error
        try:
            self._take()
        except OSError as error:
            raise StoreUnavailable(
                f"cannot keep other servers off {self._database} by {self._path.name}: {error.strerror or error}"
            ) from error
        self._thread = threading.Thread(target=self._renew_always, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back; one that was lost is left to whoever has it."""
        self._closing.set()
        self._wake.set()
        self._thread.join(self._times.trusted_for)
        with contextlib.suppress(OSError):
            if not self._state.lost and self._is_fresh() and self._is_ours():
                self._path.unlink()
        os.close(self._state.descriptor)

    @property
    def lost(self) -> str:
        """Why the lease is lost, in a sentence; empty while it is not. It does not come back."""
        return self._state.lost

    def serves_at(self, address: str) -> None:
        """Let others know where the server answers."""
        self._address = address[:_LONGEST_ADDRESS]
        self._wake.set()

    def check(self) -> None:
        """Do nothing while the lease is held for sure: what a store asks before each change, and before it is made durable.

        Raises:
            StoreUnavailable: It is lost, or was not renewed in time.
        """
        state = self._state
        if state.lost:
            raise StoreUnavailable(f"{state.lost}; nothing of this change was stored")
        if not self._is_fresh():
            why = f" ({state.trouble})" if state.trouble else ""
            raise StoreUnavailable(
                f"this server could not renew its lease of {self._database} for {_now() - state.renewed:.0f} s{why} and takes no changes "
                "until it has; nothing of this one was stored"
            )

    # -- taking ----------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        """Write this process into the file, and keep its lock."""
        watched = _Watched()
        while True:
            descriptor, is_new = self._open()
            taken = False
            try:
                with contextlib.suppress(FileNotFoundError):  # its holder removed it meanwhile
                    taken = self._try(descriptor, watched, is_new=is_new)
                if taken:
                    return
            finally:
                if not taken:
                    os.close(descriptor)

    def _try(self, descriptor: int, watched: _Watched, *, is_new: bool) -> bool:
        """Return whether the file has this process's name now; wait a moment where that is not decided yet."""
        locked = _lock(descriptor)
        if not os.path.samestat(self._path.stat(), os.fstat(descriptor)):
            return False
        text = b"" if is_new else self._read()
        holder = Holder.of(text)
        boot = _boot()
        is_here = holder is not None and holder.boot == boot
        if locked and (is_new or is_here):
            self._write(descriptor, boot)
            return True
        if not locked and is_here:
            raise self._taken(holder)
        if watched.text is None:
            watched.text, watched.until = text, _now() + self._times.watched_for
            self._waiting(self._wait_sentence(holder))
        elif text != watched.text:
            raise self._taken(holder)
        if _now() < watched.until:
            # With the lock, so that whoever else of this machine wants the lease only looks on.
            time.sleep(self._times.watched_for / _LOOKS)
            return False
        if not locked:
            raise self._taken(holder)
        self._write(descriptor, boot)
        self._settle()
        return True

    def _open(self) -> tuple[int, bool]:
        """Open the file; the second is whether it was made now, which only one can do."""
        flags = os.O_RDWR | os.O_CLOEXEC
        while True:
            with contextlib.suppress(FileExistsError):
                return os.open(self._path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._path, flags), False

    def _read(self) -> bytes:
        # Opened again each time: a network's file system asks its server only then.
        return self._path.read_bytes()

    def _write(self, descriptor: int, boot: str) -> None:
        since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        holder = Holder(uuid.uuid4().hex, socket.gethostname()[:255], boot, os.getpid(), since)
        begun = _now()
        _store(descriptor, holder)
        self._state = _State(holder, begun, descriptor)

    def _settle(self) -> None:
        """Wait until whoever wrote at the same time has looked, and see whose name is there."""
        time.sleep(self._times.settling)
        holder = Holder.of(self._read())
        if holder is None or holder.token != self._state.holder.token:
            raise self._taken(holder)
        self._state.renewed = _now()

    def _wait_sentence(self, holder: Holder | None) -> str:
        longest = self._times.watched_for + self._times.settling
        who = "another machine" if holder is None else str(holder)
        return (
            f"the store {self._database} was served by {who}, and may still be: waiting {longest:g} s at most to know"
        )

    def _taken(self, holder: Holder | None) -> Conflict:
        who = "another process" if holder is None else str(holder)
        return Conflict(
            f"the store {self._database} is served by {who}: one server at a time serves a SQLite file; ask that one, stop it first, or "
            "keep the store on PostgreSQL, which several may serve"
        )

    # -- keeping ---------------------------------------------------------------------------------------------------

    def _is_fresh(self) -> bool:
        return _now() - self._state.renewed <= self._times.trusted_for

    def _is_ours(self) -> bool:
        holder = Holder.of(self._read())
        return holder is not None and holder.token == self._state.holder.token

    def _renew_always(self) -> None:
        while not self._state.lost:
            self._wake.wait(self._times.renewed_every)
            self._wake.clear()
            if self._closing.is_set():
                return
            try:
                self._renew()
                self._state.trouble = ""
            except FileNotFoundError:
                self._state.lost = f"this server has lost the store {self._database}: {self._path.name} was removed"
            except OSError as error:
                self._state.trouble = error.strerror or str(error)

    def _renew(self) -> None:
        """Write the file again, if it is still this process's."""
        state = self._state
        fresh = self._is_fresh()
        begun = _now()
        if not self._still_ours():
            return
        holder = replace(state.holder, address=self._address, renewals=state.holder.renewals + 1)
        _store(state.descriptor, holder)
        if not fresh or _now() - begun > self._times.trusted_for:
            # Somebody may have looked when this one did, and written too.
            begun = _now()
            if self._closing.wait(self._times.settling) or not self._still_ours():
                return
        state.holder, state.renewed = holder, begun

    def _still_ours(self) -> bool:
        holder = Holder.of(self._read())
        if holder is not None and holder.token == self._state.holder.token:
            return True
        who = "another process" if holder is None else str(holder)
        silent = _now() - self._state.renewed
        self._state.lost = f"this server has lost the store {self._database}: it had not renewed its lease for {silent:.0f} s, and {who}, has it now"
        return False


@contextlib.contextmanager
def lease_of(url_or_path: str | Path, *, waiting: Callable[[str], None] | None = None) -> Iterator[FileLease | None]:
    """Take the lease of a store for as long as the block runs; None for a database server, which any number may serve.

    Args:
        waiting: As for ``FileLease``.

    Raises:
        Conflict: Another process serves the file.
        InvalidInput, StoreUnavailable, Unsupported: It names no database, or the lease cannot be written.
    """
    from katib.store.sql.location import database_path, server_url

    if server_url(url_or_path) is not None:
        yield None
        return
    with FileLease(database_path(url_or_path), waiting=waiting) as lease:
        yield lease


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return f"unknown boot of {socket.gethostname()}"


def _store(descriptor: int, holder: Holder) -> None:
    os.pwrite(descriptor, holder.text(), 0)
    os.fsync(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
