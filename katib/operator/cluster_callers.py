"""One API server, asked with the tokens of others: it decides what each of them may do, and this process has no say and no rights."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from katib.access.token_entries import digest_of
from katib.errors import Unsupported
from katib.operator.cluster_client import ClusterClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.operator.cluster_experiments import ClusterExperiments

__all__ = ["ClusterAddress", "ExperimentsOfCallers"]

_MOST_KEPT: Final = 512
"""Callers whose connections are kept."""
_CA: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
_WHOLE: Final = ("host", "ssl_ca_cert", "ca_cert_data", "verify_ssl", "tls_server_name", "assert_hostname")


class ClusterAddress:
    """Where an API server is and how it is known, without anybody's credentials.

    Args:
        configuration: A ``kubernetes.client.Configuration``; its credentials are left out.

    Raises:
        Unsupported: It is no ``https``, over which alone tokens are sent on.
    """

    def __init__(self, configuration: Any) -> None:
        self._known = {name: getattr(configuration, name) for name in _WHOLE if hasattr(configuration, name)}
        if not str(configuration.host).startswith("https://"):
            raise Unsupported(f"callers' tokens go over https only, and the API server is {configuration.host}")

    @classmethod
    def find(cls, *, kubeconfig: str | None = None, root_ca: Path | None = None) -> ClusterAddress:
        """Return the API server of the cluster around this process, or of a kubeconfig.

        Args:
            kubeconfig: A file; None for the cluster around this process, else what ``KUBECONFIG`` names.
            root_ca: Whose certificate the API server has; None for where pods have it. Only inside a cluster.

        Raises:
            Unsupported: There is none, or the extra ``kubernetes`` is not installed.
        """
        try:
            from kubernetes import client, config
        except ImportError as error:
            raise Unsupported("talking to Kubernetes needs: pip install 'katib[kubernetes]'") from error
        configuration = client.Configuration()
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        if kubeconfig is None and host and port:
            authority = root_ca or _CA
            if not authority.is_file():
                raise Unsupported(f"the API server's authority is not in {authority}: say --kubernetes-ca FILE")
            configuration.host = f"https://{f'[{host}]' if ':' in host else host}:{port}"
            configuration.ssl_ca_cert = str(authority)
            return cls(configuration)
        try:
            named = kubeconfig or os.environ.get("KUBECONFIG") or None
            config.load_kube_config(named, client_configuration=configuration, persist_config=False)
        except Exception as error:  # a kubeconfig is a user's file; whatever is wrong with it is told
            said = " ".join(str(error).split())
            raise Unsupported(
                f"no Kubernetes cluster to talk to: run inside one, or set KUBECONFIG ({said})"
            ) from error
        return cls(configuration)

    def client_of(self, token: str) -> ClusterClient:
        """Return a client that is whoever a token is of."""
        from kubernetes import client

        configuration = client.Configuration()
        for name, value in self._known.items():
            setattr(configuration, name, value)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        return ClusterClient.configured(configuration, user_agent="katib-api")


class ExperimentsOfCallers:
    """The experiments of a cluster as each caller may see them, by their tokens.

    The connections of a caller are kept for their next call; of those that have not called for longest they are closed.

    Args:
        make: Returns the experiments that whoever has a token may see.
    """

    def __init__(self, make: Callable[[str], ClusterExperiments]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, ClusterExperiments] = OrderedDict()

    def of(self, token: str) -> ClusterExperiments:
        """Return the experiments as a caller may see them; whether the token is any good, each call finds out."""
        digest = digest_of(token)
        with self._lock:
            found = self._known.get(digest)
            if found is None:
                found = self._known[digest] = self._make(token)
            self._known.move_to_end(digest)
            old = self._known.popitem(last=False)[1] if len(self._known) > _MOST_KEPT else None
        if old is not None:
            old.close()
        return found

    def close(self) -> None:
        """Close the connections of all callers."""
        with self._lock:
            known, self._known = self._known, OrderedDict()
        for each in known.values():
            each.close()
