"""Errors as users of Katib's client know them: ours, and at once the built-in exceptions which that client raises.

Code written for it catches ``RuntimeError`` (whatever an API server refused), ``TimeoutError`` and ``ValueError``. Each error that leaves
``KatibClient`` is one of ``katib.errors`` with its whole text, and one of these as well.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from katib.errors import DeadlineExceeded, InvalidInput, KatibError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["katib_errors"]

_BUILT_IN: Final[tuple[tuple[type[KatibError], tuple[type[Exception], ...]], ...]] = (
    (DeadlineExceeded, (TimeoutError,)),
    (InvalidInput, (ValueError, RuntimeError)),  # of an argument the one, of an experiment the other
    (KatibError, (RuntimeError,)),
)
_TWINS: Final[dict[type[KatibError], type[KatibError]]] = {}


@contextlib.contextmanager
def katib_errors() -> Iterator[None]:
    """Raise the errors of a block also as what Katib's client raises; also a decorator."""
    try:
        yield
    except KatibError as error:
        twin = _twin(type(error))
        if twin is type(error):
            raise
        told = twin.__new__(twin, *error.args)
        told.args = error.args
        told.__dict__.update(error.__dict__)
        raise told.with_traceback(error.__traceback__) from error.__cause__


def _twin(kind: type[KatibError]) -> type[KatibError]:
    if kind not in _TWINS:
        _TWINS[kind] = _made_twin(kind)
    return _TWINS[kind]


def _made_twin(kind: type[KatibError]) -> type[KatibError]:
    for base, others in _BUILT_IN:
        if issubclass(kind, base):
            missing = tuple(other for other in others if not issubclass(kind, other))
            if not missing:
                return kind
            return type(kind.__name__, (kind, *missing), {"__module__": kind.__module__, "__doc__": kind.__doc__})
    return kind
