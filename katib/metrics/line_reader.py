"""Takes a growing file apart into lines, at the speed of memory where lines say nothing, and in constant memory whatever they are.

A line ends with a newline, or with a carriage return, as progress bars write. Of a line longer than ``MAX_LINE`` nothing is used.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from katib.metrics.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from katib.metrics.line_parser import LineParser
    from katib.metrics.sample import Sample

__all__ = ["MAX_LINE", "LineReader"]

MAX_LINE: Final = 64 << 10
_CHUNK: Final = 1 << 20
_SHOWN_LINES: Final = 3
_SHOWN_BYTES: Final = 1_024


class LineReader:
    """Samples of one file.

    Attributes:
        lines: Lines seen.
        oversized: Lines that were too long to be used.
    """

    def __init__(self, path: Path, parser: LineParser) -> None:
        self._tail = Tail(path)
        self._parser = parser
        self._pending = b""
        self._skipping = False
        self._last: deque[str] = deque(maxlen=_SHOWN_LINES)
        self.lines = 0
        self.oversized = 0

    def read(self, limit: int) -> tuple[list[Sample], bool]:
        """Return the samples in up to ``limit`` new bytes, and whether there may be more to read at once."""
        samples: list[Sample] = []
        left = limit
        while left > 0:
            data = self._tail.read(min(_CHUNK, left))
            if self._tail.restarted:
                self._pending, self._skipping = b"", False
            if not data:
                return samples, False
            left -= len(data)
            samples += self._take(data)
        return samples, True

    def finish(self) -> list[Sample]:
        """Return the samples of a last line without an end; nothing more will come."""
        line, self._pending = self._pending, b""
        if self._skipping or not line:
            return []
        return list(self._block(line))

    def _take(self, data: bytes) -> Iterator[Sample]:
        if b"\r" in data:
            # The end of a line either way; an empty line between \r and \n says nothing.
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = data.rfind(b"\n")
        if self._skipping:
            start = data.find(b"\n")
            if start < 0:
                return
            data, end, self._skipping = data[start + 1 :], end - start - 1, False
        if end < 0:
            self._pending += data
        else:
            block = self._pending + data[:end] if self._pending else data[:end]
            self._pending = data[end + 1 :]
            yield from self._block(block)
        if len(self._pending) > MAX_LINE:
            self._note_oversized()

    def _note_oversized(self) -> None:
        self.lines += 1
        self.oversized += 1
        self._last.append(f"(a line longer than {MAX_LINE} bytes)")
        self._pending, self._skipping = b"", True

    def _block(self, block: bytes) -> Iterator[Sample]:
        """Yield the samples of whole lines; only lines with a metric's name in them are looked at."""
        self.lines += block.count(b"\n") + 1
        self._remember(block)
        # Where each needle comes next; one that does not come again is not looked for again.
        places = {needle: place for needle in self._parser.needles if (place := block.find(needle)) >= 0}
        while places:
            first = min(places.values())
            start = block.rfind(b"\n", 0, first) + 1
            end = block.find(b"\n", first)
            end = len(block) if end < 0 else end
            if end - start > MAX_LINE:
                self.oversized += 1
            else:
                yield from self._parser.parse(block[start:end].decode("utf-8", "replace"))
            for needle in [needle for needle, place in places.items() if place < end]:
                place = block.find(needle, end)
                if place < 0:
                    del places[needle]
                else:
                    places[needle] = place

    def _remember(self, block: bytes) -> None:
        tail = block[-_SHOWN_BYTES * _SHOWN_LINES :].decode("utf-8", "replace").split("\n")
        shown = [line.strip() for line in tail if line.strip()]
        self._last.extend(line[:_SHOWN_BYTES] for line in shown[-_SHOWN_LINES:])

    def last_lines(self) -> list[str]:
        """Return the last few lines seen that were not empty."""
        return list(self._last)

    def checkpoint(self) -> dict[str, Any]:
        """Return where it stands: before a line that has no end yet."""
        place = self._tail.checkpoint()
        return {
            **place,
            "offset": place["offset"] - len(self._pending),
            "skipping": self._skipping,
            "lines": self.lines,
        }

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on where a checkpoint was."""
        self._tail.restore(checkpoint)
        self._pending = b""
        self._skipping = bool(checkpoint.get("skipping"))
        self.lines = int(checkpoint.get("lines", 0))
