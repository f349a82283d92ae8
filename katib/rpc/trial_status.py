"""Marks a trial as stopped early, as Katib's collectors ask for after they stopped it: in the Trial's status on the cluster."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from katib.api.base import API_VERSION, Condition
from katib.engine.conditions import with_condition
from katib.errors import Conflict, Denied, InvalidInput, NotFound, Problem, StoreUnavailable, Unsupported

__all__ = ["ClusterTrials", "NoTrials", "TrialStatusWriter", "cluster_trials"]

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_ATTEMPTS: Final = 5
_FORBIDDEN: Final = (401, 403)
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


class TrialStatusWriter(Protocol):
    """Where trials are."""

    async def mark_early_stopped(self, name: str, seconds: float) -> None:
        """Note that a trial was stopped early; again, it changes nothing."""


class NoTrials:
    """For a server beside no cluster: whoever runs the trials notes it themselves."""

    async def mark_early_stopped(self, name: str, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        """Refuse.

        Raises:
            Unsupported: Always.
        """
        raise Unsupported(
            f"trial {name!r} cannot be marked as stopped: this server runs outside a cluster and was given no kubeconfig"
        )


class ClusterTrials:
    """Trials of one namespace, through the Kubernetes API.

    Args:
        api: A ``kubernetes.client.CustomObjectsApi``.
        namespace: Where the trials are.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def mark_early_stopped(self, name: str, seconds: float) -> None:
        """Give a Trial the condition ``EarlyStopped``.

        Raises:
            InvalidInput: No trial was named.
            NotFound: There is no such trial.
            Denied: This server may not do that.
            StoreUnavailable: The API server does not answer.
            Conflict: Others change the trial all the time.
        """
        if not name:
            raise InvalidInput([Problem("trial_name", "is required")])
        await asyncio.to_thread(self._mark, name, seconds)

    def _mark(self, name: str, seconds: float) -> None:
        import urllib3
        from kubernetes.client.exceptions import ApiException

        for _ in range(_ATTEMPTS):
            try:
                self._try(name, seconds)
            except ApiException as error:
                if error.status == _CONFLICT:
                    continue
                raise _translated(error, name, self._namespace) from error
            except urllib3.exceptions.HTTPError as error:
                raise StoreUnavailable(f"the Kubernetes API does not answer: {error}") from error
            else:
                return
        raise Conflict(f"trial {name!r} was changed by others {_ATTEMPTS} times in a row")

    def _try(self, name: str, seconds: float) -> None:
        place = {"group": "kubeflow.org", "version": API_VERSION.rpartition("/")[2], "plural": "trials"}
        # A pair: older clients ignore a single number that is not whole.
        more = {"namespace": self._namespace, "name": name, "_request_timeout": (seconds, seconds)}
        trial = self._api.get_namespaced_custom_object(**place, **more)
        before = [Condition.model_validate(item) for item in trial.get("status", {}).get("conditions", [])]
        now = datetime.now(UTC)
        after = with_condition(before, "EarlyStopped", "TrialEarlyStopped", "Trial is early stopped", now)
        if after == before:
            return
        body = {
            # With the version that was read: a change by somebody else in between is not overwritten.
            "metadata": {"resourceVersion": trial["metadata"]["resourceVersion"]},
            "status": {"conditions": [condition.to_document() for condition in after]},
        }
        self._api.patch_namespaced_custom_object_status(**place, **more, body=body)


def _translated(error: Any, name: str, namespace: str) -> Exception:
    if error.status == _NOT_FOUND:
        return NotFound(f"there is no trial {name!r} in namespace {namespace!r}")
    if error.status in _FORBIDDEN:
        return Denied(f"this server may not change trial {name!r} in namespace {namespace!r}: {error.reason}")
    return StoreUnavailable(f"the Kubernetes API answers {error.status} {error.reason} about trial {name!r}")


def cluster_trials(namespace: str | None = None) -> TrialStatusWriter:
    """Return the trials of the cluster this process runs in, or that its kubeconfig names; ``NoTrials`` beside none.

    Args:
        namespace: Where they are; by default this pod's own, or the kubeconfig's.
    """
    try:
        from kubernetes import client, config
    except ImportError:
        return NoTrials()
    try:
        config.load_incluster_config()
        own = _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except (config.ConfigException, OSError):
        try:
            config.load_kube_config()
            own = config.list_kube_config_contexts()[1]["context"].get("namespace", "default")
        except (config.ConfigException, OSError):
            return NoTrials()
    return ClusterTrials(client.CustomObjectsApi(), namespace or own)
