"""What ``katib`` returns to the shell. The codes of errors are those of ``katib.errors``; here they get one line each for people."""

from __future__ import annotations

from typing import Final

from katib.errors import (
    AlgorithmError,
    Conflict,
    DeadlineExceeded,
    Denied,
    Interrupted,
    InvalidInput,
    NotFound,
    Overloaded,
    RemoteFault,
    RunnerError,
    StoreUnavailable,
    Unauthenticated,
    Unsupported,
)

__all__ = ["EXIT_CODES", "EXPERIMENT_FAILED", "INTERNAL", "OK"]

OK: Final = 0
EXPERIMENT_FAILED: Final = 1
INTERNAL: Final = 70
"""``EX_SOFTWARE`` of sysexits.h."""

EXIT_CODES: Final[dict[int, str]] = {
    OK: "done",
    EXPERIMENT_FAILED: "the experiment failed",
    InvalidInput.exit_code: "a wrong file, option or argument",
    NotFound.exit_code: "there is nothing of that name",
    Conflict.exit_code: "the name is taken, or another process runs it",
    Denied.exit_code: "not allowed",
    Unsupported.exit_code: "not possible in this mode",
    AlgorithmError.exit_code: "the algorithm cannot be loaded or broke",
    RunnerError.exit_code: "a trial could not be started or stopped, or a file not written",
    Overloaded.exit_code: "too much at once, try again",
    StoreUnavailable.exit_code: "the store cannot be read or written",
    Unauthenticated.exit_code: "no token, or none that is known there",
    RemoteFault.exit_code: "another program failed or answered nonsense",
    INTERNAL: "a fault in katib itself",
    DeadlineExceeded.exit_code: "the time given to wait ran out",
    Interrupted.exit_code: "stopped by its user",
}
"""Every code and its meaning, in the order of the codes."""
