"""An operator as a whole: watches, workers, the lease that lets one of several act, and a clean end."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from katib.api.metric_names import metric_names
from katib.engine.naming import trial_index
from katib.errors import StoreUnavailable
from katib.kube.event_recorder import EventRecorder
from katib.kube.lease import LeaderElection
from katib.kube.reflector import Reflector
from katib.kube.resource import PODS
from katib.kube.work_queue import WorkQueue
from katib.operator import kinds
from katib.operator.checkpoint_claims import CheckpointClaims, checkpoint_mount
from katib.operator.experiment_controller import ExperimentController
from katib.operator.gone_pods import GonePods
from katib.operator.job_watches import JobWatches
from katib.operator.katib_config import KatibConfig
from katib.operator.operator_metrics import OperatorMetrics
from katib.operator.outage import Outage
from katib.operator.parts import Parts
from katib.operator.pod_reasons import compact_pod
from katib.operator.pod_webhook import PodWebhook
from katib.operator.pod_webhook_owners import TrialFinder
from katib.operator.recorder import Recorder
from katib.operator.search_state import SearchStates
from katib.operator.starts import Starts
from katib.operator.store_access import StoreAccess
from katib.operator.suggestion_services import SuggestionServices
from katib.operator.trial_controller import TrialController
from katib.operator.trial_objects import compact, experiment_names, experiment_uid, is_final, record_of
from katib.operator.vanished import Vanished
from katib.operator.workers import Workers
from katib.rpc.store_client import StoreClient
from katib.template.collection import CollectorSettings
from katib.template.trial_environment import parameter_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from katib.api.trial import Trial
    from katib.engine.trial import TrialRecord
    from katib.errors import KatibError
    from katib.kube.client import Client
    from katib.operator.katib_config_source import KatibConfigSource
    from katib.operator.parts import Key
    from katib.operator.settings import OperatorSettings

__all__ = ["Operator"]

_LOGGER: Final = logging.getLogger(__name__)
_STALE: Final = 120.0
"""Seconds without a proof that a watch lives after which the operator counts as ill."""
_END: Final = 8.0
"""Seconds that looks under way get; shorter than a lease is held without being renewed."""

Object = dict[str, Any]


class Operator:
    """Drives the experiments of a cluster, or of one namespace.

    Args:
        settings: How.
        client: To the API server. Writes go through a fenced copy of it where several operators take turns.
        token_of: Returns the token with which a trial reports, by namespace and name.
        config: Katib's own configuration; None where there is none.

    Example::

        operator = Operator(OperatorSettings(), Client.connect())
        operator.run(stop)
    """

    def __init__(
        self,
        settings: OperatorSettings,
        client: Client,
        *,
        token_of: Callable[[str, str], str] = lambda _namespace, _name: "",
        config: KatibConfigSource | None = None,
    ) -> None:
        self._settings = settings
        self._config = config
        self._election: LeaderElection | None = None
        if settings.leader_election:
            self._election = LeaderElection(
                client, namespace=settings.lease_namespace, name=settings.lease_name, times=settings.lease_times
            )
            client = client.fenced(self._election.check)
        self._client = client
        self._token_of = token_of
        self._store_client = StoreClient(
            settings.store_address, token_file=settings.token_file, root_ca=settings.root_ca
        )
        experiments: WorkQueue[Key] = WorkQueue()
        trials: WorkQueue[Key] = WorkQueue()
        self._leading = threading.Event()
        requests = client.requests
        self._outage = Outage(lambda: requests.total() - requests.total(code=0))
        self.parts = Parts(
            settings=settings,
            client=client,
            experiments=self._reflector(kinds.EXPERIMENTS, self._experiment_changed),
            trials=self._reflector(kinds.TRIALS, self._trial_changed, keep=compact),
            suggestion_objects=self._reflector(kinds.SUGGESTIONS, self._suggestion_changed),
            pods=self._reflector(PODS, self._pod_changed, selector=kinds.TRIAL_LABEL, keep=compact_pod),
            gone_pods=GonePods(),
            jobs=JobWatches(client, namespace=settings.namespace, on_change=self._job_changed),
            experiment_queue=experiments,
            trial_queue=trials,
            states=SearchStates(),
            starts=Starts(trials.add),
            store=StoreAccess(self._store_client),
            recorder=Recorder(self._store_client, all_trials=self._records_of),
            suggestions=SuggestionServices(
                settings,
                client=client if config is not None else None,
                config=self._katib_config,
                on_change=self._service_changed,
            ),
            events=EventRecorder(client, component="katib-operator"),
            metrics=OperatorMetrics(current=self._current, health=self._health),
            collector_settings=self._collector_settings,
            checkpoint_claims=CheckpointClaims(client, self._claim_of),
        )
        self.parts.trials.add_index("experiment-uid", _uids)
        self.parts.pods.add_index("trial", _trials_of_pod)
        self._experiment_controller = ExperimentController(self.parts)
        self._trial_controller = TrialController(self.parts)
        self._workers: list[Workers] = []
        self._vanished = Vanished(
            client,
            settings.namespace,
            store=self._store_client,
            recorder=self.parts.recorder,
            experiments=self.parts.experiments,
            is_leading=self._leading.is_set,
        )

    def run(self, stop: threading.Event) -> bool:
        """Work until told to stop, or until another operator leads; returns whether it was told to.

        A process whose lease was taken ends and is started again: nothing of what it knew may be acted upon.
        """
        watches = self._watches()
        for watch in watches:
            watch.start()
        try:
            if self._election is None:
                self._lead()
                stop.wait()
                self._rest()
            else:
                over = threading.Event()
                threading.Thread(target=_set_after, args=(stop, over), name="stop", daemon=True).start()

                def rest() -> None:
                    self._rest()
                    over.set()  # what it knew of the cluster is of yesterday when it leads again: a new process begins anew

                self._election.run(self._lead, rest, over)
        finally:
            for watch in watches:
                watch.stop()
            if self._config is not None:
                self._config.stop()
            self.parts.jobs.stop()
            self.parts.suggestions.close()
            self._store_client.close()
        return stop.is_set()

    def pod_webhook(self) -> PodWebhook:
        """Return what looks at pods that controllers make; it works also while another operator leads."""
        finder = TrialFinder(self._client, self.parts.trials.get)
        return PodWebhook(finder, self._collector_settings, record=self.parts.events.record)

    @property
    def is_leading(self) -> bool:
        """Whether it acts."""
        return self._leading.is_set()

    @property
    def is_well(self) -> bool:
        """Whether its watches live, as far as the API server does: without one, beginning anew would help nobody."""
        if self._outage.lasts is not None:
            return True
        watches = [self.parts.experiments, self.parts.trials, self.parts.pods, *self.parts.jobs.all()]
        return all(watch.staleness < _STALE for watch in watches)

    # -- beginning and ending -----------------------------------------------------------------------------------------

    def _lead(self) -> None:
        parts = self.parts
        for watch in self._watches():
            while not watch.wait_synced(timeout=5.0):
                _LOGGER.info("waiting for the API server's first answers")
                if self._election is not None and not self._election.is_leading:
                    return
        for trial in parts.trials.items():  # of whom some run: their jobs are looked for before anything is decided
            run = (trial.get("spec") or {}).get("runSpec") or {}
            if run.get("kind"):
                try:
                    parts.jobs.of(run["apiVersion"], run["kind"])
                except Exception as error:  # noqa: BLE001 - a kind that is not there now may come
                    _LOGGER.warning("%s", error)
        parts.recorder.start()
        self._leading.set()
        self._vanished.start()
        if self._config is not None:
            self._config.start(self._reconfigured, parts.events.record)
        for experiment in parts.experiments.items():
            parts.experiment_queue.add(_key(experiment))
        for trial in parts.trials.items():
            parts.trial_queue.add(_key(trial))
        self._workers = [
            Workers(
                "experiment",
                self._settings.experiment_workers,
                parts.experiment_queue,
                self._experiment_controller.reconcile,
                metrics=parts.metrics,
                outage=self._outage,
                failed=self._failed(parts.experiments),
            ),
            Workers(
                "trial",
                self._settings.trial_workers,
                parts.trial_queue,
                self._trial_controller.reconcile,
                metrics=parts.metrics,
                outage=self._outage,
                failed=self._failed(parts.trials),
            ),
        ]
        for workers in self._workers:
            workers.start()
        _LOGGER.info("the operator leads")

    def _rest(self) -> None:
        """Let what is under way come to its end, and begin nothing."""
        parts = self.parts
        self._leading.clear()
        parts.experiment_queue.shut_down()
        parts.trial_queue.shut_down()
        for workers in self._workers:
            if not workers.join(_END):
                _LOGGER.warning("some looks did not end in %.0f s", _END)
        self._experiment_controller.close()
        self._vanished.stop()
        if self._workers:
            parts.recorder.stop()
            parts.events.stop()

    def _watches(self) -> list[Reflector]:
        parts = self.parts
        watches = [parts.experiments, parts.trials, parts.suggestion_objects, parts.pods]
        if parts.suggestions.composed is not None:
            watches.append(parts.suggestions.composed.deployments)
        return watches

    def _katib_config(self) -> KatibConfig:
        return KatibConfig() if self._config is None else self._config.config

    def _claim_of(self, algorithm: str) -> Mapping[str, Any] | None:
        return self._katib_config().claims.get(algorithm)

    def _reconfigured(self) -> None:
        """Bring everything up to date with a changed configuration: an algorithm that nobody knew may be known now."""
        if self._leading.is_set():
            self.parts.suggestions.reconfigured()
            for experiment in self.parts.experiments.items():
                state = self.parts.states.get(experiment["metadata"]["uid"])
                if state is not None:
                    state.conversation.hurry()
                self.parts.experiment_queue.add(_key(experiment))

    # -- what the watches tell ----------------------------------------------------------------------------------------

    def _reflector(
        self,
        resource: Any,
        on_change: Callable[[Object | None, Object | None], None] | None = None,
        *,
        selector: str = "",
        keep: Callable[[Object], Object] | None = None,
    ) -> Reflector:
        more: dict[str, Any] = {} if on_change is None else {"on_change": on_change}
        return Reflector(
            self._client, resource, namespace=self._settings.namespace, label_selector=selector, keep=keep, **more
        )

    def _experiment_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        if not self._leading.is_set():
            return
        if new is None or (old is not None and old["metadata"]["uid"] != new["metadata"]["uid"]):
            self.parts.metrics.experiment_deleted(one["metadata"]["namespace"])
            gone = old or one
            threading.Thread(target=self._experiment_gone, args=(gone,), name="deleting", daemon=True).start()
        if new is None:
            self.parts.experiment_queue.add(_key(one))  # lets go of the news of its trials
        else:
            if old is None:
                self.parts.metrics.experiment_created(new["metadata"]["namespace"])
            if old is None or _matters(old, new):
                self.parts.experiment_queue.add(_key(new))

    def _experiment_gone(self, experiment: Object) -> None:
        try:
            self._experiment_controller.gone(experiment)
        except Exception as error:  # noqa: BLE001 - the cluster's garbage collector does it as well
            _LOGGER.warning("taking away what is left of %s: %s", experiment["metadata"]["name"], error)

    def _trial_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        if not self._leading.is_set():
            return
        name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
        if (
            old is not None
            and new is not None
            and old["metadata"]["resourceVersion"] == new["metadata"]["resourceVersion"]
        ):
            return  # this process's own write, seen already
        if new is None:
            self.parts.metrics.trial_deleted(namespace)
        # Also the one that it was of before somebody edited it.
        for experiment in self._experiments_of(one) | (experiment_names(old) if old else set()):
            self.parts.states.changed((namespace, experiment), name)
            self.parts.experiment_queue.add((namespace, experiment))
        self.parts.trial_queue.add((namespace, name))

    def _experiments_of(self, trial: Object) -> set[str]:
        """Return the names of the experiments that a Trial may belong to; of one without any mark, those of which it has the name."""
        if names := experiment_names(trial):
            return names
        metadata = trial["metadata"]
        return {
            each["metadata"]["name"]
            for each in self.parts.experiments.items()
            if each["metadata"]["namespace"] == metadata["namespace"]
            and trial_index(each["metadata"]["name"], each["metadata"]["uid"], metadata["name"]) is not None
        }

    def _suggestion_changed(self, old: Object | None, new: Object | None) -> None:
        """Write a Suggestion again that somebody deleted while its experiment is there."""
        if new is None and old is not None and self._leading.is_set():
            # By its name: it may have been one of an experiment that had this name before.
            experiment = self.parts.experiments.get(*_key(old))
            state = self.parts.states.get(experiment["metadata"]["uid"]) if experiment is not None else None
            if state is not None:
                state.written_suggestion, state.unwritten = None, True
                self.parts.experiment_queue.add(_key(old))

    def _service_changed(self, namespace: str, experiment: str, uid: str) -> None:
        """Ask the suggestion server of an experiment at once when it became ready, or say why it did not."""
        state = self.parts.states.get(uid)
        if self._leading.is_set() and state is not None:
            state.conversation.hurry()
            state.unwritten = True
            self.parts.experiment_queue.add((namespace, experiment))

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        if self._leading.is_set() and not (old and new and _says(old) == _says(new) and not _ends(new)):
            self.parts.trial_queue.add(_key(one))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        if self._leading.is_set():
            for place in _trials_of_pod(one):
                namespace, _, name = place.partition("/")
                key = (namespace, name)
                trial = self.parts.trials.get(*key)
                if new is None and trial is not None and not is_final(trial):
                    self.parts.gone_pods.remember(key, one)
                self.parts.trial_queue.add(key)

    def _failed(self, cache: Reflector) -> Callable[[Key, KatibError], None]:
        """Return who tells, on an object, why it could not be looked at."""

        def tell(key: Key, error: KatibError) -> None:
            obj = cache.get(*key)
            if obj is not None:
                self.parts.events.record(obj, "ReconcileError", f"Failed to reconcile: {error}", kind="Warning")

        return tell

    # -- what it says of itself ---------------------------------------------------------------------------------------

    def _records_of(self, uid: str) -> list[TrialRecord]:
        found = (record_of(trial) for trial in self.parts.trials.indexed("experiment-uid", uid))
        return [record for record in found if record is not None]

    def _collector_settings(self, trial: Trial) -> CollectorSettings:
        settings, spec = self._settings, trial.spec.metrics_collector
        state = self.parts.states.get((trial.metadata.labels or {}).get(kinds.EXPERIMENT_UID_LABEL, ""))
        index = (trial.metadata.annotations or {}).get(kinds.INDEX, "")
        kind = spec.collector.kind if spec and spec.collector else "StdOut"
        found = CollectorSettings(
            image=settings.collector_image,
            pull_policy=settings.collector_pull_policy,
            store_address=settings.trial_store_address,
            report_token=self._token_of(trial.metadata.namespace or "", trial.metadata.name),
            store_ca=_certificates(settings),
            webhook=settings.pod_webhook,
            # Also what objectives beside the Trial's own one are measured by.
            metrics=() if state is None else tuple(metric_names(state.experiment.spec)),
            trial_index=int(index) if index.isdecimal() else None,
            parameter_kinds=None if state is None else parameter_kinds(state.experiment.spec),
            checkpoints=None if state is None else checkpoint_mount(state.experiment, trial),
        )
        entry = self._katib_config().collectors.get(kind)
        return found if entry is None else entry.changed(found)

    def _current(self) -> Iterator[tuple[str, str, str, int]]:
        for kind, cache in (("experiments", self.parts.experiments), ("trials", self.parts.trials)):
            counts = Counter((obj["metadata"]["namespace"], _condition(obj)) for obj in cache.items())
            for (namespace, status), count in counts.items():
                yield kind, namespace, status, count

    def _health(self) -> Iterator[tuple[str, str, float]]:
        parts = self.parts
        yield "katib_operator_leading", "", float(self.is_leading)
        yield "katib_operator_queue_length", "experiment", len(parts.experiment_queue)
        yield "katib_operator_queue_length", "trial", len(parts.trial_queue)
        yield "katib_operator_untold_records", "", parts.recorder.waiting
        for name, watch in (("experiments", parts.experiments), ("trials", parts.trials), ("pods", parts.pods)):
            yield "katib_operator_watch_staleness_seconds", name, watch.staleness
        for (verb, resource, code), count in self._client.requests.counts().items():
            yield "katib_operator_api_requests", f"{verb} {resource} {code}", count


def _certificates(settings: OperatorSettings) -> str:
    """Return, as the file has it now, whose certificate the store shows to trials; empty where they speak to it in plain text."""
    if settings.root_ca is None or not settings.trial_store_address.startswith("https://"):
        return ""
    try:
        return settings.root_ca.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise StoreUnavailable(
            f"--root-ca {settings.root_ca} cannot be read: {error}"
        ) from error  # it may be back soon


def _set_after(first: threading.Event, second: threading.Event) -> None:
    first.wait()
    second.set()


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _matters(old: Object, new: Object) -> bool:
    """Whether a change of an experiment is somebody else's: not only of the status that is written here."""
    first, second = old["metadata"], new["metadata"]
    fields = ("generation", "annotations", "labels", "deletionTimestamp", "uid")
    return any(first.get(field) != second.get(field) for field in fields)


def _says(job: Object) -> tuple[Any, Any]:
    """Return where a job says how it is: in its status; one of a kind without (a Lease), in its annotations."""
    if "status" in job:
        return job["status"], None
    return None, job["metadata"].get("annotations")


def _ends(job: Object) -> bool:
    return bool(job["metadata"].get("deletionTimestamp"))


def _uids(trial: Object) -> Iterable[str]:
    return [experiment_uid(trial)]  # those without a mark are found under none


def _trials_of_pod(pod: Object) -> Iterable[str]:
    name = (pod["metadata"].get("labels") or {}).get(kinds.TRIAL_LABEL)
    return [f"{pod['metadata']['namespace']}/{name}"] if name else []


def _condition(obj: Object) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return conditions[-1].get("type", "") if conditions else "Created"
