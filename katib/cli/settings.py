"""What every command is told: where things are kept, which namespace, how much to say and whether in colour."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.local.home import Home
    from katib.store.full_store import FullStore

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The options every command has; None means that the user did not say.

    Attributes:
        home_path: ``--home``; else ``KATIB_HOME``, else the user's data folder.
        stated_namespace: ``--namespace``; else ``KATIB_NAMESPACE``, else ``default``.
        no_color: ``--no-color``; a terminal that wants none says so with ``NO_COLOR``.
        verbose: ``-v``: say more.
    """

    home_path: str | None = None
    stated_namespace: str | None = None
    no_color: bool = False
    verbose: bool = False

    def merged(
        self, *, home: str | None = None, namespace: str | None = None, no_color: bool = False, verbose: bool = False
    ) -> Settings:
        """Return these settings with what was said later, nearer to the command."""
        return replace(
            self,
            home_path=home if home is not None else self.home_path,
            stated_namespace=namespace if namespace is not None else self.stated_namespace,
            no_color=no_color or self.no_color,
            verbose=verbose or self.verbose,
        )

    @property
    def home(self) -> Home:
        """The folder of local mode."""
        from katib.local.home import Home

        return Home.find(self.home_path)

    @property
    def namespace(self) -> str:
        """The namespace that is meant."""
        return self.chosen_namespace or "default"

    @property
    def chosen_namespace(self) -> str | None:
        """The namespace the user chose, which then counts more than the one in a file; None when there is no choice."""
        return self.stated_namespace or os.environ.get("KATIB_NAMESPACE") or None

    @property
    def color(self) -> bool:
        """Whether standard output may be coloured."""
        return (
            not self.no_color
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
            and sys.stdout.isatty()
        )

    @contextlib.contextmanager
    def open_store(self) -> Iterator[FullStore]:
        """Open the store of the home; the folder is made when it is not there.

        Raises:
            StoreUnavailable: It cannot be made or opened.
        """
        from katib.errors import StoreUnavailable
        from katib.store import open_store

        path = self.home.store_path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            why = "it is a file, not a folder" if isinstance(error, FileExistsError) else error.strerror
            raise StoreUnavailable(f"cannot use {path.parent}: {why}") from error
        with open_store(path) as store:
            yield store
