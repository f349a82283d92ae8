"""The processes that stand between a run and its trials, so that neither can hurt the other.

Started by ``katib.runners.process`` as a script of its own, without the project and without ``site``: a small single-threaded
process that forks one *supervisor* for each trial it is asked to start. A supervisor runs the trial's commands one after another,
enforces deadlines, grace and the back-off limit, and owns every process the trial makes: as their subreaper it inherits what they
leave behind (a double fork included) and kills it before it ends itself. It outlives the run that asked for it, so a run that was
killed finds its trials again by their folders:

- ``supervisor.lock`` is locked from before the trial starts until its result is written, and holds the supervisor's process id;
- ``result.json`` appears in one step, when the trial has ended and nothing of it runs any more;
- ``failed-attempts.json`` is replaced in one step by each attempt that fails and is followed by another. Whoever runs the trial is told
  by a pipe beside the trial's folder, so that nobody has to look.

It must not import anything that is not in the standard library, and must not write anywhere but into the trial's folder and that pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import json
import os
import signal
import socket
import sys
import time
from typing import Any

LOCK_NAME = "supervisor.lock"
REQUEST_NAME = "request.json"
RESULT_NAME = "result.json"
FAILED_NAME = "failed-attempts.json"
NEWS_NAME = ".failed-attempts"
"""The pipe, in the folder in which the trial's folder is: a line is the name of a folder whose ``FAILED_NAME`` has grown."""
KILL = signal.SIGUSR1
"""Tells a supervisor to kill its trial at once; SIGTERM tells it to end the trial within its grace."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_DRAFT_NAME = ".result"
_FAILED_DRAFT_NAME = ".failed"
_DRAFT_BYTES = 8192
_LEFTOVER_SECONDS = 10.0
_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 360.0
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, KILL}

_libc = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    """The trial was told to end, or its time is over; ``reason`` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def serve(channel: socket.socket) -> None:
    """Start a supervisor for every folder that is named on the channel, until the other side is gone.

    A message is the path of a folder with a request, and comes with its locked lock file. The answer is empty and comes with a
    descriptor of the supervisor (pidfd), or is the sentence why there is none.
    """
    gc.freeze()  # children share these objects instead of copying them when they are counted
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(channel, 65536, 1)
        while _reap_any():
            pass
        if not message:
            return
        lock = descriptors[0]
        try:
            process = os.fork()
        except OSError as error:
            os.close(lock)
            _answer(channel, (error.strerror or "fork failed").encode(), [])
            continue
        if process == 0:
            channel.close()
            _supervise(os.fsdecode(message), lock)
            os._exit(0)
        os.close(lock)
        # Not reaped before this: the number cannot belong to another process yet.
        watch = os.pidfd_open(process)
        _answer(channel, b"", [watch])
        os.close(watch)


def _answer(channel: socket.socket, text: bytes, descriptors: list[int]) -> None:
    with contextlib.suppress(OSError):  # the run that asked has died; the trial goes on
        socket.send_fds(channel, [text or b"\0"], descriptors)


