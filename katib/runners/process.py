"""A ``batch/v1`` Job as a process on this machine, or as its image under docker or podman.

The runner starts, watches and stops trials; what a trial is made of lives in its supervisor (``katib.runners.supervisor``), which goes
on when this process dies. Trials are known by their folders: ``adopt`` finds one that another process started.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from katib.errors import RunnerError
from katib.runners import local_limits, supervisor
from katib.runners.container import Command, command_of, main_container, pod_spec, replace_paths
from katib.runners.container_engine import find_engine, remove_command, run_command, without_advice
from katib.runners.exit import Exit, exit_of, job_status
from katib.runners.failed_attempts import FailedAttempt, read_failed_attempts
from katib.runners.trial_files import OUTPUT_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from katib.errors import Problem

__all__ = ["JobReport", "ProcessRunner", "TrialRun"]

_BACKOFF_LIMIT: Final = 6
_GRACE_SECONDS: Final = 30.0
"""Kubernetes' defaults for ``backoffLimit`` and ``terminationGracePeriodSeconds``."""
_LAST_BYTES: Final = 4096
_LAST_LINES: Final = 5
_START_SECONDS: Final = 10.0
_MARK: Final = "KATIB_TRIAL_FOLDER"
"""In the environment of every process of a trial, so that those of a dead supervisor can be found."""


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One trial to run.

    Attributes:
        name: The trial's.
        folder: Its own folder; everything it leaves is there.
        job: Its rendered Job.
        attempt: How often the trial was begun, this time included; what an earlier attempt left is not taken for this one's.
        primary: The container that is run; None is the first.
        env: Variables of the trial beside those of its container.
        paths: Paths that the container's command names, and what stands for them on this machine.
        folders: Folders of the container that the trial writes to, and where they lie; they are there when it starts.
    """

    name: str
    folder: Path
    job: Mapping[str, Any]
    attempt: int = 1
    primary: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobReport:
    """What became of a trial's Job.

    Attributes:
        name: The trial's.
        job: The Job with the status a cluster would show.
        exit: How it ended.
    """

    name: str
    job: Mapping[str, Any]
    exit: Exit


@dataclass(slots=True)
class _Watched:
    run: TrialRun
    process: int
    """A descriptor of the supervisor (pidfd)."""
    failed: int = 0
    """How many of its attempts that failed were heard of."""


class ProcessRunner:
    """Runs trials on this machine; use it as a context manager, from one thread.

    Leaving the context lets go of running trials without ending them: their supervisors go on, and ``adopt`` finds them again.

    Args:
        runtime: ``process`` runs the container's command here; ``docker`` and ``podman`` run its image.

    Raises:
        Unsupported: The runtime's program is not installed.
        RunnerError: It cannot run anything now.
    """

    def __init__(self, *, runtime: str = "process") -> None:
        self._engine = None if runtime == "process" else find_engine(runtime)
        self._watched: dict[str, _Watched] = {}
        self._by_descriptor: dict[int, str] = {}
        self._ended: list[TrialRun] = []
        self._failed: list[tuple[str, FailedAttempt]] = []
        self._news: dict[Path, int] = {}
        self._has_started = False
        self._epoll = select.epoll()
        self._ready = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._ready, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything; what runs goes on."""
        if self._has_started:
            self._has_started = False
            _STARTER.leave()
        for watched in self._watched.values():
            os.close(watched.process)
        self._watched.clear()
        self._by_descriptor.clear()
        for folder, pipe in self._news.items():
            with contextlib.suppress(OSError):
                (folder / supervisor.NEWS_NAME).unlink()
            os.close(pipe)
        self._news.clear()
        if not self._epoll.closed:
            self._epoll.close()
            os.close(self._ready)

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``poll`` has something to report."""
        return self._epoll.fileno()

    # -- before anything runs -------------------------------------------------------------------------------------

    def problems(self, template: Mapping[str, Any], *, primary: str | None = None) -> list[Problem]:
        """Return why a Job cannot be run here; the paths are below the Job."""
        return list(local_limits.problems(template, primary=primary, with_image=self._engine is not None))

    def notes(self, template: Mapping[str, Any], *, primary: str | None = None) -> list[str]:
        """Return what of a Job is not honoured here, as sentences."""
        return local_limits.notes(template, primary=primary, with_image=self._engine is not None)

    # -- trials ---------------------------------------------------------------------------------------------------

    def start(self, run: TrialRun) -> None:
        """Start a trial in a fresh folder; one that runs already is taken over instead, so that starting twice starts once.

        Raises:
            RunnerError: Its folder cannot be written, or no process can be made.
        """
        if run.name in self._watched:
            return
        try:
            run.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(run.folder / supervisor.LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RunnerError(f"cannot write {run.folder}: {error.strerror}") from error
        try:
            if not _lock(lock):
                self.adopt(run)
                return
            self._hear_of(run.folder.parent)
            try:
                self._clear(run)
                for folder in run.folders.values():
                    folder.mkdir(parents=True, exist_ok=True)
                (run.folder / supervisor.REQUEST_NAME).write_text(json.dumps(self._request(run)), encoding="utf-8")
            except OSError as error:
                raise RunnerError(f"cannot write {run.folder}: {error.strerror}") from error
            self._watch(run, self._started(run.folder, lock))
        finally:
            os.close(lock)

    def adopt(self, run: TrialRun) -> bool:
        """Take over a trial that another process started; ``poll`` then reports it, also when it has ended meanwhile.

        Returns:
            Whether there is something to take over. False: it neither runs nor left a result, and none of its processes is left.
        """
        if run.name in self._watched:
            return True
        try:
            lock = os.open(run.folder / supervisor.LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            self._hear_of(run.folder.parent)  # before it is read what has failed, so that nothing is missed between
            deadline = time.monotonic() + _START_SECONDS
            while not _lock(lock):
                process = _supervisor_of(lock)
                if process is not None:
                    self._watch(run, process)
                    self._read_failed(self._watched[run.name])
                    if self._failed:
                        os.eventfd_write(self._ready, 1)
                    return True
                if time.monotonic() > deadline:
                    raise RunnerError(f"the supervisor of trial {run.name} does not say who it is")
                time.sleep(0.01)
            if (result := _result(run.folder)) is not None and result.get("attempt") == run.attempt:
                self._ended.append(run)
                os.eventfd_write(self._ready, 1)
                return True
            self._end_leftovers(run)
            return False
        finally:
            os.close(lock)

    def poll(self) -> list[JobReport]:
        """Return the trials that have ended since the last call."""
        ended, self._ended = [_Watched(run, -1) for run in self._ended], []
        for descriptor, _events in self._epoll.poll(0):
            if descriptor == self._ready:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._ready)
                continue
            if descriptor not in self._by_descriptor:
                self._hear_news(descriptor)
                continue
            watched = self._watched.pop(self._by_descriptor.pop(descriptor))
            self._epoll.unregister(descriptor)
            os.close(descriptor)
            ended.append(watched)
        return [self._report(watched) for watched in ended]

    def failed_attempts(self) -> list[tuple[str, FailedAttempt]]:
        """Return the attempts that failed and are followed by another, with their trials' names, as far as ``poll`` heard of them.

        Each is returned once. Of a trial that was taken over they are returned from its first one on.
        """
        failed, self._failed = self._failed, []
        return failed

    def stop(self, name: str, *, at_once: bool = False) -> None:
        """Tell a trial to end within its grace, or kill it; ``poll`` reports its end. One that has ended is left alone."""
        watched = self._watched.get(name)
        if watched is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(watched.process, supervisor.KILL if at_once else signal.SIGTERM)

    def kill_all(self) -> None:
        """Kill every trial at once."""
        for name in self._watched:
            self.stop(name, at_once=True)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _started(self, folder: Path, lock: int) -> int:
        """Have a supervisor started; returns its descriptor."""
        if not self._has_started:
            self._has_started = True
            _STARTER.join()
        return _STARTER.start(folder, lock)

    def _watch(self, run: TrialRun, descriptor: int) -> None:
        self._watched[run.name] = _Watched(run, descriptor)
        self._by_descriptor[descriptor] = run.name
        self._epoll.register(descriptor, select.EPOLLIN)

    def _hear_of(self, folder: Path) -> None:
        """Let supervisors tell of the trials whose folders are in this one; where that cannot be, it is read at their end."""
        if folder in self._news:
            return
        path = folder / supervisor.NEWS_NAME
        try:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            # Open for both, so that it is not at its end whenever nobody writes.
            pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            os.close(pipe)
            return
        self._news[folder] = pipe
        self._epoll.register(pipe, select.EPOLLIN)

    def _hear_news(self, pipe: int) -> None:
        """Read which trials have attempts that failed, and what of them."""
        try:
            names = {os.fsdecode(name) for name in os.read(pipe, 1 << 16).split(b"\n")}
        except BlockingIOError:
            return
        for watched in self._watched.values():
            if watched.run.folder.name in names:
                self._read_failed(watched)

    def _read_failed(self, watched: _Watched) -> None:
        """Take in what attempts of a trial failed since it was asked last."""
        run = watched.run
        deadline = _number(pod_spec(run.job).get("activeDeadlineSeconds"))
        failed = read_failed_attempts(run.folder, pod_deadline=deadline)
        self._failed += [(run.name, attempt) for attempt in failed if attempt.number > watched.failed]
        watched.failed = max([watched.failed, *(attempt.number for attempt in failed)])

    def _clear(self, run: TrialRun) -> None:
        """Remove what an attempt that was lost has left; the lock file stays, as it is held."""
        self._end_leftovers(run)
        for entry in run.folder.iterdir():
            if entry.name == supervisor.LOCK_NAME:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _end_leftovers(self, run: TrialRun) -> None:
        """Kill what a supervisor that was killed could not: the processes of the trial that run without it."""
        if not (run.folder / supervisor.REQUEST_NAME).exists():
            return  # nothing was ever started
        if self._engine is not None:
            subprocess.run(  # noqa: S603 - the engine that find_engine found
                remove_command(self._engine, run.name), check=False, capture_output=True, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + _START_SECONDS
        while (processes := _marked(run.folder)) and time.monotonic() < deadline:
            for process in processes:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.01)

    def _request(self, run: TrialRun) -> dict[str, Any]:
        """Return what the supervisor is told."""
        spec, pod = run.job.get("spec") or {}, pod_spec(run.job)
        main = main_container(run.job, run.primary)
        steps = [*(pod.get("initContainers") or []), main]
        return {
            "attempt": run.attempt,
            "output": OUTPUT_NAME,
            "steps": [self._step(container, run) for container in steps],
            "cleanup": [] if self._engine is None else remove_command(self._engine, run.name),
            "backoff_limit": int(spec.get("backoffLimit", _BACKOFF_LIMIT)),
            "deadline_seconds": _number(spec.get("activeDeadlineSeconds")),
            "attempt_seconds": _number(pod.get("activeDeadlineSeconds")),
            "grace_seconds": float(pod.get("terminationGracePeriodSeconds", _GRACE_SECONDS)),
        }

    def _step(self, container: Mapping[str, Any], run: TrialRun) -> dict[str, Any]:
        command = command_of(container, run.job)
        env = {**run.env, _MARK: str(run.folder)}
        if self._engine is None:
            command = replace_paths(command, run.paths)
            command = Command(command.name, command.argv, {**env, **command.env}, command.working_dir)
        else:
            command = run_command(
                self._engine, command, container, name=run.name, env=env, folder=run.folder, mounts=run.folders
            )
        return {
            "name": command.name,
            "argv": list(command.argv),
            "env": dict(command.env),
            "working_dir": command.working_dir,
        }

    def _report(self, watched: _Watched) -> JobReport:
        run = watched.run
        result = _result(run.folder)
        if result is None or result.get("attempts", 1) != 1:
            self._read_failed(watched)
        if result is None and not (run.folder / supervisor.REQUEST_NAME).exists():
            result = {"reason": "SupervisorLost", "error": f"its folder {run.folder} was removed while it ran"}
        elif result is None:
            self._end_leftovers(run)
        spec = run.job.get("spec") or {}
        lines = _last_lines(run.folder / OUTPUT_NAME)
        end = exit_of(
            result,
            last_lines=lines if self._engine is None else without_advice(lines),
            deadline=_number(spec.get("activeDeadlineSeconds")),
            pod_deadline=_number(pod_spec(run.job).get("activeDeadlineSeconds")),
        )
        return JobReport(run.name, {**run.job, "status": job_status(end)}, end)


def _marked(folder: Path) -> list[int]:
    """Return the processes of the trial of a folder."""
    mark = f"{_MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _result(folder: Path) -> dict[str, Any] | None:
    """Return what a supervisor wrote at the end, if it came to that."""
    try:
        result: dict[str, Any] = json.loads((folder / supervisor.RESULT_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _supervisor_of(lock: int) -> int | None:
    """Return a descriptor of the process that holds a lock; None when it has not written its number yet or has just ended."""
    text = os.pread(lock, 32, 0).strip()
    if not text.isdigit():
        return None
    try:
        descriptor = os.pidfd_open(int(text))
    except ProcessLookupError:
        return None
    # Still locked after the number was looked up: it is the holder's, not one that was given to another process since.
    if _lock(lock):
        os.close(descriptor)
        fcntl.flock(lock, fcntl.LOCK_UN)
        return None
    return descriptor


def _last_lines(path: Path) -> list[str]:
    """Return the last few lines of a trial's output that say something."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-_LAST_LINES:]


