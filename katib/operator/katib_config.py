"""Katib's own configuration (``KatibConfig``): which parts of it mean something here, and one sentence for each that does not.

Clusters that move from Katib have one, in the ConfigMap ``katib-config``. It is read as it is; ours are ``endpoint`` in place of ``image``,
for an algorithm's server that runs anyway, and ``tls`` beside it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from katib.api import document as documents
from katib.errors import InvalidInput, Problem
from katib.operator.katib_config_endpoint import EndpointTls, is_address, read_endpoint
from katib.operator.katib_config_fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from katib.template.collection import CollectorSettings

__all__ = ["CONFIG_KEY", "SUGGESTION_PORT", "CollectorEntry", "ControllerSettings", "KatibConfig", "SuggestionEntry"]

CONFIG_KEY: Final = "katib-config.yaml"
"""Of the ConfigMap."""
SUGGESTION_PORT: Final = 6789
PORT_NAME: Final = "suggestion-api"

_STOCK_SUGGESTION: Final = re.compile(r"(^|/)(kubeflow/katib|kubeflowkatib)/(suggestion-|earlystopping-)")
"""Images that Katib ships: their algorithms are in the shared server, without what ails them."""
_API_VERSION: Final = "config.kubeflow.org/v1beta1"
_MOUNT: Final = "/opt/katib/data"
_CLAIM: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_RESOURCES: Final = {
    "requests": {"cpu": "50m", "memory": "10Mi", "ephemeral-storage": "500Mi"},
    "limits": {"cpu": "500m", "memory": "100Mi", "ephemeral-storage": "5Gi"},
}
_CONTAINER: Final = frozenset(
    [
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    ]
)
_SUGGESTION: Final = frozenset(
    [
        "algorithmName",
        "endpoint",
        "extended",
        "persistentVolumeClaimSpec",
        "persistentVolumeLabels",
        "persistentVolumeSpec",
        "serviceAccountName",
        "tls",
        "volumeMountPath",
    ]
)
_COLLECTORS: Final = ("StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "Push")
_KATIBS_COLLECTORS: Final = re.compile(r".*/(?:v1beta1-)?(?:file|tfevent)-metrics-collector(?:[:@].*)?")
"""Katib's own: they speak another language with the pod than our launcher."""
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_WITHOUT_MEANING: Final = {
    "experimentSuggestionName": "experiments and their Suggestions have the same name",
    "injectSecurityContext": "the collector has a security context of its own, which every Pod Security level takes",
    "trialResources": "jobs of every kind are watched as soon as a trial is one",
    "webhookPort": "no webhook is needed; the optional one listens where --webhook-address says",
}


