"""A worker process: reads a task, answers it, writes the outcome, until its parent goes away.

Algorithms compute here and not in the server, so that a long fit keeps nobody waiting who asks another worker, or whether the server
is well. A task whose caller has gone is ended by a signal; what was being computed is forgotten.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from katib.rpc.answer import Answerer, failure_of
from katib.rpc.worker_call import HEADER, READY, Failure, Outcome, framed, length_of, unframed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]

_PR_SET_PDEATHSIG: Final = 1
_SLOW_IMPORTS: Final = ("numpy", "scipy.stats", "scipy.optimize", "optuna.samplers", "cmaes", "threadpoolctl")
"""What algorithms import when they are first used, which would otherwise be a second of somebody's first call."""


class _AbandonedError(BaseException):
    """Nobody waits for the answer any more. No plug-in that catches every ``Exception`` may keep this one."""


class _Abandon:
    """Turns the parent's signal into an exception while a task is being computed, and into nothing otherwise."""

    def __init__(self) -> None:
        self._computing = False

    def __call__(self, *_: object) -> None:
        if self._computing:
            self._computing = False
            raise _AbandonedError

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Let the block be ended by the signal."""
        self._computing = True
        try:
            yield
        finally:
            self._computing = False


def main() -> None:
    """Serve the parent at standard input and output. What a plug-in prints goes to standard error."""
    tasks, outcomes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    _end_with(int(sys.argv[2]))
    # The parent ends its workers itself, after the calls that it still answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    abandon = _Abandon()
    signal.signal(signal.SIGUSR1, abandon)
    answerer = Answerer(int(sys.argv[1]))
    for name in _SLOW_IMPORTS:
        with contextlib.suppress(ImportError):  # whoever needs it will say so
            importlib.import_module(name)
    gc.freeze()  # nothing of this is ever collected; looking at it again takes time
    _write(outcomes.fileno(), framed(Outcome(reply=READY)))
    while True:
        header = tasks.read(HEADER.size)
        if len(header) < HEADER.size:
            return
        task = unframed(tasks.read(length_of(header)))
        try:
            with abandon.computing():
                outcome = answerer.answer(task)
        except _AbandonedError:
            outcome = Outcome(failure=Failure("CANCELLED", "the caller has gone"))
        except BaseException as error:  # noqa: BLE001 - such as sys.exit() in a plug-in, which ends its call and not the worker
            outcome = Outcome(failure=failure_of(task, error))
        _write(outcomes.fileno(), framed(outcome))


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, even in the middle of a fit."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that
        sys.exit()


if __name__ == "__main__":
    main()
