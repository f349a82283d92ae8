"""YAML and JSON documents from anyone: read safely, with limits, and with the line of every value for messages.

Scalars are typed as Kubernetes' tools type them: YAML 1.1 booleans, ``1e3`` is a number, times and ``1:30`` stay text.
Aliases are allowed but counted at their expanded size, so a document that unfolds ("billion laughs") is refused before it does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.api.scalars import plain_value, shortened
from katib.errors import InvalidExperiment, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_DOCUMENTS",
    "MAX_VALUES",
    "Document",
    "load",
]

MAX_BYTES: Final = 1 << 20
"""As much as etcd takes of one object; also the limit of a document's text with its aliases written out."""
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 50_000
"""Scalars, lists and mappings in a file, aliases counted with everything they stand for."""
MAX_DOCUMENTS: Final = 1_000
_LONGEST_KEY: Final = 1_000
"""Characters of a key that lines are looked up for, so that a key of a million dots costs nothing."""

_SURROGATES = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_MOST_BACKSLASHES: Final = 100
"""Looked at before an escape; nobody has that many, and behind them it stays as it is, for the reader to refuse."""
_YAML: Final = "tag:yaml.org,2002:"
_SCALAR_TAGS: Final[dict[str, tuple[type, ...]]] = {
    f"{_YAML}int": (int,),
    f"{_YAML}float": (int, float),
    f"{_YAML}bool": (bool,),
    f"{_YAML}null": (type(None),),
}


@dataclass(slots=True)
class _Lines:
    """Where a list or mapping stands, and what is in it: an int is the line of a scalar."""

    line: int
    below: dict[str, int | _Lines] | list[int | _Lines] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        content: Its mapping; plain dicts, lists and scalars.
        source: What to call the file in messages.
    """

    content: dict[str, Any]
    source: str = ""
    _lines: _Lines = field(default_factory=lambda: _Lines(1), repr=False)

    def line_of(self, path: str) -> int:
        """Return the 1-based line of a value (``spec.parameters[2].name``), or of the nearest thing around it that is there."""
        here: int | _Lines = self._lines
        while path and isinstance(here, _Lines):
            found = _step(here.below, path)
            if found is None:
                break
            here, path = found
        return here.line if isinstance(here, _Lines) else here


def _step(below: dict[str, int | _Lines] | list[int | _Lines], path: str) -> tuple[int | _Lines, str] | None:
    """Return what the beginning of a path leads to, and the rest of the path."""
    if isinstance(below, list):
        place, closed, rest = path.removeprefix("[").partition("]")
        if closed and place.isdecimal() and int(place) < len(below):
            return below[int(place)], rest.removeprefix(".")
        return None
    # Keys may have dots themselves; the shortest one that is there is taken.
    for end in re.finditer(r"(?=[.\[])|$", path[:_LONGEST_KEY]):
        if path[: end.start()] in below:
            return below[path[: end.start()]], path[end.start() :].removeprefix(".")
    return None


def load(text: str | bytes, *, source: str = "") -> list[Document]:
    """Return the documents of a YAML (or JSON) text; empty ones are left out.

    Raises:
        InvalidExperiment: It is no YAML, breaks a limit, repeats a key, has a document that is no mapping, or nothing at all.
    """
    # The length in characters first: a text of gigabytes is not encoded to be counted.
    size = len(text) if isinstance(text, bytes) or len(text) > MAX_BYTES else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        # Whoever reads a file may have given up at the limit: how much longer it is, is not known.
        raise _refused(f"the file has more than the {MAX_BYTES} bytes that are read")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _refused(f"the file is not UTF-8 text: byte {error.start} is {text[error.start]:#04x}") from error
    text = text.removeprefix("\ufeff")
    documents = _json_documents(text, source) if text.lstrip().startswith("{") else _documents(text, source)
    if not documents:
        raise _refused("the file is empty")
    return documents


def _documents(text: str, source: str) -> list[Document]:
    import yaml  # a tenth of a second that `katib get` need not pay

    try:
        return list(_Builder(source).documents(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise _refused(f"not valid YAML: {said}", None if mark is None else mark.line + 1) from error
    except (UnicodeEncodeError, RecursionError) as error:
        raise _refused("not valid YAML: it holds characters that no text has") from error


def _json_documents(text: str, source: str) -> list[Document]:
    """JSON is YAML but for two things: it may be indented with tabs, and writes characters beyond 16 bits as two escapes."""
    text = _SURROGATES.sub(_character, text)
    try:
        return _documents(text, source)
    except InvalidExperiment:
        if "\t" not in text:
            raise
    # In JSON a tab stands between values only, where a space is as good; in YAML that was read it may be part of a text.
    return _documents(text.replace("\t", " "), source)


def _character(pair: re.Match[str]) -> str:
    """Return the character of two escapes, or the escapes where they are none: after an odd number of backslashes."""
    window = pair.string[max(0, pair.start() - _MOST_BACKSLASHES) : pair.start()]
    backslashes = len(window) - len(window.rstrip("\\"))
    if backslashes % 2 or backslashes == _MOST_BACKSLASHES:
        return pair[0]
    return pair[0].encode().decode("unicode_escape").encode("utf-16", "surrogatepass").decode("utf-16")


def _refused(message: str, line: int | None = None, path: str = "") -> InvalidExperiment:
    return InvalidExperiment([Problem(path=path, message=message, line=line)])


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; the counts are the file's when it began."""

    value: dict[str, Any] | list[Any]
    lines: _Lines
    anchor: str | None
    values_before: int
    characters_before: int
    key: str | None = None
    key_line: int = 0


