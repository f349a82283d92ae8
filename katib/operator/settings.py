"""What an operator is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from katib.kube.lease import LeaseTimes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OperatorSettings"]


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """How an operator works.

    Attributes:
        namespace: The only one it looks at; None for all of the cluster.
        suggestion_address: The shared suggestion server.
        store_address: The store, as the operator reaches it.
        trial_store_address: The store over HTTP, as the pods of trials reach it.
        collector_image: What gathers metrics in the pods of trials.
        collector_pull_policy: When a node fetches that image.
        report_key: The file with which tokens for trials' reports are signed; None where the store wants none.
        token_file: The operator's own token for the store.
        root_ca: Whose certificates servers may have; None for plain text.
        experiment_workers: Experiments that are looked at at a time.
        trial_workers: Trials that are looked at at a time.
        suggestion_deadline: Seconds a request for points may take.
        leader_election: Whether several operators take turns.
        lease_namespace: Where their lease is.
        lease_name: What it is called.
        lease_times: How long it is held, and how often renewed.
        pod_webhook: Whether a webhook sees the pods that controllers make of something else than a pod template.
    """

    namespace: str | None = None
    suggestion_address: str = "katib-suggestion.katib:6789"
    store_address: str = "katib-store.katib:6789"
    trial_store_address: str = "http://katib-store.katib:8080"
    collector_image: str = "katib-collector:latest"
    collector_pull_policy: str = "IfNotPresent"
    report_key: Path | None = None
    token_file: Path | None = None
    root_ca: Path | None = None
    experiment_workers: int = 4
    trial_workers: int = 8
    suggestion_deadline: float = 600.0
    leader_election: bool = True
    lease_namespace: str = "katib"
    lease_name: str = "katib-operator"
    lease_times: LeaseTimes = field(default_factory=LeaseTimes)
    pod_webhook: bool = False
