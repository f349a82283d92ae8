"""One API server, asked with the tokens of others: it says who they are and decides what each may do. This process has no rights.

So nothing is read or changed for a caller that they could not read or change with ``kubectl`` and their token.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from katib.access.identity import Identity, Role, is_namespace
from katib.access.recent import Recent
from katib.access.token_entries import digest_of
from katib.errors import Denied, NotFound, StoreUnavailable, Unauthenticated, Unsupported
from katib.kube.connection import no_cluster
from katib.kube.errors import ServerAway
from katib.kube.resource import Resource
from katib.operator.cluster_client import ClusterClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.operator.cluster_experiments import ClusterExperiments

__all__ = ["CallersOfCluster", "ClusterAddress", "ExperimentsOfCallers", "KubernetesCaller"]

_MOST_KEPT: Final = 512
"""Callers whose connections are kept."""
_MOST_NAMES: Final = 4_096
_YES_HOLDS: Final = 60.0
_NO_HOLDS: Final = 10.0
_TO_ANSWER: Final = 10.0
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False)
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
        named = kubeconfig or os.environ.get("KUBECONFIG") or None
        try:
            config.load_kube_config(named, client_configuration=configuration, persist_config=False)
        except Exception as error:  # a kubeconfig is a user's file; whatever is wrong with it is told
            raise no_cluster(named, error) from error
        return cls(configuration)

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self._known["host"])

    def client_of(self, token: str) -> ClusterClient:
        """Return a client that is whoever a token is of."""
        from kubernetes import client

        configuration = client.Configuration()
        for name, value in self._known.items():
            setattr(configuration, name, value)
        configuration.api_key = {"authorization": f"Bearer {token}"}
        return ClusterClient.configured(configuration, user_agent="katib-api")


class KubernetesCaller(Identity):
    """Somebody whom the API server knows, and whose rights it holds against each request that is made with their token."""

    def may(self, namespace: str, role: Role) -> bool:  # noqa: ARG002
        """Return True: whether they may is found out by asking for it."""
        return True

    def namespaces(self) -> frozenset[str] | None:
        """Return None: Kubernetes lists no rights."""
        return None

    @property
    def default_namespace(self) -> str | None:
        """A service account's own namespace; a person has none."""
        if not self.name.startswith(_SERVICE_ACCOUNT):
            return None
        namespace = self.name.removeprefix(_SERVICE_ACCOUNT).partition(":")[0]
        return namespace if is_namespace(namespace) else None


class CallersOfCluster:
    """Asks the API server whose a token is, with that token; implements ``katib.access.Authenticator``.

    Args:
        client_of: Returns a client that is whoever a token is of.
    """

    asks_others = True

    def __init__(self, client_of: Callable[[str], ClusterClient]) -> None:
        self._client_of = client_of
        # Apart, so that a flood of made-up tokens does not push out the good ones.
        self._known: Recent[str] = Recent(_YES_HOLDS, _MOST_NAMES)
        self._unknown: Recent[str] = Recent(_NO_HOLDS, _MOST_NAMES)

    def identity(self, token: str | None) -> KubernetesCaller:
        """Return whose token this is.

        Raises:
            Unauthenticated: There is no token, or the API server does not know it.
            StoreUnavailable: The API server does not answer.
        """
        if token is None:
            raise Unauthenticated("a token is needed: send it as 'Authorization: Bearer TOKEN'")
        digest = digest_of(token)
        name = self._known.get(digest)
        if name is None:
            refused = self._unknown.get(digest)
            if refused is not None:
                raise Unauthenticated(refused)
            try:
                name = self._asked(token) or f"token {digest.hex()[:16]}"
            except Unauthenticated as error:
                self._unknown.put(digest, str(error))
                raise
            self._known.put(digest, name)
        return KubernetesCaller(name, {})

    def _asked(self, token: str) -> str:
        """Return a name; empty where the API server knows the token, and has no way to tell whose it is."""
        body = {"apiVersion": _REVIEWS.api_version, "kind": _REVIEWS.kind}
        client = self._client_of(token)
        try:
            answer = client.request("POST", _REVIEWS.path(), body=body, timeout=_TO_ANSWER)
        except (NotFound, Denied):  # before Kubernetes 1.28, or where somebody took the right away
            # Every account may ask what is served; what it asks for later is judged then.
            client.request("GET", "/api", timeout=_TO_ANSWER)
            return ""
        except ServerAway as error:
            raise StoreUnavailable(f"who calls cannot be found out: {error}") from error
        finally:
            client.close()
        user = (answer.get("status") or {}).get("userInfo") or {}
        return str(user.get("username") or "")


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

    def __call__(self, token: str | None) -> ClusterExperiments:
        """Return the experiments as a caller may see them; for the same token the same object. Asks nobody.

        Raises:
            Unauthenticated: There is no token.
        """
        if token is None:
            raise Unauthenticated("a token is needed: send it as 'Authorization: Bearer TOKEN'")
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