@dataclass(frozen=True, slots=True)
class _Anchored:
    """What an anchor names, and how much it is with all its own aliases written out."""

    value: Any
    lines: int | _Lines
    values: int
    characters: int


class _Builder:
    """Makes values from the parser's events, one at a time, so that a limit is noticed where it is broken."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._documents = 0
        self._values = 0
        self._characters = 0
        self._begin()

    def _begin(self) -> None:
        self._anchors: dict[str, _Anchored] = {}
        self._stack: list[_Open] = []
        self._root: Any = None
        self._root_lines: int | _Lines = 1

    def documents(self, events: Iterator[Any]) -> Iterator[Document]:
        """Yield each document that is not empty."""
        for event in events:
            kind = type(event).__name__
            if kind == "ScalarEvent":
                self._scalar(event, event.start_mark.line + 1)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self._open(event, "map" if kind == "MappingStartEvent" else "seq", event.start_mark.line + 1)
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self._close()
            elif kind == "AliasEvent":
                self._alias(event.anchor, event.start_mark.line + 1)
            elif kind == "DocumentStartEvent":
                self._begin()
                self._documents += 1
                if self._documents > MAX_DOCUMENTS:
                    raise _refused(f"more than {MAX_DOCUMENTS} documents", event.start_mark.line + 1)
            elif kind == "DocumentEndEvent":
                yield from self._finished()

    def _finished(self) -> Iterator[Document]:
        if self._root is None:
            return
        lines = self._root_lines
        if not isinstance(self._root, dict) or not isinstance(lines, _Lines):
            line = lines.line if isinstance(lines, _Lines) else lines
            raise _refused(f"a document must be a mapping of fields, not {_kind(self._root)}", line)
        yield Document(self._root, self._source, lines)

    def _open(self, event: Any, kind: str, line: int) -> None:
        if event.tag not in (None, "!", f"{_YAML}{kind}"):
            raise _tag_refused(event.tag, line)
        if len(self._stack) >= MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", line)
        value: dict[str, Any] | list[Any] = {} if kind == "map" else []
        lines = _Lines(line, {} if kind == "map" else [])
        opened = _Open(value, lines, event.anchor, self._values, self._characters)
        self._place(value, lines, line, values=1, characters=0)
        self._stack.append(opened)

    def _close(self) -> None:
        done = self._stack.pop()
        if done.anchor:
            values, characters = self._values - done.values_before, self._characters - done.characters_before
            self._anchors[done.anchor] = _Anchored(done.value, done.lines, values, characters)

    def _alias(self, anchor: str, line: int) -> None:
        meant = self._anchors.get(anchor)
        if meant is None:
            raise _refused(f"the alias *{shortened(anchor)} stands for nothing that is complete before it", line)
        if self._wants_key():
            self._key(meant.value, line)
        else:
            lines = _Lines(line, meant.lines.below) if isinstance(meant.lines, _Lines) else line
            self._place(meant.value, lines, line, values=meant.values, characters=meant.characters)

    def _scalar(self, event: Any, line: int) -> None:
        if self._wants_key():
            if event.value == "<<" and event.implicit[0]:
                raise _refused("merge keys (<<) are not supported, as in Kubernetes", line, self._path())
            value = event.value if event.tag in (None, "!") else _typed(event, line)
            self._key(event.value, line)
        else:
            value = _typed(event, line)
            self._place(value, line, line, values=1, characters=len(event.value))
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, line, 1, len(event.value))

    def _wants_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].key is None and isinstance(self._stack[-1].value, dict)

    def _key(self, key: Any, line: int) -> None:
        top = self._stack[-1]
        if not isinstance(key, str):
            raise _refused("a key must be text", line, self._path())
        if key in top.value:
            raise _refused(f"the key {shortened(key)!r} is there twice", line, _child(self._path(), shortened(key)))
        top.key, top.key_line = str(key), line
        self._count(line, 1, len(key))

    def _place(self, value: Any, lines: int | _Lines, line: int, *, values: int, characters: int) -> None:
        """Put a value where it belongs."""
        self._count(line, values, characters)
        if not self._stack:
            self._root, self._root_lines = value, lines
            return
        top = self._stack[-1]
        if isinstance(top.value, list) and isinstance(top.lines.below, list):
            top.value.append(value)
            top.lines.below.append(lines)
        elif isinstance(top.value, dict) and isinstance(top.lines.below, dict):
            if top.key is None:
                raise _refused("a key must be text, not a list or mapping", line, self._path())
            top.value[top.key] = value
            # What people look for is the line of the key, also where the value begins on the next.
            if isinstance(lines, _Lines):
                lines.line = top.key_line
            top.lines.below[top.key] = lines if isinstance(lines, _Lines) else top.key_line
            top.key = None

    def _count(self, line: int, values: int, characters: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > MAX_VALUES:
            raise _refused(f"more than {MAX_VALUES} values, aliases counted with what they stand for", line)
        if self._characters > MAX_BYTES:
            raise _refused(f"more than {MAX_BYTES} characters, aliases counted with what they stand for", line)

    def _path(self) -> str:
        """Return the path of the innermost list or mapping that is open; made only when there is something to say about it."""
        path = ""
        for outer in self._stack[:-1]:
            if isinstance(outer.value, list):
                path = f"{path}[{len(outer.value) - 1}]"
            else:
                path = _child(path, shortened(next(reversed(outer.value), "")))
        return path


def _typed(event: Any, line: int) -> Any:
    """Return a scalar's value by its tag, its quotes and its text."""
    tag = event.tag
    if tag is None:
        return event.value if event.style or not event.implicit[0] else _plain(event.value, line)
    if tag in ("!", f"{_YAML}str"):
        return event.value
    if tag not in _SCALAR_TAGS:
        raise _tag_refused(tag, line)
    value = _plain(event.value, line)
    wanted = _SCALAR_TAGS[tag]
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise _refused(f"the tag !!{tag.removeprefix(_YAML)} does not fit {shortened(event.value)!r}", line)
    return value


def _tag_refused(tag: str, line: int) -> InvalidExperiment:
    return _refused(f"the tag {shortened(tag)!r} is not allowed here: only plain YAML values are read", line)


def _plain(text: str, line: int) -> Any:
    try:
        return plain_value(text)
    except ValueError as error:
        raise _refused(str(error), line) from None


def _child(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "a list" if isinstance(value, list) else "a number" if isinstance(value, (int, float)) else "text"
