"""``katib logs``."""

from __future__ import annotations

import codecs
import itertools
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import TrialName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from katib.cli.settings import Settings

__all__ = ["command", "follow", "tail_start", "terminal_texts"]

_CHUNK = 1 << 16
_POLL_SECONDS = 0.1


def command(
    settings: Settings,
    name: TrialName,
    follow_it: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the trial ends.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", min=0, metavar="N", help="Only the last N lines.")] = None,
) -> None:
    """Print what a trial printed.

    Both streams in the order in which they came. To a terminal only colours are let through, no other control characters;
    a pipe or file gets every byte.
    """
    from katib.cli.lookup import find_trial
    from katib.cli.printing import note

    with settings.open_store() as store:
        experiment, record = find_trial(store, settings.namespace, name)
        uid = experiment.metadata.uid or ""
        path = settings.home.output(uid, record.name)

        def goes_on() -> bool:
            return store.trial(uid, record.name).state.is_active and settings.home.is_driven(uid)

        if not path.exists() and not (follow_it and goes_on()):
            why = "its result was given with the experiment" if record.imported else "it has not started"
            note(f"trial {record.name} has printed nothing: {why if record.started is None else 'its log is gone'}")
            return
        chunks = follow(path, tail, goes_on if follow_it else None)
        if sys.stdout.isatty():
            for text in terminal_texts(chunks, color=settings.color):
                sys.stdout.write(text)
                sys.stdout.flush()
        else:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()


def terminal_texts(chunks: Iterable[bytes], *, color: bool) -> Iterator[str]:
    """Yield a log's text as a terminal may have it; its colours end with it.

    Args:
        chunks: The log, cut anywhere.
        color: Whether colours are wanted.
    """
    from katib.cli.safe_text import COLOUR_END, split_colour, terminal_safe_log

    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    held = ""
    coloured = False
    for chunk in itertools.chain(chunks, [b""]):
        text = held + decoder.decode(chunk, final=not chunk)
        # A colour that is cut in two is not taken for something else.
        text, held = split_colour(text) if chunk else (text, "")
        safe = terminal_safe_log(text, color=color)
        coloured = coloured or "\x1b" in safe
        if safe:
            yield safe
    if coloured:
        yield COLOUR_END


def tail_start(path: Path, lines: int) -> int:
    """Return the offset at which the last ``lines`` lines of a file begin; reads only as much of its end as it needs."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        if lines == 0 or end == 0:
            return end
        file.seek(end - 1)
        wanted = lines + (file.read(1) == b"\n")  # the newline that ends the last line begins none
        position = end
        while position > 0:
            size = min(_CHUNK, position)
            position -= size
            file.seek(position)
            chunk = file.read(size)
            found = chunk.count(b"\n")
            if found >= wanted:
                place = len(chunk)
                for _ in range(wanted):
                    place = chunk.rindex(b"\n", 0, place)
                return position + place + 1
            wanted -= found
        return 0


def follow(path: Path, tail: int | None, goes_on: Callable[[], bool] | None) -> Iterator[bytes]:
    """Yield a file's content from its beginning or its last ``tail`` lines, and what is added while ``goes_on()``.

    Args:
        path: The file; with ``goes_on`` it may come later.
        tail: How many lines of what is there already; None means all.
        goes_on: Whether more may come; None means that what is there now is all that is wanted.
    """
    while goes_on is not None and not path.exists():
        if not goes_on():
            return
        time.sleep(_POLL_SECONDS)
    start = 0 if tail is None else tail_start(path, tail)
    with path.open("rb") as file:
        file.seek(start)
        while True:
            # Asked before reading: what was written before the end is read after it was seen.
            last = goes_on is None or not goes_on()
            while chunk := file.read(_CHUNK):
                yield chunk
            if last:
                return
            time.sleep(_POLL_SECONDS)
