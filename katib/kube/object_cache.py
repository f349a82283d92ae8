"""The objects of one resource as they were last seen, by the watch or by whoever wrote one just now.

Two kinds of news reach it, in any order: what the server sends, and what it answered to this process's own writes. The
newer version of an object wins, so a writer reads its own writes; and each difference is told once, when the server's
own news arrive, so that whoever follows the changes hears of them in one thread and in order.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Change", "ObjectCache", "is_older"]

Object: TypeAlias = dict[str, Any]
Change: TypeAlias = tuple[Object | None, Object | None]
"""An object before and after; None where it is not there."""
_Key: TypeAlias = tuple[str, str]

_LOGGER: Final = logging.getLogger(__name__)
_DELETED_REMEMBERED: Final = 10_000
"""Deleted objects whose late answers are known as such; a write takes seconds, not ten thousand deletions."""


def is_older(version: str, other: str) -> bool:
    """Tell whether a resource version is older than another; of two that are no numbers nobody can tell.

    Versions of one resource may be compared as numbers: the API promises it (KEP-5504).
    """
    if version.isascii() and version.isdigit() and other.isascii() and other.isdigit():
        return int(version) < int(other)
    return False


def version_of(obj: Object) -> str:
    """Return the resource version of an object."""
    return str(obj["metadata"].get("resourceVersion") or "")


def _uid(obj: Object) -> str:
    return str(obj["metadata"].get("uid") or "")


def _key(obj: Object) -> _Key:
    metadata = obj["metadata"]
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


class ObjectCache:
    """Holds objects by namespace and name, and by the indexes that are asked for. Threads share it.

    What it returns is what it holds: nobody changes it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._objects: dict[_Key, Object] = {}
        self._told: dict[_Key, Object] = {}
        """What those who follow the changes know."""
        self._deleted: OrderedDict[str, None] = OrderedDict()
        self._index_functions: dict[str, Callable[[Object], Iterable[str]]] = {}
        self._indexes: dict[str, dict[str, dict[_Key, Object]]] = {}
        self._entered: dict[_Key, dict[str, tuple[str, ...]]] = {}
        """Under which values of each index an object is found."""

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        with self._lock:
            return self._objects.get((namespace, name))

    def items(self) -> list[Object]:
        """Return all objects of this moment."""
        with self._lock:
            return list(self._objects.values())

    def add_index(self, name: str, function: Callable[[Object], Iterable[str]]) -> None:
        """Find objects by what a function makes of them, from now on."""
        with self._lock:
            self._index_functions[name] = function
            self._indexes[name] = {}
            for key, obj in self._objects.items():
                self._enter(name, key, obj)

    def indexed(self, name: str, value: str) -> list[Object]:
        """Return the objects of which an index's function made this value."""
        with self._lock:
            return list(self._indexes[name].get(value, {}).values())

    def put(self, obj: Object) -> bool:
        """Take in the server's answer to a write; return whether it was news. Nobody is told yet."""
        with self._lock:
            if _uid(obj) in self._deleted:
                return False
            known = self._objects.get(_key(obj))
            if known is not None and _same_or_older(obj, known):
                return False
            self._set(_key(obj), obj)
            return True

    def seen(self, obj: Object) -> list[Change]:
        """Take in what the watch says is there; return what is to be told."""
        with self._lock:
            self.put(obj)
            return self._tell(_key(obj))

    def gone(self, obj: Object) -> list[Change]:
        """Take in what the watch says was deleted; return what is to be told."""
        with self._lock:
            return self._drop(_key(obj), _uid(obj))

    def replace(self, objects: Iterable[Object], version: str, *, restored: bool = False) -> list[Change]:
        """Take in a whole list; return what is to be told, deletions too.

        Args:
            objects: That there are.
            version: Of the list; what was written after it is not deleted because it is not in it.
            restored: Whether the list is right also where it is older: the server was restored from a copy.
        """
        changes: list[Change] = []
        with self._lock:
            if restored:
                self._deleted.clear()
            there = set()
            for obj in objects:
                key = _key(obj)
                there.add(key)
                if restored and not _same(obj, self._objects.get(key)):
                    self._set(key, obj)
                    changes += self._tell(key)
                else:
                    changes += self.seen(obj)
            for key, obj in list(self._objects.items()):
                if key not in there and (restored or not is_older(version, version_of(obj))):
                    changes += self._drop(key, _uid(obj))
        return changes

    def _drop(self, key: _Key, uid: str) -> list[Change]:
        if uid:
            self._deleted[uid] = None
            if len(self._deleted) > _DELETED_REMEMBERED:
                self._deleted.popitem(last=False)
        last = self._objects.get(key)
        if last is not None and _uid(last) == uid:
            self._unset(key)
        else:
            last = None  # another one has the name already
        told = self._told.get(key)
        if told is not None and _uid(told) == uid:
            del self._told[key]
            return [(last or told, None)]
        return [(last, None)] if last is not None else []

    def _tell(self, key: _Key) -> list[Change]:
        told, now = self._told.get(key), self._objects.get(key)
        if now is None or now is told:
            return []
        self._told[key] = now
        if told is not None and _uid(told) != _uid(now):
            return [(told, None), (None, now)]
        return [(told, now)]

    def _set(self, key: _Key, obj: Object) -> None:
        self._unset(key)
        self._objects[key] = obj
        for name in self._indexes:
            self._enter(name, key, obj)

    def _unset(self, key: _Key) -> None:
        self._objects.pop(key, None)
        for name, values in self._entered.pop(key, {}).items():
            index = self._indexes[name]
            for value in values:
                entries = index.get(value, {})
                entries.pop(key, None)
                if not entries:
                    index.pop(value, None)

    def _enter(self, name: str, key: _Key, obj: Object) -> None:
        try:
            values = tuple(self._index_functions[name](obj))
        except Exception:
            # Objects are what users write; one that nobody expected is not found by this index, and hides no other.
            _LOGGER.exception("the index %s does not take %s/%s", name, *key)
            values = ()
        self._entered.setdefault(key, {})[name] = values
        for value in values:
            self._indexes[name].setdefault(value, {})[key] = obj


def _same_or_older(obj: Object, known: Object) -> bool:
    version, of_known = version_of(obj), version_of(known)
    return (version == of_known and _uid(obj) == _uid(known)) or is_older(version, of_known)


def _same(obj: Object, known: Object | None) -> bool:
    return known is not None and version_of(obj) == version_of(known) and _uid(obj) == _uid(known)
