"""What a sidecar is told: one JSON document, written where the collector is put into a pod (``katib.template.collection``)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from katib.errors import InvalidInput

__all__ = ["HttpSource", "Rule", "SidecarSettings"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One early stopping rule, as Katib's ``EarlyStoppingRule`` (facts 6).

    Attributes:
        name: The metric.
        value: What it is compared with.
        comparison: ``equal``, ``less`` or ``greater``.
        start_step: From which report of the metric on the rule counts.
    """

    name: str
    value: str
    comparison: str
    start_step: int = 0


@dataclass(frozen=True, slots=True)
class HttpSource:
    """Where Prometheus metrics of the trainer are.

    Attributes:
        port: Of the trainer's server.
        path: Below it.
        host: Where it answers; the pod's containers share one.
        scheme: ``http`` or ``https``; its certificate is not checked, as in Kubernetes' own probes.
        headers: Sent along, name and value.
        seconds: Between two looks.
    """

    port: int
    path: str = "/metrics"
    host: str = "127.0.0.1"
    scheme: str = "http"
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class SidecarSettings:
    """How one trial's metrics are collected.

    Attributes:
        namespace: Where the trial is.
        trial: Its name.
        metrics: Which ones, the objective first.
        store: The store server's HTTP address, such as ``http://katib-store.katib:8080``.
        kind: Of the collector, as ``collector.kind`` says.
        folder: The volume that launcher and sidecar share.
        path: The metrics file, or the folder of event files.
        filters: Of lines of text.
        is_json: Whether the lines of the file are JSON.
        maximize: Whether more of the objective is better.
        rules: Of early stopping; the trial stops when all have been met.
        http: Where Prometheus metrics are.
        wrapped: Whether the launcher runs the trainer.
        ends_itself: Whether the pod ends with the first run of the trainer. The sidecar then ends with it: to be told to by Kubernetes
            takes another second or two.
        store_ca: The certificate (PEM) that vouches for the store's; empty for the well-known ones.
    """

    namespace: str
    trial: str
    metrics: tuple[str, ...]
    store: str
    kind: str = "StdOut"
    folder: str = "/var/run/katib"
    path: str = ""
    filters: tuple[str, ...] = ()
    is_json: bool = False
    maximize: bool = False
    rules: tuple[Rule, ...] = ()
    http: HttpSource | None = None
    wrapped: bool = True
    ends_itself: bool = False
    store_ca: str = field(default="", repr=False)

    def to_json(self) -> str:
        """Return the document; what is as by default is left out."""
        said = {name: value for name, value in asdict(self).items() if value != _DEFAULTS.get(name, _ABSENT)}
        return json.dumps(said, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> SidecarSettings:
        """Return what a document says.

        Raises:
            InvalidInput: It is none.
        """
        try:
            said: dict[str, Any] = json.loads(text)
            http = said.pop("http", None)
            if http is not None:
                http["headers"] = tuple((name, value) for name, value in http.get("headers", ()))
            return cls(
                **{
                    **said,
                    "metrics": tuple(said["metrics"]),
                    "filters": tuple(said.get("filters", ())),
                    "rules": tuple(Rule(**rule) for rule in said.get("rules", ())),
                    "http": None if http is None else HttpSource(**http),
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidInput(f"the collector's settings cannot be read: {type(error).__name__}: {error}") from error


_ABSENT = object()
_DEFAULTS = {each.name: each.default for each in fields(SidecarSettings)}
