"""Where Katib's configuration comes from, a file or a ConfigMap, and that a change of it is found while the operator runs.

A configuration that cannot be read leaves the last good one in force: experiments that run do not depend on somebody's typing error.
Only at the start there is none to keep, and the operator does not start.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, KatibError, NotFound, Problem
from katib.kube.resource import CONFIG_MAPS
from katib.operator.katib_config import CONFIG_KEY, KatibConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from katib.kube.client import Client

__all__ = ["ConfigFile", "ConfigInCluster", "KatibConfigSource"]

_LOGGER: Final = logging.getLogger(__name__)
_EVERY: Final = 5.0
_MOST_BYTES: Final = 1 << 20
_TO_STOP: Final = 2.0


class ConfigFile:
    """A file, such as a mounted ConfigMap.

    Args:
        path: Of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)
        self.reference: dict[str, Any] | None = None

    def read(self) -> bytes:
        """Return its content.

        Raises:
            InvalidInput: It cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                return file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise InvalidInput([Problem("--katib-config", f"cannot be read: {error.strerror}", self.name)]) from error


class ConfigInCluster:
    """A ConfigMap of the cluster.

    Args:
        client: Of the API server.
        namespace: Of the ConfigMap.
        name: Of the ConfigMap.
    """

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._place = (name, namespace)
        self.name = f"ConfigMap {namespace}/{name}"
        self.reference: dict[str, Any] | None = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": namespace, "name": name},
        }

    def read(self) -> str:
        """Return its key ``katib-config.yaml``.

        Raises:
            NotFound: There is none.
            KatibError: The API server does not give it.
        """
        try:
            found = self._client.get(CONFIG_MAPS, *self._place)
        except NotFound as error:
            raise NotFound(f"{self.name} is not there; make it, or leave --katib-config-map out") from error
        self.reference = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": found["metadata"]}
        text: str | None = (found.get("data") or {}).get(CONFIG_KEY)
        if text is None:
            raise NotFound(f"{self.name} has no key {CONFIG_KEY}")
        return text


class KatibConfigSource:
    """What the configuration says now.

    Args:
        place: Where it is.
        every: Seconds between two looks.

    Attributes:
        config: The last good one.

    Raises:
        InvalidInput: It cannot be read, or says something wrong.
        KatibError: It is not there.
    """

    def __init__(self, place: ConfigFile | ConfigInCluster, *, every: float = _EVERY) -> None:
        self._place = place
        self._every = every
        self._text = place.read()
        self.config = KatibConfig.read(self._text, source=place.name)
        self._start_part = self.config.controller
        self._told: set[str] = set()
        self._trouble = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._on_change: Callable[[], None] = lambda: None
        self._record: Callable[[dict[str, Any], str, str, str], None] = lambda *_: None

    def start(
        self, on_change: Callable[[], None], record: Callable[[dict[str, Any], str, str, str], None] = lambda *_: None
    ) -> None:
        """Follow it, in a thread of its own.

        Args:
            on_change: Called when it says something else.
            record: Takes an event: about what, reason, message, kind.
        """
        self._on_change, self._record = on_change, record
        self._tell_notes()
        self._thread = threading.Thread(target=self._follow, name="katib-config", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what it says stays as it is."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_TO_STOP)

    def look(self) -> bool:
        """Read it again; return whether it says something else."""
        try:
            text = self._place.read()
            if text == self._text:
                self._trouble = ""
                return False
            config = KatibConfig.read(text, source=self._place.name)
        except KatibError as error:
            self._tell_trouble(error)
            return False
        self._text, self._trouble = text, ""
        changed = config != self.config
        self.config = config
        self._tell_notes()
        if config.controller != self._start_part:
            self._warn("RestartNeeded", "init.controller differs from what the operator was started with")
        return changed

    def _follow(self) -> None:
        while not self._stop.wait(self._every):
            try:
                if self.look():
                    _LOGGER.info("%s has changed and is in force", self._place.name)
                    self._on_change()
            except Exception:
                _LOGGER.exception("looking at %s failed", self._place.name)

    def _tell_notes(self) -> None:
        new = [note for note in self.config.notes if note not in self._told]
        self._told.update(new)
        for note in new:
            _LOGGER.warning("%s: %s", self._place.name, note)
        if new and self._place.reference is not None:
            self._record(self._place.reference, "NoEffect", "; ".join(new), "Normal")

    def _tell_trouble(self, error: KatibError) -> None:
        said = str(error)
        if said != self._trouble:
            self._trouble = said
            reason = "InvalidKatibConfig" if isinstance(error, InvalidInput) else "UnreadableKatibConfig"
            self._warn(reason, f"the last good configuration stays in force: {said}")

    def _warn(self, reason: str, said: str) -> None:
        _LOGGER.warning("%s: %s", self._place.name, said)
        if self._place.reference is not None:
            self._record(self._place.reference, reason, said, "Warning")