def _reap_any() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _supervise(folder: str, lock: int) -> None:
    """Run one trial to its end and write its result, whatever happens."""
    os.set_inheritable(lock, False)  # noqa: FBT003 - its signature
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    os.chdir(folder)
    result: dict[str, Any] = {"started": time.time()}
    draft = _prepare_result()
    try:
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        with open(REQUEST_NAME, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs more than all else here
            request = json.load(file)
        result["attempt"] = request["attempt"]
        result.update(_Trial(request, folder).run())
    except Exception as error:  # noqa: BLE001 - the last resort: a result with the reason is better than none
        result.update(reason="SupervisorFailed", error=f"{type(error).__name__}: {error}")
    result["finished"] = time.time()
    _write_result(draft, result)


def _prepare_result() -> int:
    """Reserve the room for the result, so that a disk that fills up meanwhile cannot keep it from being written."""
    draft = os.open(_DRAFT_NAME, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError):  # without it the result is written as well, if there is room then
        os.posix_fallocate(draft, 0, _DRAFT_BYTES)
    return draft


def _write_result(draft: int, result: dict[str, Any]) -> None:
    data = json.dumps(result).encode()
    while True:
        try:
            os.pwrite(draft, data, 0)
            os.ftruncate(draft, len(data))
            os.rename(_DRAFT_NAME, RESULT_NAME)  # noqa: PTH104 - see above
        except FileNotFoundError:
            return  # the experiment was deleted, folder and all: nobody asks any more
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            time.sleep(1)
        else:
            return


def _write_failed(failed: list[dict[str, Any]]) -> bool:
    """Note the attempts that failed; returns whether there was room for that, as the trial goes on without it as well.

    Nothing is flushed to the disk: a machine that goes down takes the trial along, which begins again with an empty folder.
    """
    try:
        # Whatever a trial may have put there, it is neither waited for nor followed elsewhere.
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        draft = os.open(_FAILED_DRAFT_NAME, how, 0o600)
        with os.fdopen(draft, "w", encoding="utf-8") as file:
            json.dump(failed, file)
        os.rename(_FAILED_DRAFT_NAME, FAILED_NAME)  # noqa: PTH104 - see above
    except OSError:
        return False
    return True


def _tell_of(folder: str) -> None:
    """Tell whoever runs the trial that an attempt failed; nobody may be there, who will look when he comes."""
    with contextlib.suppress(OSError):
        pipe = os.open(os.path.join(os.pardir, NEWS_NAME), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # noqa: PTH118 - see above
        try:
            os.write(pipe, os.fsencode(os.path.basename(folder)) + b"\n")  # noqa: PTH119 - see above
        finally:
            os.close(pipe)


class _Trial:
    """One trial: its commands, what they may take, and how far they have come."""

    def __init__(self, request: dict[str, Any], folder: str) -> None:
        self._steps: list[dict[str, Any]] = request["steps"]
        self._cleanup: list[str] = request["cleanup"]
        self._limit: int = request["backoff_limit"]
        self._grace: float = request["grace_seconds"]
        self._attempt_seconds: float | None = request["attempt_seconds"]
        self._output = os.path.join(folder, request["output"])  # noqa: PTH118 - see above
        seconds: float | None = request["deadline_seconds"]
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._folder = folder
        self._failed: list[dict[str, Any]] = []
        self._process = 0
        self._ending = ""
        self._kill_at: float | None = None

    def run(self) -> dict[str, Any]:
        """Run attempts until one succeeds, the limit is reached or the trial is told to end."""
        attempts = 0
        end: dict[str, Any] = {}
        try:
            while True:
                attempts += 1
                end = self._attempt()
                if self._ending:
                    return {**end, "attempts": attempts, "reason": self._ending}
                if end["reason"] == "Completed":
                    return {**end, "attempts": attempts}
                if attempts > self._limit:
                    return {**end, "attempts": attempts, "reason": "BackoffLimitExceeded", "cause": end["reason"]}
                seconds = _pause_after(attempts)
                self._note_failure(attempts, end, seconds)
                self._pause(seconds)
        except Stopped as stopped:
            return {**end, "attempts": attempts, "reason": stopped.reason}
        finally:
            if self._cleanup and self._ending:
                self._run_cleanup()

    def _note_failure(self, number: int, end: dict[str, Any], pause: float) -> None:
        """Note an attempt that failed, and tell of it."""
        entry = {**end, "number": number, "most": self._limit + 1, "ended": time.time(), "pause": pause}
        self._failed.append(entry)
        if _write_failed(self._failed):
            _tell_of(self._folder)

    def _attempt(self) -> dict[str, Any]:
        """Run every step once; the first that fails ends the attempt."""
        end: dict[str, Any] = {"reason": "Completed"}
        until = None if self._attempt_seconds is None else time.monotonic() + self._attempt_seconds
        for step in self._steps:
            end = self._step(step, until)
            if end["reason"] != "Completed" or self._ending:
                return {**end, "step": step["name"]}
        return end

    def _step(self, step: dict[str, Any], until: float | None) -> dict[str, Any]:
        error = self._start(step)
        if error:
            return {"reason": "StartError", "error": error}
        overdue = False
        while True:
            status = self._reap()
            if status is not None:
                break
            now = time.monotonic()
            if self._deadline is not None and now >= self._deadline and not self._ending:
                self._end("DeadlineExceeded")
            if until is not None and now >= until and not overdue and not self._ending:
                overdue = True
                self._terminate()
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                _kill(_descendants(os.getpid()))
            moments = [
                moment for moment in (self._deadline, until, self._kill_at) if moment is not None and moment > now
            ]
            self._hear(min(moments, default=None))
        self._process, self._kill_at = 0, None
        _end_leftovers()
        if overdue:
            return {"reason": "PodDeadlineExceeded"}
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return {"reason": "Signaled", "signal": -code}
        return {"reason": "Completed" if code == 0 else "Error", "exit_code": code}

    def _start(self, step: dict[str, Any]) -> str:
        """Start a command in a session of its own; returns why it could not, or nothing."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            process = os.fork()
        except OSError as error:
            os.close(reader)
            os.close(writer)
            return f"no process could be made: {error.strerror}"
        if process == 0:
            try:
                self._become(step)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the parent tells
                os.write(writer, _sentence(error, step).encode("utf-8", "backslashreplace")[:4096])
            os._exit(127)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read().decode("utf-8", "replace")
        self._process = process
        if said:
            os.waitpid(process, 0)
            self._process = 0
        return said

    def _become(self, step: dict[str, Any]) -> None:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if step["working_dir"]:
            try:
                os.chdir(step["working_dir"])
            except OSError as error:
                error.filename = step["working_dir"]
                raise
        # Every other descriptor closes by itself: Python opens none that a program inherits.
        os.execvpe(step["argv"][0], step["argv"], {**os.environ, **step["env"]})  # noqa: S606 - a command, no shell

    def _hear(self, until: float | None) -> None:
        """Wait for a child to end, an order, or a moment."""
        if until is None:
            heard: Any = signal.sigwaitinfo(_SIGNALS)
        else:
            heard = signal.sigtimedwait(_SIGNALS, max(0.0, until - time.monotonic()))
        number = heard.si_signo if heard is not None else 0
        if number == signal.SIGTERM and not self._ending:
            self._end("Stopped")
        elif number == KILL:
            self._ending = self._ending or "Stopped"
            self._kill_at = time.monotonic()

    def _end(self, reason: str) -> None:
        self._ending = reason
        self._terminate()

    def _terminate(self) -> None:
        self._kill_at = time.monotonic() + self._grace
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process, signal.SIGTERM)

    def _reap(self) -> int | None:
        """Reap what has ended; returns the status of the command once it is among them."""
        found = None
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if process == 0:
                return found
            if process == self._process:
                found = status

    def _pause(self, seconds: float) -> None:
        """Wait before the next attempt."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._hear(end if self._deadline is None else min(end, self._deadline))
            if self._ending:
                raise Stopped(self._ending)
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise Stopped("DeadlineExceeded")

    def _run_cleanup(self) -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, nothing, stream) for stream in range(3)]
        with contextlib.suppress(OSError):
            os.waitpid(os.posix_spawnp(self._cleanup[0], self._cleanup, os.environ, file_actions=actions), 0)
        os.close(nothing)


