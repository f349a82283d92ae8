"""Which place a client talks to: this process, a server over gRPC, or a cluster; and how it is opened.

What is said wins; what is not said is taken from the surroundings, in the order of ``chosen``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, Problem, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from katib.experiments.protocol import Experiments

__all__ = ["BackEnd", "Place", "default_namespace"]

BackEnd = Literal["local", "grpc", "kubernetes"]
_KINDS: Final = ("local", "grpc", "kubernetes")
_POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SERVER: Final = "KATIB_SERVER"
_PATIENCE: Final = 60.0
_ONLY: Final = {
    "address": "grpc",
    "patience": "grpc",
    "home": "local",
    "runtime": "local",
    "config_file": "kubernetes",
    "context": "kubernetes",
    "client_configuration": "kubernetes",
    "store_address": "kubernetes",
}
"""Arguments that are of one back end alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a client was told about where experiments are; the fields are arguments of ``KatibClient``."""

    backend: str | None = None
    config_file: str | None = None
    context: str | None = None
    client_configuration: Any = None
    address: str | None = None
    token: str | None = None
    token_file: str | Path | None = None
    root_ca: str | Path | None = None
    home: str | Path | None = None
    runtime: str | None = None
    store_address: str | None = None
    patience: float | None = None

    def chosen(self) -> BackEnd:
        """Return the back end that is meant.

        Raises:
            InvalidInput: There is none of the name, or two are meant at once.
        """
        given = {name: kind for name, kind in _ONLY.items() if getattr(self, name) is not None}
        if self.backend is not None:
            if self.backend not in _KINDS:
                hint = did_you_mean(str(self.backend), _KINDS)
                raise InvalidInput([Problem("backend", f"must be one of {', '.join(_KINDS)}", self.backend, hint)])
            kinds = {self.backend}
        else:
            kinds = set(given.values())
        strange = [name for name, kind in given.items() if kinds != {kind}]
        if strange:
            meant = (
                f"backend {self.backend!r}"
                if self.backend
                else " and ".join(f"backend {kind!r}" for kind in sorted(kinds))
            )
            raise InvalidInput(
                [Problem(strange[0], f"is for backend {given[strange[0]]!r}, and here are arguments for {meant}")]
            )
        if kinds:
            return cast("BackEnd", kinds.pop())
        if os.environ.get(_SERVER):
            return "grpc"
        return "kubernetes" if os.environ.get("KUBECONFIG") or _POD.is_dir() else "local"

    def opened(self, kind: BackEnd, stack: ExitStack) -> Experiments:
        """Return the experiments there.

        Args:
            kind: As chosen.
            stack: Closes what was opened.

        Raises:
            InvalidInput: An argument says nothing that can be used.
            StoreUnavailable: The local store cannot be opened.
            Unsupported: What this back end needs is not installed.
        """
        return _OPEN[kind](self, stack)


def _open_local(place: Place, stack: ExitStack) -> Experiments:
    from katib.local.experiments import LocalExperiments
    from katib.local.home import Home
    from katib.store import open_store

    home = Home.find(None if place.home is None else str(place.home))
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = stack.enter_context(open_store(home.store_path))
    return stack.enter_context(LocalExperiments(home, store, runtime=place.runtime or "process"))


def _open_grpc(place: Place, stack: ExitStack) -> Experiments:
    from katib.rpc.experiments_client import RemoteExperiments

    address = place.address or os.environ.get(_SERVER)
    if not address:
        raise InvalidInput(
            [Problem("address", f"is needed for backend 'grpc': give address='HOST:PORT', or set {_SERVER}")]
        )
    token_file = place.token_file or os.environ.get("KATIB_TOKEN_FILE") or None
    root_ca = place.root_ca or os.environ.get("KATIB_ROOT_CA") or None
    token = place.token if place.token is not None else ("" if token_file else os.environ.get("KATIB_TOKEN", ""))
    remote = RemoteExperiments(
        address,
        token=token,
        token_file=None if token_file is None else Path(token_file),
        root_ca=None if root_ca is None else Path(root_ca),
        patience=_PATIENCE if place.patience is None else place.patience,
    )
    return stack.enter_context(remote)


def _open_kubernetes(place: Place, stack: ExitStack) -> Experiments:
    try:
        import kubernetes  # noqa: F401 - whether it is there
    except ImportError as error:
        message = "backend 'kubernetes' needs the package kubernetes: pip install 'katib[kubernetes]'"
        raise Unsupported(message) from error
    from katib.operator.cluster_experiments import ClusterExperiments

    cluster = ClusterExperiments.connect(
        config_file=place.config_file,
        context=place.context,
        client_configuration=place.client_configuration,
        store_address=place.store_address,
    )
    return stack.enter_context(cluster)


_OPEN: Final[dict[BackEnd, Callable[[Place, ExitStack], Experiments]]] = {
    "local": _open_local,
    "grpc": _open_grpc,
    "kubernetes": _open_kubernetes,
}


def default_namespace(place: Place, backend: BackEnd) -> str:
    """Return the namespace where none is named: the pod's, on a cluster the one of the kubeconfig's context, or ``default``."""
    try:
        return (_POD / "namespace").read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return (_namespace_of_context(place) if backend == "kubernetes" else None) or "default"


def _namespace_of_context(place: Place) -> str | None:
    """Return what ``kubectl`` would take; None where the kubeconfig says nothing, or cannot be read, which connecting tells better."""
    from kubernetes import config

    try:
        contexts, current = config.list_kube_config_contexts(place.config_file)
    except config.ConfigException:
        return None
    chosen = current if place.context is None else next((one for one in contexts if one["name"] == place.context), None)
    namespace: str | None = (chosen or {}).get("context", {}).get("namespace")
    return namespace
