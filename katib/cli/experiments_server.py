"""Puts the server together that ``katib up`` runs: the experiments of this machine, the suggestion services and the store, as one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from katib.cli.store_http import server_of
from katib.local.experiments import LocalExperiments
from katib.rest.experiments.api import ExperimentsApi
from katib.rpc.experiments_part import ExperimentsPart
from katib.rpc.suggestion_server import ServerOptions, SuggestionPart
from katib.rpc.worker_pool import PoolLimits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from katib.access import Authenticator
    from katib.cli.store_http import StoreHttpOptions
    from katib.local.home import Home
    from katib.rest.operations import Api
    from katib.rpc.server_part import ServerPart
    from katib.rpc.store_server import StoreServerOptions
    from katib.store.full_store import FullStore

__all__ = ["ExperimentsOfThisMachine"]

_FEWEST_WORKERS: Final = 2
_LONGEST_FIT: Final = 600.0


class ExperimentsOfThisMachine:
    """Experiments that run here, and the server that answers for them; open, they go on with what an earlier one left (``with``).

    Args:
        made: How gRPC is run.
        options: Who may call, where files are, and how HTTP is served.
        store: Open for as long as this is.
        home: Where trials put their files.
        runtime: What runs them.

    Attributes:
        server: Runs while it is entered.
    """

    def __init__(
        self, made: StoreServerOptions, options: StoreHttpOptions, store: FullStore, home: Home, runtime: str
    ) -> None:
        self._experiments = LocalExperiments(home, store, runtime=runtime, tracking_uri=_tracking_uri(made, options))
        self._made = made
        self.server = server_of(made, options, store, self._more)

    def _more(self, authenticator: Authenticator) -> tuple[Sequence[ServerPart], Sequence[Api]]:
        part = ExperimentsPart(self._experiments, authenticator=authenticator, longest_call=self._made.longest_call)
        workers = max(len(os.sched_getaffinity(0)), _FEWEST_WORKERS)
        suggestions = SuggestionPart(ServerOptions(limits=PoolLimits(workers=workers), longest_call=_LONGEST_FIT))
        return [part, suggestions], [ExperimentsApi(lambda: part.service)]

    def __enter__(self) -> Self:
        # ``python`` in a trial's command is the one that has what the server has, whoever started it and how.
        own = str(Path(sys.executable).parent)
        path = os.environ.get("PATH", os.defpath)
        if own not in path.split(os.pathsep):
            os.environ["PATH"] = f"{own}{os.pathsep}{path}"
        self._experiments.recover()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._experiments.close()


def _tracking_uri(made: StoreServerOptions, options: StoreHttpOptions) -> str | None:
    """Return where MLflow's client in a trial finds the store; None where it would need a token, a certificate, or the port that is found."""
    address = next(iter(options.addresses), "")
    open_to_trials = made.listening.tls is None and options.token_file is None
    return f"http://{address}" if address and open_to_trials and not address.endswith(":0") else None
