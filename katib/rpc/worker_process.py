"""The server's end of one worker: starts it, gives it one task at a time, interrupts and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from katib.errors import RunnerError
from katib.rpc.worker_call import HEADER, READY, framed, length_of, unframed

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from katib.rpc.worker_call import Outcome, Task

__all__ = ["WorkerDied", "WorkerProcess"]

_PIPE_BYTES: Final = 1 << 20
"""Room for the history of 2,000 trials, so that neither end waits for the other in the middle of a request."""
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 2.0
"""A process whose pipe is closed has ended, or will in a moment; it is killed only after that, so that one learns how it ended."""


class WorkerDied(Exception):
    """The process ended before it answered; the text says how."""


class WorkerProcess:
    """One worker.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, cache_bytes: int) -> WorkerProcess:
        """Return a worker that is ready.

        Raises:
            RunnerError: It cannot be started.
        """
        environment = {
            **os.environ,
            # Two workers whose BLAS has two threads each wait for each other on two cores.
            **{
                f"{library}_NUM_THREADS": os.environ.get(f"{library}_NUM_THREADS", "1")
                for library in ("OMP", "OPENBLAS", "MKL")
            },
        }
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "katib.rpc.worker",
                str(cache_bytes),
                str(os.getpid()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
                limit=_PIPE_BYTES,
                pipesize=_PIPE_BYTES,
            )
        except OSError as error:
            raise RunnerError(f"a worker process cannot be started: {error.strerror or error}") from error
        worker = cls(process)
        try:
            outcome = await asyncio.wait_for(worker._read(), _START_SECONDS)
        except TimeoutError as error:
            await worker.kill()
            raise RunnerError(f"a worker process is not ready after {_START_SECONDS:g} s") from error
        except WorkerDied as error:
            raise RunnerError(f"a worker process does not start: {error}") from error
        except BaseException:
            await worker.kill()
            raise
        if outcome.reply != READY:
            await worker.kill()
            raise RunnerError("a worker process begins with something else than that it is ready")
        return worker

    async def answer(self, task: Task) -> Outcome:
        """Return what comes of a task. Must not be cancelled half-way: see ``interrupt``.

        Raises:
            WorkerDied: It ended instead.
        """
        writer: Any = self._process.stdin
        try:
            writer.write(framed(task))
            await writer.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._death() from None
        return await self._read()

    async def _read(self) -> Outcome:
        reader: Any = self._process.stdout
        try:
            outcome: Outcome = unframed(await reader.readexactly(length_of(await reader.readexactly(HEADER.size))))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            raise await self._death() from None
        return outcome

    async def _death(self) -> WorkerDied:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        await self.kill()
        code = self._process.returncode or 0
        if code >= 0:
            return WorkerDied(f"exit code {code}")
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return WorkerDied(f"signal {name}{', perhaps for want of memory' if -code == signal.SIGKILL else ''}")

    def interrupt(self) -> None:
        """Ask it to leave its task, which it answers with a failure."""
        self._send(signal.SIGUSR1)

    async def kill(self) -> None:
        """End it at once; nothing happens when it has ended."""
        self._send(signal.SIGKILL)
        await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        # Not by the methods of the process: they look first whether it has ended, and then asyncio never learns how it did.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
