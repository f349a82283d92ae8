"""YAML and JSON documents from anyone: read safely, with limits, and with the line of every value for messages.

Scalars are typed as Kubernetes' tools type them: YAML 1.1 booleans, ``1e3`` is a number, times and ``1:30`` stay text.
Aliases are allowed but counted at their expanded size, so a document that unfolds ("billion laughs") is refused before it does.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidExperiment, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Document", "PlainText", "load"]

MAX_BYTES: Final = 1 << 20
"""As much as etcd takes of one object."""
MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000
"""Scalars, lists and mappings in a file, aliases counted with everything they stand for."""

_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_TAGS: Final = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:map": dict,
    "tag:yaml.org,2002:seq": list,
    "tag:yaml.org,2002:int": None,
    "tag:yaml.org,2002:float": None,
    "tag:yaml.org,2002:bool": None,
    "tag:yaml.org,2002:null": None,
}


class PlainText(str):
    """Text that stood in the file without quotes; for a placeholder that decides whether it becomes a number."""

    __slots__ = ()


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        content: Its mapping; plain dicts, lists and scalars.
        source: What to call the file in messages.
        lines: Path of a value (``spec.parameters[2].name``) to its 1-based line.
    """

    content: dict[str, Any]
    source: str = ""
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int | None:
        """Return the line of a value, or of the nearest thing around it that is there."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = re.sub(r"(\.[^.\[\]]+|\[[^\]]*\]|^[^.\[\]]+)$", "", path)
        return self.lines.get("")


def load(text: str | bytes, *, source: str = "") -> list[Document]:
    """Return the documents of a YAML (or JSON) text; empty ones are left out.

    Raises:
        InvalidExperiment: It is no YAML, breaks a limit, repeats a key, has a document that is no mapping, or nothing at all.
    """
    import yaml  # a tenth of a second that `katib get` need not pay

    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _refused(f"the file has {size} bytes, at most {MAX_BYTES} are read")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _refused(f"the file is not UTF-8 text: byte {error.start} is {text[error.start]:#04x}") from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(_Builder(source).documents(yaml.parse(text, Loader=loader)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise _refused(f"not valid YAML: {said}", None if mark is None else mark.line + 1) from error
    except (UnicodeEncodeError, RecursionError) as error:
        raise _refused("not valid YAML: it holds characters that no text has") from error
    if not documents:
        raise _refused("the file is empty")
    return documents


def _refused(message: str, line: int | None = None, path: str = "") -> InvalidExperiment:
    return InvalidExperiment([Problem(path=path, message=message, line=line)])


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    value: dict[str, Any] | list[Any]
    path: str
    line: int
    anchor: str | None
    key: str | None = None
    size: int = 1


class _Builder:
    """Makes values from the parser's events, one at a time, so that a limit is noticed where it is broken."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._nodes = 0

    def documents(self, events: Iterator[Any]) -> Iterator[Document]:
        """Yield each document that is not empty."""
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                self._lines: dict[str, int] = {}
                self._anchors: dict[str, tuple[Any, int]] = {}
                self._stack: list[_Open] = []
                self._root: Any = None
            elif kind == "DocumentEndEvent":
                if self._root is None:
                    continue
                if not isinstance(self._root, dict):
                    raise _refused(
                        f"a document must be a mapping of fields, not {_kind(self._root)}", self._lines.get("", 1)
                    )
                yield Document(self._root, self._source, self._lines)
            elif kind not in ("StreamStartEvent", "StreamEndEvent"):
                self._node(event, kind)

    def _node(self, event: Any, kind: str) -> None:
        line = event.start_mark.line + 1
        if kind in ("MappingEndEvent", "SequenceEndEvent"):
            done = self._stack.pop()
            if done.anchor:
                self._anchors[done.anchor] = (done.value, done.size)
            if self._stack:
                self._stack[-1].size += done.size
            return
        if kind == "AliasEvent":
            if event.anchor not in self._anchors:
                raise _refused(f"the alias *{event.anchor} stands for nothing that is complete before it", line)
            value, size = self._anchors[event.anchor]
            self._place(value, line, size)
            if self._stack:
                self._stack[-1].size += size
            return
        self._refuse_tag(event.tag, line)
        if kind == "ScalarEvent":
            self._scalar(event, line)
            return
        container: dict[str, Any] | list[Any] = {} if kind == "MappingStartEvent" else []
        path = self._place(container, line, 1)
        if len(self._stack) >= MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", line)
        self._stack.append(_Open(container, path, line, event.anchor))

    def _scalar(self, event: Any, line: int) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            if event.value in top.value:
                raise _refused(f"the key {event.value!r} is there twice", line, _child(top.path, event.value))
            if event.value == "<<" and event.implicit[0]:
                raise _refused("merge keys (<<) are not supported, as in Kubernetes", line, top.path)
            top.key = event.value
            self._count(line, 1)
            return
        if (not event.style and event.implicit[0]) or (event.tag is not None and _TAGS.get(event.tag, str) is None):
            value = _plain(event.value, line)
        else:
            value = event.value
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._place(value, line, 1)
        if top is not None:
            top.size += 1

    def _place(self, value: Any, line: int, size: int) -> str:
        """Put a value where it belongs and return its path."""
        self._count(line, size)
        if not self._stack:
            self._root = value
            path = ""
        else:
            top = self._stack[-1]
            if isinstance(top.value, list):
                path = f"{top.path}[{len(top.value)}]"
                top.value.append(value)
            else:
                if top.key is None:
                    raise _refused("a key must be text, not a list or mapping", line, top.path)
                path = _child(top.path, top.key)
                top.value[top.key] = value
                top.key = None
        self._lines[path] = line
        return path

    def _count(self, line: int, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise _refused(f"more than {MAX_NODES} values, aliases counted with what they stand for", line)

    @staticmethod
    def _refuse_tag(tag: str | None, line: int) -> None:
        if tag is not None and tag != "!" and tag not in _TAGS:
            raise _refused(f"the tag {tag!r} is not allowed: only plain YAML values are read", line)


def _plain(text: str, line: int) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        digits = text.replace("_", "")
        body = digits.lstrip("+-")
        if len(body) > 1 and body[0] == "0" and body[1].isdigit():
            digits = digits.replace("0", "0o", 1)
        try:
            return int(digits, 0)
        except ValueError as error:  # more digits than Python converts
            raise _refused(f"the number {text[:20]}… is too long", line) from error
    if _FLOAT.fullmatch(text):
        return float(text)
    return PlainText(text)


def _child(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _kind(value: Any) -> str:
    return {list: "a list", bool: "a boolean", int: "a number", float: "a number"}.get(type(value), "text")
