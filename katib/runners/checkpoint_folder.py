"""The process that makes a trial's checkpoint folder in its pod, before the trainer begins: ``python -m katib.runners.checkpoint_folder``.

It has the folder of all trials of the experiment, which no trainer is shown, and copies what the trial's parent left there. Killed and
started again it finds the whole folder or makes it (``katib.runners.checkpoints``).
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from katib.errors import KatibError
from katib.runners.checkpoints import inherit

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_USAGE = "usage: python -m katib.runners.checkpoint_folder [--open] FOLDER TRIAL [PARENT]"


def main(words: Sequence[str]) -> int:
    """Make the folder, and return the exit code.

    Args:
        words: The folder of all trials, the trial's name and its parent's. ``--open`` before them lets every user write what was made:
            nobody knows who the trainer is.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    opened, places = words[:1] == ["--open"], [word for word in words if word != "--open"]
    if len(places) not in (2, 3):
        sys.stderr.write(f"{_USAGE}\n")
        return 2
    try:
        folder = inherit(Path(places[0]), places[1], places[2] if len(places) == 3 else None)  # noqa: PLR2004 - a folder, a trial, its parent
        if opened:
            _open(folder)
    except KatibError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _open(folder: Path) -> None:
    """Let everybody write what this user made; what is somebody else's is theirs to open."""
    for path, _, names in os.walk(folder):
        for each in (Path(path), *(Path(path, name) for name in names)):
            found = each.lstat()
            if found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode):
                each.chmod(stat.S_IMODE(found.st_mode) | (0o777 if stat.S_ISDIR(found.st_mode) else 0o666))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
