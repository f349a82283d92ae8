"""Watches of experiments: what many watch is looked for once, encoded once, and sent to each as fast as they take it.

One hub looks for what changes in a namespace, or in one experiment, for as long as anybody watches it. It keeps the latest message of
each thing, and each watcher a number: how far it has come. So a slow watcher costs no memory, holds nobody up, and gets the latest
state of each thing instead of every one.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.errors import KatibError, NotFound, Overloaded, Retry
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_messages import experiment_message, is_over, kinds_of, trial_message
from katib.rpc.tracking_changes import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from katib.experiments.protocol import Changes, Experiments

__all__ = ["Watched", "Watches"]

_LOGGER: Final = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 0.25
_PATIENCE: Final = 10.0
"""Seconds for which what cannot be looked at now is looked at again before watchers are told."""
_RECOGNISE_SECONDS: Final = 15.0
_SLACK: Final = 64
_MOST_GONE: Final = 1_000
"""Of things that have gone so many are kept for those who have not read of it yet."""
_SYNCED: Final = wire.WatchExperimentsResponse(synced=wire.Synced()).SerializeToString()


@dataclass(frozen=True, slots=True)
class Watched:
    """What somebody watches.

    Attributes:
        experiments: Where.
        namespace: Of the experiments.
        name: Of the only one; empty for all.
        trials: Whether also its trials.
    """

    experiments: Experiments
    namespace: str
    name: str = ""
    trials: bool = False

    @property
    def key(self) -> tuple[int, str, str, bool]:
        """What is the same for all who watch the same."""
        return id(self.experiments), self.namespace, self.name, self.trials


@dataclass(slots=True)
class _Thing:
    number: int
    message: bytes
    gone: bool = False


@dataclass(slots=True, eq=False)
class _Watcher:
    """How far somebody has come.

    Attributes:
        seen: The number of the last thing that was sent.
        joined: The number of the last thing that was there before.
    """

    seen: int
    joined: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Look:
    """What one look has found, encoded."""

    cursor: str
    changed: list[tuple[tuple[str, ...], bytes]]
    deleted: list[tuple[tuple[str, ...], bytes]]
    over: bool | None


class _Hub:
    def __init__(self, watched: Watched, threads: ThreadPoolExecutor) -> None:
        self._watched = watched
        self._threads = threads
        self._cursor = ""
        self._kinds: dict[str, str] = {}
        self._number = 0
        self._things: dict[tuple[str, ...], _Thing] = {}
        self._order: list[tuple[int, tuple[str, ...]]] = []
        self._room = _SLACK
        self._forgotten = 0
        self.watchers: set[_Watcher] = set()
        self.synced = False
        self.gone = False
        self.over = False
        self.settled = False
        self.fault: KatibError | None = None
        self._task = asyncio.create_task(self._run())

    def close(self) -> None:
        self._task.cancel()

    @contextlib.contextmanager
    def watcher(self) -> Iterator[_Watcher]:
        watcher = _Watcher(0, self._number)
        self.watchers.add(watcher)
        try:
            yield watcher
        finally:
            self.watchers.discard(watcher)

    def following(self, watcher: _Watcher) -> bytes | None:
        """Return the next message for somebody, None where there is none now.

        Raises:
            Overloaded: They have missed too much.
        """
        if max(watcher.seen, watcher.joined) < self._forgotten:
            raise Overloaded("too much has come and gone since the last message was read: take the watch up again")
        place = bisect.bisect_right(self._order, watcher.seen, key=lambda entry: entry[0])
        while place < len(self._order):
            number, key = self._order[place]
            watcher.seen = number
            thing = self._things.get(key)
            if thing is not None and thing.number == number and not (thing.gone and number <= watcher.joined):
                return thing.message
            place += 1
        return None

    def end(self, fault: KatibError) -> None:
        """Tell those who watch that there is no more."""
        self.fault = fault
        self._wake()

    def _wake(self) -> None:
        for watcher in self.watchers:
            watcher.woken.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failing: float | None = None
        while True:
            pause = _LOOK_SECONDS
            was_over = self.over
            try:
                self._apply(await loop.run_in_executor(self._threads, self._look))
                # In the look after the one that saw the end is everything that belongs to it.
                self.settled = was_over and self.over
                failing = None
            except NotFound as error:
                self._vanish(error)
                return
            except KatibError as error:
                failing = failing or loop.time()
                if error.retry is not Retry.LATER or loop.time() - failing >= _PATIENCE:
                    self.end(error)
                    return
                pause = 4 * _LOOK_SECONDS
            except Exception as error:
                _LOGGER.exception("a watch cannot go on: a fault in the server")
                self.end(KatibError(f"the server failed: {type(error).__name__}: {error}"))
                return
            if self.gone:
                return
            await asyncio.sleep(pause)

    def _look(self) -> _Look:
        """Look once; in a thread."""
        watched = self._watched
        changes: Changes = watched.experiments.changes(watched.namespace, watched.name or None, self._cursor)
        changed: list[tuple[tuple[str, ...], bytes]] = []
        over: bool | None = None
        for experiment in changes.experiments:
            metadata = experiment.metadata
            if watched.name and metadata.name != watched.name:
                continue
            if watched.name:
                self._kinds, over = kinds_of(experiment), is_over(experiment)
            message = wire.WatchExperimentsResponse(experiment=experiment_message(experiment))
            changed.append((_key(metadata.name, metadata.uid), message.SerializeToString()))
        if watched.trials:
            for record in changes.trials:
                message = wire.WatchExperimentsResponse(trial=trial_message(watched.name, record, self._kinds))
                changed.append((("trial", record.name), message.SerializeToString()))
        deleted = [
            (
                _key(name, uid),
                wire.WatchExperimentsResponse(
                    deleted=wire.ExperimentKey(namespace=namespace, name=name, uid=uid)
                ).SerializeToString(),
            )
            for namespace, name, uid in changes.deleted
            if not watched.name or name == watched.name
        ]
        return _Look(changes.cursor, changed, deleted, over)

    def _apply(self, look: _Look) -> None:
        self._cursor = look.cursor
        gone = False
        for key, message in look.deleted:
            if key in self._things:
                self._put(key, message, gone=True)
                gone = True
        if gone and self._watched.name:
            # What has its name now is another one.
            self.gone = True
        else:
            for key, message in look.changed:
                known = self._things.get(key)
                if known is None or known.message != message:
                    self._put(key, message)
        if look.over is not None:
            self.over = look.over
        news = look.changed or gone or not self.synced
        self.synced = True
        self._tidy()
        if news or self.over:
            self._wake()

    def _vanish(self, error: NotFound) -> None:
        """End the watch of one experiment that is not there: OK where it has been."""
        known = [key for key, thing in self._things.items() if key[0] == "experiment" and not thing.gone]
        if not known:
            self.end(error)
            return
        for key in known:
            message = wire.WatchExperimentsResponse(
                deleted=wire.ExperimentKey(namespace=self._watched.namespace, name=key[1], uid=key[2])
            )
            self._put(key, message.SerializeToString(), gone=True)
        self.gone = True
        self._wake()

    def _put(self, key: tuple[str, ...], message: bytes, *, gone: bool = False) -> None:
        self._number += 1
        self._things[key] = _Thing(self._number, message, gone)
        self._order.append((self._number, key))

    def _tidy(self) -> None:
        """Forget what nobody needs any more, and of what has gone all but the latest."""
        if len(self._order) <= self._room:
            return
        least = min((watcher.seen for watcher in self.watchers), default=self._number)
        gone = sorted(thing.number for thing in self._things.values() if thing.gone and thing.number > least)
        if len(gone) > _MOST_GONE:
            least = self._forgotten = gone[-_MOST_GONE - 1]
        self._things = {key: thing for key, thing in self._things.items() if not thing.gone or thing.number > least}
        self._order = sorted((thing.number, key) for key, thing in self._things.items())
        self._room = 2 * len(self._order) + _SLACK


def _key(name: str, uid: str | None) -> tuple[str, ...]:
    return "experiment", name, uid or ""


class Watches:
    """All who watch.

    Args:
        most: Of them.
        most_hubs: Of what they watch.
    """

    def __init__(self, most: int = 10_000, most_hubs: int = 1_000) -> None:
        self._most = most
        self._most_hubs = most_hubs
        self._watching = 0
        self._hubs: dict[tuple[Any, ...], _Hub] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="watch")
        self._closed = False

    def close(self) -> None:
        """End those who watch; their callers are told to go on elsewhere."""
        self._closed = True
        for hub in self._hubs.values():
            hub.end(stopping())
            hub.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def follow(
        self,
        watched: Watched,
        send: Callable[[bytes], Awaitable[None]],
        *,
        until_over: bool,
        recognise: Callable[[], Awaitable[Any]],
    ) -> None:
        """Send what there is, and then what changes, until what is watched is gone, or over.

        Args:
            watched: What is watched.
            send: Sends one message; returns when there is room for the next.
            until_over: Whether it ends with the experiment.
            recognise: Asks anew whether the caller may watch.

        Raises:
            NotFound: There is no such experiment.
            Overloaded: Too many watch.
            StoreUnavailable: The server stops.
        """
        if self._closed:
            raise stopping()
        if self._watching >= self._most:
            raise Overloaded(f"{self._most:,} calls watch, which is all this server takes; ask again")
        hub = self._hub(watched)
        self._watching += 1
        try:
            with hub.watcher() as watcher:
                await _follow(hub, watcher, send, until_over=until_over, recognise=recognise)
        finally:
            self._watching -= 1
            if not hub.watchers:
                hub.close()
                if self._hubs.get(watched.key) is hub:
                    del self._hubs[watched.key]

    def _hub(self, watched: Watched) -> _Hub:
        hub = self._hubs.get(watched.key)
        # One that has ended is only there for those who are still being told.
        if hub is None or hub.fault is not None or hub.gone:
            if len(self._hubs) >= self._most_hubs:
                raise Overloaded(f"{self._most_hubs:,} things are watched, which is all this server takes; ask again")
            hub = self._hubs[watched.key] = _Hub(watched, self._threads)
        return hub


async def _follow(
    hub: _Hub,
    watcher: _Watcher,
    send: Callable[[bytes], Awaitable[None]],
    *,
    until_over: bool,
    recognise: Callable[[], Awaitable[Any]],
) -> None:
    loop = asyncio.get_running_loop()
    told, recognised = False, loop.time()
    while True:
        watcher.woken.clear()
        while (message := hub.following(watcher)) is not None:
            await send(message)
        if hub.fault is not None:
            raise hub.fault
        if hub.synced and not told:
            told = True
            await send(_SYNCED)
        if hub.gone or (until_over and hub.settled):
            # What came while the last one was sent.
            while (message := hub.following(watcher)) is not None:
                await send(message)
            return
        # Not ``wait_for``, which may lose that the caller has gone.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RECOGNISE_SECONDS):
                await watcher.woken.wait()
        if loop.time() - recognised >= _RECOGNISE_SECONDS:
            # A token that is good no longer ends the watch.
            await recognise()
            recognised = loop.time()
