"""Find, start and end the processes of one cluster.

A process carries its cluster and its part in its environment, so what runs is read from ``/proc`` and never from files of numbers: nothing
is lost when whoever started it was killed, and a number that the system has given to somebody else is never signalled.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CLUSTER_MARK, PART_MARK = "KATIB_CLUSTER_OF", "KATIB_CLUSTER_PART"
_ENTER = ("nsenter",)


@dataclass(frozen=True)
class Process:
    """One process of a cluster.

    Attributes:
        part: The component that it is or that started it.
        argv: As it was called; empty while it is being started.
        state: One letter, as ``ps`` shows it: ``T`` is stopped.
    """

    pid: int
    parent: int
    part: str
    argv: tuple[str, ...]
    state: str
    resident: int

    @property
    def program(self) -> str:
        return Path(self.argv[0]).name if self.argv else ""


def _status(pid: int) -> tuple[str, int, int]:
    # The name is in parentheses and may hold anything, also a parenthesis.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], int(fields[1]), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def marked(cluster: Path | None = None) -> list[Process]:
    """Return the processes of a cluster, or of any, that are alive."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        pid = int(entry.name)
        try:
            environment = Path(entry.path, "environ").read_bytes()
            if CLUSTER_MARK.encode() not in environment:
                continue
            values = dict(pair.partition(b"=")[::2] for pair in environment.split(b"\0"))
            owner, part = (os.fsdecode(values.get(mark.encode(), b"")) for mark in (CLUSTER_MARK, PART_MARK))
            if not part or (cluster is not None and owner != str(cluster)):
                continue
            argv = tuple(os.fsdecode(word) for word in Path(entry.path, "cmdline").read_bytes().split(b"\0")[:-1])
            state, parent, resident = _status(pid)
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile, or is another user's
        if state not in "ZX":
            found.append(Process(pid, parent, part, argv, state, resident))
    return found


def owner_of(pid: int) -> str:
    """Return the folder of the cluster that a process belongs to."""
    try:
        for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            name, _, value = pair.partition(b"=")
            if name == CLUSTER_MARK.encode():
                return os.fsdecode(value)
    except OSError:
        pass
    return ""


def main_process(processes: Iterable[Process], part: str, program: str) -> Process | None:
    """Return the process that is the component itself, not one that it started.

    A component that is being started (``nsenter`` before it has become the component) counts.
    """
    own = [each for each in processes if each.part == part and each.program in {program, *_ENTER}]
    pids = {each.pid for each in own}
    return next((each for each in own if each.parent not in pids), None)


def start(cluster: Path, part: str, argv: Sequence[str], *, log: Path, namespace: str | None) -> int:
    """Start a component that outlives this process; return its number."""
    words = list(argv)
    if namespace is not None:
        # Not `ip netns exec`: that mounts a /sys of its own, without the control groups.
        words = ["nsenter", f"--net=/run/netns/{namespace}", "--", *words]
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": os.environ.get("HOME", "/"), CLUSTER_MARK: str(cluster), PART_MARK: part}
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # Python ignores SIGPIPE, and what it starts would, down to the containers.
    pid = os.posix_spawnp(
        words[0], words, environment, file_actions=actions, setsid=True, setsigdef=[signal.SIGPIPE], setsigmask=[]
    )
    # For a moment it has neither arguments nor an environment, and nobody would know it for the component.
    while not owner_of(pid) and not ended(pid):
        time.sleep(0.001)
    return pid


def descendants(roots: Iterable[int]) -> list[int]:
    """Return the children of processes, their children and so on."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                children.setdefault(_status(int(entry.name))[1], []).append(int(entry.name))
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes that may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def reap(pids: Iterable[int]) -> None:
    """Take note of the end of those that are children of this process: it may live long."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def ended(pid: int) -> bool:
    """Tell whether a process is no more, or a body that nobody has taken note of yet."""
    reap([pid])
    try:
        return _status(pid)[0] in "ZX"
    except (OSError, ValueError, IndexError):
        return True


def end(pids: Iterable[int], *, grace: float) -> list[int]:
    """Ask processes to end, and end them after the grace; return those that are there all the same."""
    left = list(pids)
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if not seconds:
            continue
        send(left, signal.SIGCONT)
        send(left, number)
        until = time.monotonic() + seconds
        while left and time.monotonic() < until:
            left = [pid for pid in left if not ended(pid)]
            if left:
                time.sleep(0.02)
    return left
