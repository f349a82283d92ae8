"""How long a caller waits for an answer, where the place that is asked may hang."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from katib.errors import DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["answer_within"]

_Answer = TypeVar("_Answer")


class _Call(Generic[_Answer]):
    """One call in a thread of its own, which nobody has to wait for."""

    def __init__(self, call: Callable[[], _Answer]) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._answer: _Answer
        # A call that never returns must not keep the program from ending.
        threading.Thread(target=self._run, name="katib-call", daemon=True).start()

    def _run(self) -> None:
        try:
            self._answer = self._call()
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is taken
            self._error = error
        finally:
            self._done.set()

    def answer(self, seconds: float) -> _Answer | None:
        """Return the answer, or raise what the call raised; TimeoutError when there is none yet."""
        if not self._done.wait(seconds):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._answer


def answer_within(call: Callable[[], _Answer], seconds: float | None, what: str) -> _Answer:
    """Return what a call returns.

    Args:
        call: May take longer; it then goes on, and nobody hears of it.
        seconds: None for as long as it takes.
        what: For the message: "to get experiment 'x'".

    Raises:
        DeadlineExceeded: There is no answer within that time.
    """
    if seconds is None:
        return call()
    running = _Call(call)
    try:
        return running.answer(seconds)  # type: ignore[return-value] # there is one
    except TimeoutError:
        if running._done.is_set():  # noqa: SLF001 - of this module: the call itself has raised it
            raise
        raise DeadlineExceeded(
            f"no answer within {seconds:g} s when asked {what}; a change may still be made"
        ) from None