@dataclass(frozen=True, slots=True)
class SuggestionEntry:
    """The server of one algorithm.

    Attributes:
        algorithm: Its name in experiments.
        container: Of a Deployment for each experiment; empty where there is an endpoint.
        endpoint: ``HOST:PORT`` of a server that runs anyway.
        tls: How that one is known; None where it is asked in plain text.
        extended: Whether it is one of ours (``katib serve suggestion``) and reads what Katib's wire has no field for.
        service_account: Of the Deployment's pods.
        mount_path: Where an experiment with ``resumePolicy: FromVolume`` has its volume.
        claim_spec: Of that volume's claim.
        volume_spec: Of a volume made for the claim; None where the cluster makes them.
        volume_labels: Of that volume.
    """

    algorithm: str
    container: Mapping[str, Any] = field(default_factory=dict)
    endpoint: str = ""
    tls: EndpointTls | None = None
    extended: bool = False
    service_account: str = ""
    mount_path: str = _MOUNT
    claim_spec: Mapping[str, Any] = field(default_factory=lambda: dict(_CLAIM))
    volume_spec: Mapping[str, Any] | None = None
    volume_labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CollectorEntry:
    """How one kind of collector differs from the others.

    Attributes:
        image: In place of the operator's; empty for that.
        pull_policy: Of the image; empty for the operator's.
        requests: In place of what the collector asks for; None for that.
        limits: The same.
    """

    image: str = ""
    pull_policy: str = ""
    requests: Mapping[str, str] | None = None
    limits: Mapping[str, str] | None = None

    def changed(self, settings: CollectorSettings) -> CollectorSettings:
        """Return settings of a collector with what this says in place of what they say."""
        resources = dict(settings.resources)
        for name, amounts in (("requests", self.requests), ("limits", self.limits)):
            if amounts is not None:
                resources[name] = dict(amounts)
        return replace(
            settings,
            image=self.image or settings.image,
            pull_policy=self.pull_policy or settings.pull_policy,
            resources=resources,
        )


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What an operator is told when it starts; empty or None where the configuration does not say.

    Attributes:
        metrics_address: Where Prometheus may ask; ``0`` for nowhere.
        health_address: Where probes may ask; ``0`` for nowhere.
        leader_election: Whether several operators take turns.
        lease_name: What their lease is called.
        probes: Whether the servers of algorithms are probed.
    """

    metrics_address: str = ""
    health_address: str = ""
    leader_election: bool | None = None
    lease_name: str = ""
    probes: bool = True


@dataclass(frozen=True, slots=True)
class KatibConfig:
    """What was read.

    Attributes:
        controller: For the start.
        suggestions: By the algorithms' names.
        collectors: By the collectors' kinds.
        notes: A sentence about each field that has no meaning here.
        claims: What is said of the claims for the algorithms' volumes, by their names.

    Example::

        config = KatibConfig.read(Path("katib-config.yaml").read_bytes())
    """

    controller: ControllerSettings = field(default_factory=ControllerSettings)
    suggestions: Mapping[str, SuggestionEntry] = field(default_factory=dict)
    collectors: Mapping[str, CollectorEntry] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    claims: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str | bytes, *, source: str = CONFIG_KEY) -> KatibConfig:
        """Return the configuration of a text.

        Raises:
            InvalidInput: With every problem, each with its path and line.
        """
        found = documents.load(text, source=source)
        if len(found) != 1:
            raise InvalidInput([Problem("", f"one document is wanted in {source}, not {len(found)}")])
        document = found[0]
        problems: list[Problem] = []
        config = _Reading(Fields(document.content, "", problems)).config()
        if problems:
            raise InvalidInput(
                [
                    Problem(each.path, each.message, each.value, each.hint, line=document.line_of(each.path))
                    for each in problems
                ]
            )
        return config


class _Reading:
    """One document while it is read."""

    def __init__(self, root: Fields) -> None:
        self._root = root
        self._notes: list[str] = []
        self._claims: dict[str, Mapping[str, Any]] = {}

    def config(self) -> KatibConfig:
        root = self._root
        for name, wanted in (("apiVersion", _API_VERSION), ("kind", "KatibConfig")):
            if root.text(name) != wanted:
                root.refuse(name, f"must be {wanted}", root.content.get(name))
        self._note_unknown(root, ("apiVersion", "kind", "metadata", "init", "runtime"))
        runtime = root.fields("runtime")
        self._note_unknown(runtime, ("suggestions", "earlyStoppings", "metricsCollectors"))
        return KatibConfig(
            controller=self._controller(root.fields("init")),
            suggestions=self._suggestions(runtime),
            collectors=self._collectors(runtime),
            notes=(*self._early_stoppings(runtime), *self._notes),
            claims=self._claims,
        )

    def _note_unknown(self, fields: Fields, known: tuple[str, ...]) -> None:
        for name in fields.unknown(known):
            self._notes.append(f"{fields.at(name)} is not known here and has no effect")

    def _controller(self, init: Fields) -> ControllerSettings:
        self._note_unknown(init, ("controller", "certGenerator"))
        if init.fields("certGenerator").content:
            self._notes.append(
                f"{init.at('certGenerator')} has no effect: no webhook is needed, and the certificate of the optional one is a Secret"
            )
        stated = init.fields("controller")
        used = ("metricsAddr", "healthzAddr", "enableLeaderElection", "leaderElectionID", "enableGRPCProbeInSuggestion")
        self._note_unknown(stated, (*used, *_WITHOUT_MEANING))
        for name, why in _WITHOUT_MEANING.items():
            if name in stated.content:
                self._notes.append(f"{stated.at(name)} has no effect: {why}")
        lease = stated.text("leaderElectionID")
        if lease and not all(_LABEL.fullmatch(part) for part in lease.split(".")):
            stated.refuse("leaderElectionID", "must be a name of small letters, digits, - and .", lease)
        return ControllerSettings(
            metrics_address=self._address(stated, "metricsAddr"),
            health_address=self._address(stated, "healthzAddr"),
            leader_election=stated.flag("enableLeaderElection"),
            lease_name=lease,
            probes=stated.flag("enableGRPCProbeInSuggestion") is not False,
        )

    @staticmethod
    def _address(stated: Fields, name: str) -> str:
        """Return an address as Go's servers take it: ``:8080`` is every address of this machine, and ``0`` none."""
        text = stated.text(name)
        if text not in ("", "0") and not is_address(text, host_needed=False):
            stated.refuse(name, "must be HOST:PORT, :PORT, or 0 for none", text)
        return text

    def _suggestions(self, runtime: Fields) -> dict[str, SuggestionEntry]:
        found: dict[str, SuggestionEntry] = {}
        for stated in runtime.items("suggestions"):
            name = self._name_of(stated, "algorithmName", found)
            if not name:
                continue
            stated.refuse_unknown(_CONTAINER | _SUGGESTION)
            image, endpoint = stated.text("image"), stated.text("endpoint")
            if bool(image) == bool(endpoint):
                said = (
                    "one of image and endpoint is required"
                    if not image
                    else "only one of image and endpoint may be there"
                )
                stated.refuse("image" if not image else "endpoint", said)
            endpoint, tls = read_endpoint(stated, endpoint)
            claim, volume = stated.fields("persistentVolumeClaimSpec"), stated.fields("persistentVolumeSpec")
            if claim.content:
                self._claims[name] = {**_CLAIM, **claim.content}
            if _STOCK_SUGGESTION.search(image):
                self._notes.append(
                    f"{stated.at('image')}: {image} is Katib's own server of {name} and is not used; the shared suggestion server "
                    "answers for it (name an image of your own, or a copy under another name, to have one for each experiment)"
                )
                continue
            mount = stated.text("volumeMountPath", _MOUNT)
            if not posixpath.isabs(mount) or posixpath.normpath(mount) == "/":
                stated.refuse("volumeMountPath", "must be an absolute path in a folder of its own", mount)
            found[name] = SuggestionEntry(
                algorithm=name,
                container=self._container(stated, name) if image else {},
                endpoint=endpoint,
                tls=tls,
                extended=stated.flag("extended") is True,
                service_account=stated.text("serviceAccountName"),
                mount_path=mount,
                claim_spec={**_CLAIM, **claim.content},
                volume_spec=volume.content or None,
                volume_labels=stated.texts("persistentVolumeLabels"),
            )
        return found

    @staticmethod
    def _container(stated: Fields, algorithm: str) -> dict[str, Any]:
        for port in stated.items("ports"):
            if port.text("name") == PORT_NAME or port.content.get("containerPort") == SUGGESTION_PORT:
                port.refuse("", f"the port {PORT_NAME} ({SUGGESTION_PORT}) is there without being named")
        if not _LABEL.fullmatch(algorithm):
            stated.refuse(
                "algorithmName", "must be small letters, digits and -, as Deployments are called by it", algorithm
            )
        stated.pull_policy()
        return {
            **{name: value for name, value in stated.content.items() if name in _CONTAINER},
            "resources": stated.resources(_RESOURCES),
        }

    def _collectors(self, runtime: Fields) -> dict[str, CollectorEntry]:
        found: dict[str, CollectorEntry] = {}
        for stated in runtime.items("metricsCollectors"):
            kind = self._name_of(stated, "kind", found)
            if kind and kind not in _COLLECTORS:
                stated.refuse("kind", f"must be one of {', '.join(_COLLECTORS)}", kind)
            if not kind:
                continue
            self._note_unknown(stated, ("kind", "image", "imagePullPolicy", "resources", "waitAllProcesses"))
            if "waitAllProcesses" in stated.content:
                self._notes.append(
                    f"{stated.at('waitAllProcesses')} has no effect: a trial has ended when its container has, and all of it is waited for"
                )
            image = stated.text("image")
            if _KATIBS_COLLECTORS.fullmatch(image):
                self._notes.append(
                    f"{stated.at('image')}: {image} is Katib's own collector and is not used; the operator's collector image is"
                )
                image = ""
            resources = stated.resources({})
            said = stated.fields("resources").content
            found[kind] = CollectorEntry(
                image=image,
                pull_policy=stated.pull_policy(),
                requests=resources.get("requests", {}) if "requests" in said else None,
                limits=resources.get("limits", {}) if "limits" in said else None,
            )
        return found

    def _early_stoppings(self, runtime: Fields) -> Iterator[str]:
        names = {stated.text("algorithmName"): stated for stated in runtime.items("earlyStoppings")}
        for name, stated in names.items():
            if name:
                yield f"{stated.path} ({name}) has no effect: the operator stops trials early itself, with no image"
            else:
                stated.refuse("algorithmName", "is required")

    @staticmethod
    def _name_of(stated: Fields, field_name: str, known: Mapping[str, object]) -> str:
        name = stated.text(field_name)
        if not name:
            stated.refuse(field_name, "is required")
        elif name in known:
            stated.refuse(field_name, "is there twice", name)
            return ""
        return name
