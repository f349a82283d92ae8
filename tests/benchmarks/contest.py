"""Plays searches on the public functions, eight trials at a time, and keeps how near to the optimum each came.

A module of its own so that worker processes can import it. A search depends on function, rival and seed only, so results are kept in
a file where one is named, and an interrupted contest goes on where it was.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mixed_space
from functions import FUNCTIONS
from rivals import rival

from katib.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from functions import Function

    from katib.space.point import Point

__all__ = ["BUDGETS", "Game", "Played", "play", "play_all"]

BUDGETS: Final = (25, 50, 100)
IN_FLIGHT: Final = 8
PROCESSES: Final = 2


@dataclass(frozen=True, slots=True)
class Game:
    """One search: who, on what, with which seed."""

    rival: str
    function: str
    seed: int


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it.

    Attributes:
        regrets: After each of ``BUDGETS`` ended trials: how much worse than the optimum the best observed point really is.
        failed: Trials that failed.
        repeated: Trials at a point that had been tried before.
        seconds: Processor time of the rival, all calls together.
    """

    regrets: tuple[float, ...]
    failed: int
    repeated: int
    seconds: float


class _Best:
    """The best observed point, and the noise-free value of it; until a trial succeeds, the worst there is in a sample."""

    def __init__(self, function: Function, first: float) -> None:
        self._function = function
        self._observed = float("inf")
        self.true = first

    def take(self, point: Point, observed: float) -> None:
        if observed < self._observed:
            self._observed, self.true = observed, self._function.true(point)


def play(game: Game) -> Played:
    """Run one search: always eight trials run, the oldest ends, and its place is filled at once."""
    function = next(each for each in FUNCTIONS if each.name == game.function)
    chance = random.Random(f"{game.function}/{game.seed}")
    seconds = -time.process_time()
    search = rival(game.rival, function.parameters, game.seed)
    running: deque[tuple[int, Point]] = deque(enumerate(search.ask(IN_FLIGHT)))
    seconds += time.process_time()
    asked, failed, best = len(running), 0, _Best(function, _worst(function))
    seen, regrets = {point for _, point in running}, []
    repeated = asked - len(seen)
    for ended in range(1, max(BUDGETS) + 1):
        place, point = running.popleft()
        value = function.observed(point, chance)
        if value is None:
            failed += 1
        else:
            best.take(point, value)
        if ended in BUDGETS:
            regrets.append(max(best.true - function.optimum, 0.0))
        seconds -= time.process_time()
        search.tell(place, value)
        for new in search.ask(1):
            running.append((asked, new))
            asked += 1
            repeated += new in seen
            seen.add(new)
        seconds += time.process_time()
    return Played(tuple(regrets), failed, repeated, seconds)


def _worst(function: Function) -> float:
    space = Space.from_spec(mixed_space.experiment_spec("random", parameters=function.parameters).spec)
    rng = random.Random(0)
    return max(function.true(space.sample(rng)) for _ in range(100))


def play_all(games: Sequence[Game]) -> dict[Game, Played]:
    """Play on all of the machine's two cores; ``KATIB_BENCH_RESULTS`` names a file to keep results in and to go on from."""
    store = os.environ.get("KATIB_BENCH_RESULTS")
    results = dict(_read(Path(store))) if store and Path(store).exists() else {}
    waiting = [game for game in games if game not in results]
    # One thread of linear algebra for each process: they share the cores already.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    processes = int(os.environ.get("KATIB_BENCH_PROCESSES", PROCESSES))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for game, played in zip(waiting, pool.map(play, waiting, chunksize=4), strict=True):
            results[game] = played
            if store:
                with Path(store).open("a", encoding="utf-8") as kept:
                    print(_line(game, played), file=kept)
    return {game: results[game] for game in games}


def _line(game: Game, played: Played) -> str:
    return json.dumps(
        [game.rival, game.function, game.seed, played.regrets, played.failed, played.repeated, played.seconds]
    )


def _read(store: Path) -> Iterable[tuple[Game, Played]]:
    for line in store.read_text(encoding="utf-8").splitlines():
        try:
            who, function, seed, regrets, failed, repeated, seconds = json.loads(line)
        except ValueError:
            continue  # the last line of an interrupted run may be half a line
        yield Game(who, function, seed), Played(tuple(regrets), failed, repeated, seconds)
