"""What Kubernetes takes as a label or as the name of an environment variable, in its own words.

An experiment that runs on this machine today is to run on a cluster tomorrow, and what it says there is said at once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["label_problems", "variable_problems"]

_LONGEST: Final = 63
_LONGEST_PREFIX: Final = 253
_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VARIABLE: Final = re.compile(r"[ -<>-~]+")
_ALPHANUMERIC: Final = (
    "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_TOO_LONG: Final = f"must be no more than {_LONGEST} characters"


def label_problems(labels: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yield what is wrong with labels.

    Args:
        labels: By key; what is no text is left to others.
        path: Of the labels.
    """
    for key, value in labels.items():
        yield from _key_problems(key, path)
        if not isinstance(value, str):
            continue
        if len(value) > _LONGEST:
            yield Problem(f"{path}[{key!r}]", _TOO_LONG, value)
        elif value and not _NAME.fullmatch(value):
            yield Problem(f"{path}[{key!r}]", f"a valid label must be an empty string or {_ALPHANUMERIC}", value)


def _key_problems(key: str, path: str) -> Iterator[Problem]:
    prefix, separator, name = key.rpartition("/")
    if separator and (len(prefix) > _LONGEST_PREFIX or not _PREFIX.fullmatch(prefix)):
        message = (
            "prefix part must be a lowercase RFC 1123 subdomain: lower case alphanumeric characters, '-' or '.', "
            f"which starts and ends with an alphanumeric character, and no more than {_LONGEST_PREFIX} characters"
        )
        yield Problem(path, message, key)
    elif not _NAME.fullmatch(name):
        yield Problem(path, f"name part must {_ALPHANUMERIC}", key)
    elif len(name) > _LONGEST:
        yield Problem(path, f"name part {_TOO_LONG}", key)


def variable_problems(variable: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yield what is wrong with an environment variable of a container.

    Args:
        variable: An element of ``env``.
        path: Of the element.
    """
    name, value = variable.get("name"), variable.get("value")
    if name is None or name == "":
        yield Problem(f"{path}.name", "is required")
    elif not isinstance(name, str):
        yield Problem(f"{path}.name", "must be a text", name)
    elif not _VARIABLE.fullmatch(name):
        message = "a valid environment variable name must consist only of printable ASCII characters other than '='"
        yield Problem(f"{path}.name", message, name)
    if isinstance(value, str) and "\0" in value:
        yield Problem(f"{path}.value", "must not have a NUL character: no program can be given one", value)