class _Starter:
    """The process that forks supervisors (``katib.runners.supervisor``); ends with this one.

    Attributes:
        environment: What trials inherit.
    """

    def __init__(self) -> None:
        self.environment = dict(os.environ)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_START_SECONDS)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own script
                [sys.executable, "-I", "-S", "-X", "utf8", supervisor.__file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the run, not for its trials
            )
        except OSError as error:
            ours.close()
            raise RunnerError(f"no process can be started: {error.strerror}") from error
        finally:
            theirs.close()
        self._channel = ours

    def start(self, folder: Path, lock: int) -> int:
        """Have a trial started and return a descriptor of its supervisor.

        Raises:
            ConnectionError: The process is gone.
            RunnerError: It could not do it.
        """
        try:
            socket.send_fds(self._channel, [os.fsencode(folder)], [lock])
            said, descriptors, _flags, _address = socket.recv_fds(self._channel, 4096, 1)
        except TimeoutError as error:
            raise RunnerError(f"the process that starts trials did not answer in {_START_SECONDS:g} s") from error
        except OSError as error:
            raise ConnectionError(error.strerror) from error
        if descriptors:
            return descriptors[0]
        if not said:
            raise ConnectionError(errno.EPIPE, os.strerror(errno.EPIPE))
        raise RunnerError(f"no process can be started: {said.decode('utf-8', 'replace')}")

    def close(self) -> None:
        """End the process; its supervisors go on."""
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_START_SECONDS)