def _pause_after(attempts: int) -> float:
    """Return the seconds between an attempt that failed and the next one."""
    doublings = min(attempts - 1, 32)  # a power that large has reached the longest, and a larger one fits no float
    return min(_FIRST_BACKOFF_SECONDS * (1 << doublings), _LONGEST_BACKOFF_SECONDS)


def _sentence(error: BaseException, step: dict[str, Any]) -> str:
    """Say why a command could not be started."""
    program = step["argv"][0]
    if isinstance(error, OSError):
        if error.filename == step["working_dir"] and step["working_dir"]:
            return f"its working directory {step['working_dir']} cannot be entered: {error.strerror}"
        if error.errno == errno.ENOENT:
            return f"the program {program!r} was not found on this machine"
        if error.errno == errno.EACCES:
            return f"the program {program!r} may not be executed (permissions, or it is a folder)"
        if error.errno == errno.ENOEXEC:
            return f"the program {program!r} is in no format this machine runs (a script needs a #! line)"
        if error.errno == errno.E2BIG:
            return "its command line and environment are too long for this machine"
        return f"{program!r} could not be started: {error.strerror}"
    return f"{program!r} could not be started: {error}"


def _descendants(ancestor: int) -> list[int]:
    """Return every process below another one."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - see above
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    # The name in parentheses may hold anything; the parent is the second field after it.
                    parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, waiting = [], [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _kill(processes: list[int]) -> None:
    """Kill processes that may be making more of themselves: none runs on while another is being killed."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            with contextlib.suppress(OSError):
                os.kill(process, number)


def _end_leftovers() -> None:
    """Kill and reap everything the command left behind."""
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while time.monotonic() < deadline:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        _kill(_descendants(os.getpid()))
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