class _SharedStarter:
    """The starter of all runners of this process, of which there may be many; it is there while one of them may need it."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Have none: a forked child's starts are its own."""
        self._lock = threading.Lock()
        self._users = 0
        self._starter: _Starter | None = None

    def join(self) -> None:
        """Be one of those who may need it."""
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        """Need it no longer."""
        with self._lock:
            self._users = max(self._users - 1, 0)
            if not self._users:
                self._end()

    def start(self, folder: Path, lock: int) -> int:
        """Have a trial started, by a new starter if the old one has died; returns a descriptor of its supervisor."""
        with self._lock:
            for is_last in (False, True):
                if self._starter is not None and self._starter.environment != os.environ:
                    self._end()  # trials have the environment of now, not of when the first of them was started
                if self._starter is None:
                    self._starter = _Starter()
                try:
                    return self._starter.start(folder, lock)
                except ConnectionError as error:
                    self._end()
                    if is_last:
                        raise RunnerError("the process that starts trials was killed") from error
                except RunnerError:
                    self._end()  # what it says late would be taken for the answer to another question
                    raise
        raise AssertionError  # both rounds return or raise

    def _end(self) -> None:
        starter, self._starter = self._starter, None
        if starter is not None:
            starter.close()


_STARTER: Final = _SharedStarter()
