"""Experiments that are custom resources of a cluster, as programs of its users see them: whoever asks, the API server decides.

Nothing is kept here but watches that somebody reads: what is asked is asked of the API server, with the caller's own credentials.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from katib.admission import admit
from katib.api.experiment import Experiment
from katib.api.suggestion import Suggestion
from katib.engine.ledger import Ledger
from katib.engine.resume import problems as problems_of_resume
from katib.engine.status import over
from katib.errors import Conflict, InvalidExperiment, NotFound, Unsupported
from katib.experiments.protocol import Page
from katib.kube.connection import Connection
from katib.kube.errors import AlreadyExists, ServerAway
from katib.local.budget import with_budget
from katib.operator import kinds
from katib.operator.admitted import ApiConfigMaps
from katib.operator.cluster_changes import Watches
from katib.operator.cluster_client import ClusterClient
from katib.operator.cluster_leases import with_lease_template
from katib.operator.cluster_logs import trial_logs
from katib.operator.cluster_objects import (
    check_query,
    event_of,
    experiment_of,
    label_selector,
    object_of,
    readable,
    single_document,
    state_of,
)
from katib.operator.cluster_volumes import ClusterVolumes
from katib.operator.cluster_workers import ClusterWorkers
from katib.operator.recent_requests import ChangeRequest
from katib.operator.trial_objects import is_final, record_of
from katib.operator.unattended import why_unattended
from katib.store.protocol import Observed
from katib.template.collection_check import collection_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from katib.api.trial import TrialState
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Budget, Changes, ExperimentQuery, Volumes, WorkerTrials
    from katib.operator.cluster_store import ClusterStore
    from katib.store.protocol import Event

__all__ = ["ClusterExperiments"]

_ATTEMPTS: Final = 4
_MOST_WRITES: Final = 10
"""Of a change that is made only if nobody else has written meanwhile."""
_FIRST_PAUSE: Final = 0.2
_TO_BE_TOLD: Final = 3.0
_COUNTS: Final = ("maxTrialCount", "parallelTrialCount", "maxFailedTrialCount")
_TO_GO_ON: Final = 5.0
"""Seconds that the operator gets to take up what it is to go on with, so that what is answered is how it is."""


class ClusterExperiments:
    """The experiments of a cluster; implements ``katib.experiments.protocol.Experiments``.

    Args:
        client: To the API server, as whoever it is that asks. Is closed with this.
        store: Where trials report; None where it cannot be reached from here: then of a trial there is what its status says.
            Stays open.
        served_elsewhere: Algorithms that other suggestion servers of the cluster have: known, and judged there.

    Example::

        with ClusterExperiments.connect() as experiments:
            experiments.create("team", Path("experiment.yaml").read_text())
    """

    def __init__(
        self, client: ClusterClient, *, store: ClusterStore | None = None, served_elsewhere: Collection[str] = ()
    ) -> None:
        self._client = client
        self._store = store
        self._own_store = False
        self._served = tuple(served_elsewhere)
        self._watches = Watches(client)
        self._workers = ClusterWorkers(self, client, store)

    @classmethod
    def connect(
        cls,
        config_file: str | None = None,
        context: str | None = None,
        client_configuration: Any = None,
        *,
        store_address: str | None = None,
        store_token_file: Path | None = None,
        store_root_ca: Path | None = None,
        request_timeout: float = 30.0,
    ) -> Self:
        """Return the experiments of the cluster this process runs in, or of a kubeconfig. Sends nothing yet.

        Args:
            config_file: A kubeconfig; else the cluster around this process, else what ``KUBECONFIG`` names.
            context: Of the kubeconfig; else its current one.
            client_configuration: A ``kubernetes.client.Configuration`` to be used instead.
            store_address: ``HOST:PORT`` of the store server, where it can be reached from here.
            store_token_file: Says to the store who asks.
            store_root_ca: Whose certificate the store has; None for plain text.
            request_timeout: Seconds that a request to the API server may take.

        Raises:
            Unsupported: There is no cluster, or the extra ``kubernetes`` is not installed.
        """
        if client_configuration is not None:
            client = ClusterClient.configured(client_configuration, request_timeout=request_timeout)
        else:
            connection = Connection.open(kubeconfig=config_file, context=context, user_agent="katib")
            client = ClusterClient(connection, request_timeout=request_timeout)
        store = None
        if store_address:
            from katib.operator.cluster_store import ClusterStore

            store = ClusterStore(store_address, token_file=store_token_file, root_ca=store_root_ca)
        made = cls(client, store=store)
        made._own_store = True
        return made

    def close(self) -> None:
        """Let go of connections and watches; experiments run on."""
        self._watches.close()
        self._workers.close()
        self._client.close()
        if self._own_store and self._store is not None:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- experiments --------------------------------------------------------------------------------------------------

    def create(self, namespace: str, document: str, *, request_id: str = "", dry_run: bool = False) -> Experiment:
        """Create the custom resource of an experiment; see ``Experiments.create``.

        It is checked here before it is sent, so that all of its problems are told at once; the API server checks it again.
        """
        content = single_document(document)
        admitted = admit(
            document,
            config_maps=ApiConfigMaps(self._client, namespace),
            namespace=namespace,
            served_elsewhere=self._served,
            template_required=False,
        )
        if admitted.spec.trial_template is None:
            content = with_lease_template(content, admitted)
        elif faults := collection_problems(admitted, webhook=True):  # whether there is one is not known here
            raise InvalidExperiment(faults)
        # Without one of the caller's, an answer that got lost would still leave its experiment behind.
        body = object_of(content, namespace, request_id or secrets.token_hex(16))
        if dry_run:
            return self._tried(namespace, body)
        made = self._created(namespace, body)
        self._watches.wrote(made)
        return experiment_of(made)

    def _tried(self, namespace: str, body: dict[str, Any]) -> Experiment:
        try:
            return experiment_of(self._client.try_create(kinds.EXPERIMENTS, body, namespace))
        except AlreadyExists:
            return experiment_of(self._made_before(namespace, body))

    def _created(self, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        for attempt in range(_ATTEMPTS):
            try:
                return self._client.create(kinds.EXPERIMENTS, body, namespace)
            except AlreadyExists:
                return self._made_before(namespace, body)
            except ServerAway:  # it may have been carried out: then the next attempt finds it
                if attempt == _ATTEMPTS - 1:
                    raise
            time.sleep(_FIRST_PAUSE * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    def _made_before(self, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the object of that name, if this request made it.

        Raises:
            Conflict: Another one did.
        """
        name = body["metadata"]["name"]
        found = self._client.get(kinds.EXPERIMENTS, name, namespace)
        made_by = (found["metadata"].get("annotations") or {}).get(kinds.REQUEST_ID)
        if made_by != body["metadata"]["annotations"][kinds.REQUEST_ID]:
            raise Conflict(
                f"namespace {namespace} has another experiment {name!r}: choose another name, or delete that one"
            )
        return found

    def get(self, namespace: str, name: str) -> Experiment:
        """Return an experiment with its status."""
        return experiment_of(self._client.get(kinds.EXPERIMENTS, name, namespace))

    def find(self, namespace: str | None, query: ExperimentQuery) -> Page:
        """Return experiments of one namespace, or of all, in the order of namespaces and names."""
        check_query(query)
        after = tuple(query.after.split("/")) if query.after else ()
        matching: list[tuple[tuple[str, str], dict[str, Any]]] = []
        for page in self._client.pages(kinds.EXPERIMENTS, namespace, label_selector=label_selector(query.labels)):
            if page.starts_over:
                matching.clear()
            keyed = ((_key(each), each) for each in page.items if _key(each) > after and _matches(each, query))
            matching = heapq.nsmallest(query.limit + 1, [*matching, *keyed], key=lambda pair: pair[0])
        chosen = matching[: query.limit]
        more = len(matching) > query.limit
        return Page(
            tuple(readable(each for _, each in chosen)), after="/".join(chosen[-1][0]) if more and chosen else ""
        )

    def stop(self, namespace: str, name: str, *, at_once: bool = False, request_id: str = "") -> Experiment:
        """Ask for the end of an experiment: its operator ends the jobs, each in its own time to end."""

        def change(found: Experiment) -> dict[str, Any]:
            return {} if over(found.status) else {"metadata": {"annotations": {kinds.STOP: "true"}}}

        stopped, _ = self._changed(namespace, name, ChangeRequest(request_id, "stop", at_once), change)
        return stopped

    def resume(
        self,
        namespace: str,
        name: str,
        *,
        max_trials: int | None = None,
        parallel: int | None = None,
        request_id: str = "",
    ) -> Experiment:
        """Take a stop back, or give an experiment that used up its budget more of it."""

        def change(found: Experiment) -> dict[str, Any]:
            edited = with_budget(found, max_trials=max_trials, parallel=parallel)
            self._check_resume(found, edited)
            return {"metadata": {"annotations": {kinds.STOP: None}}, **_counts(found, edited)}

        request = ChangeRequest(request_id, "resume", max_trials, parallel)
        resumed, is_new = self._changed(namespace, name, request, change)
        return self._gone_on(resumed) if is_new else resumed

    def _gone_on(self, experiment: Experiment) -> Experiment:
        """Return an experiment once its operator has taken up that it goes on, so that nobody takes its last end for the next one."""
        until = time.monotonic() + _TO_GO_ON
        while over(experiment.status) and time.monotonic() < until:
            time.sleep(_FIRST_PAUSE)
            experiment = self.get(experiment.metadata.namespace or "", experiment.metadata.name)
        return experiment

    def edit_budget(self, namespace: str, name: str, budget: Budget, *, request_id: str = "") -> Experiment:
        """Change how many trials there are to be; the operator heeds it."""
        counts = (budget.max_trial_count, budget.parallel_trial_count, budget.max_failed_trial_count)

        def change(found: Experiment) -> dict[str, Any]:
            edited = with_budget(
                found,
                max_trials=budget.max_trial_count,
                parallel=budget.parallel_trial_count,
                max_failed=budget.max_failed_trial_count,
            )
            self._check_resume(found, edited)
            return _counts(found, edited)

        request = ChangeRequest(request_id, "edit", *counts)
        edited, is_new = self._changed(namespace, name, request, change)
        # One that was stopped stays so until it is resumed.
        return self._gone_on(edited) if is_new and state_of(edited) != "Stopped" else edited

    def _check_resume(self, found: Experiment, edited: Experiment) -> None:
        """Refuse what the operator would not heed.

        Raises:
            InvalidExperiment: Its state or its resume policy does not allow it.
        """
        if not over(found.status):
            return
        records = self.trials(found.metadata.namespace or "", found.metadata.name)
        if faults := problems_of_resume(found, edited, Ledger.from_records(edited, records)):
            raise InvalidExperiment(faults)

    def _changed(
        self, namespace: str, name: str, request: ChangeRequest, change: Callable[[Experiment], dict[str, Any]]
    ) -> tuple[Experiment, bool]:
        """Return an experiment as a request has changed it, and whether it does so now and has not before.

        Args:
            namespace: Where.
            name: Which.
            request: Is not carried out again.
            change: Returns the patch for the experiment as it is.
        """
        for attempt in range(_MOST_WRITES):
            found = self.get(namespace, name)
            if request.was_made(found):
                return found, attempt > 0
            patch = request.noted(change(found), found)
            if not patch:
                return found, True
            try:
                return self._patched(namespace, name, patch), True
            except Conflict:  # somebody wrote since: the operator, or who carries out the same request
                if not request.is_noted or attempt == _MOST_WRITES - 1:
                    raise
            time.sleep(random.uniform(0, _FIRST_PAUSE))  # so that two who met do not meet again
        raise AssertionError  # the last attempt returns or raises

    def _patched(self, namespace: str, name: str, patch: dict[str, Any]) -> Experiment:
        written = self._client.merge_patch(kinds.EXPERIMENTS, name, patch, namespace)
        self._watches.wrote(written)
        return experiment_of(written)

    def delete(
        self,
        namespace: str,
        name: str,
        *,
        purge: bool = False,
        foreground: bool = False,
        request_id: str = "",  # noqa: ARG002 - of the protocol; see below
    ) -> None:
        """Remove an experiment; the cluster takes away what belongs to it.

        Args:
            namespace: Where.
            name: Which.
            purge: Also what the store has of it.
            foreground: Let the object stay until everything that belongs to it is gone.
            request_id: Is known to whoever serves this; the object that could keep it goes. Made again, it finds nothing to delete.

        Raises:
            StoreUnavailable: It is deleted, but the store cannot be told to purge it; asking again does.
        """
        policy = "Foreground" if foreground else "Background"
        # Also where nothing is there: whether the caller may is the API server's to say.
        with contextlib.suppress(NotFound):
            self.delete_as(namespace, name, {"propagationPolicy": policy}, purge=purge)

    def delete_as(self, namespace: str, name: str, options: Mapping[str, Any], *, purge: bool = False) -> None:
        """Remove an experiment in the way that ``DeleteOptions`` of the API server say.

        Args:
            namespace: Where.
            name: Which.
            options: By their names in a document; without ``propagationPolicy`` what belongs to the experiment goes after it.
            purge: As of ``delete``; a dry run purges nothing.

        Raises:
            NotFound: It was not there; what was recorded of it is purged all the same.
            Conflict: A precondition does not hold.
            StoreUnavailable: As of ``delete``.
        """
        uid = ""
        if purge:
            if self._store is None:
                raise Unsupported("what was recorded is in the store, which is not known here: say store_address")
            with contextlib.suppress(NotFound):
                uid = self._client.get(kinds.EXPERIMENTS, name, namespace)["metadata"]["uid"]
            self._store.check_purge(namespace, uid)
        missing = None
        try:
            self._client.delete_as(kinds.EXPERIMENTS, name, namespace, options)
        except NotFound as error:
            missing = error
        if options.get("dryRun"):
            purge = False
        else:
            self._watches.deleted(namespace, name)
        if purge and self._store is not None:
            self._store.purge(namespace, name, uid)
        if missing is not None:
            raise missing

    def idle_reason(self, experiment: Experiment) -> str:
        """Return why no operator has taken an experiment up; empty when one has."""
        if experiment.status is not None and experiment.status.conditions:
            return ""
        return why_unattended(self._client, experiment.metadata.namespace or "")

    def suggestion(self, namespace: str, name: str) -> Suggestion:
        """Return the Suggestion of an experiment: how many points its algorithm was asked for, and the newest it has given.

        Raises:
            NotFound: It has none, or not yet, or one that somebody else wrote and that is none.
        """
        found = self._client.get(kinds.SUGGESTIONS, name, namespace)
        try:
            return Suggestion.model_validate(found)
        except ValueError as error:
            raise NotFound(f"suggestion {namespace}/{name} cannot be read: {error}") from error

    def events(self, namespace: str, name: str, *, trial: str | None = None) -> list[Event]:
        """Return the Events about an experiment and its trials, or about one trial; a cluster forgets them after an hour."""
        found = self.get(namespace, name)
        if trial is not None:
            self.trial(namespace, name, trial)
            documents = self._client.events_about(namespace, "Trial", trial)
        else:
            uid = found.metadata.uid
            documents = [
                each
                for each in self._client.events_about(namespace, "Experiment", name)
                if (each.get("involvedObject") or {}).get("uid") in (None, "", uid)
            ]
            names = {each["metadata"]["name"] for each in self._trial_objects(namespace, name)}
            documents += [
                each
                for each in self._client.events_about(namespace, "Trial")
                if (each.get("involvedObject") or {}).get("name") in names
            ]
        return sorted(map(event_of, documents), key=lambda event: (event.last, event.first))

    def changes(self, namespace: str, name: str | None, cursor: str) -> Changes:
        """Return what changed since a cursor; see ``Experiments.changes``."""
        return self._watches.changes(namespace, name, cursor)

    # -- trials -------------------------------------------------------------------------------------------------------

    def trials(
        self,
        namespace: str,
        name: str,
        *,
        states: Collection[TrialState] | None = None,
        after_index: int | None = None,
        limit: int | None = None,
    ) -> list[TrialRecord]:
        """Return trials by index."""
        found = [record for each in self._trial_objects(namespace, name) if (record := record_of(each)) is not None]
        chosen = [
            record
            for record in sorted(found, key=lambda each: each.index)
            if (not states or record.state in states) and (after_index is None or record.index > after_index)
        ]
        return chosen if limit is None else chosen[:limit]

    def _trial_objects(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """Return the Trials of the experiment that has the name now.

        Raises:
            NotFound: None has it.
        """
        uid = self._client.get(kinds.EXPERIMENTS, name, namespace)["metadata"]["uid"]
        selector = label_selector({kinds.EXPERIMENT_UID_LABEL: uid})
        return self._client.list(kinds.TRIALS, namespace, label_selector=selector)[0]

    def trial(self, namespace: str, name: str, trial: str) -> TrialRecord:
        """Return one trial; one whose object somebody has deleted as the store has it."""
        try:
            record = record_of(self._trial_object(namespace, name, trial))
        except NotFound:
            if self._store is None:
                raise
            place = self._place(namespace, name, trial)
            with _named(namespace, name, trial):
                return self._store.trial(place)
        if record is None:
            raise _no_trial(namespace, name, trial)
        return record

    def _trial_object(self, namespace: str, name: str, trial: str) -> dict[str, Any]:
        found = self._client.get(kinds.TRIALS, trial, namespace)
        if (found["metadata"].get("labels") or {}).get(kinds.EXPERIMENT_LABEL) != name:
            raise _no_trial(namespace, name, trial)
        return found

    def _place(self, namespace: str, name: str, trial: str) -> dict[str, str]:
        """Return where a trial is in the store: below the experiment that has the name now.

        Raises:
            NotFound: None has it.
        """
        uid = self._client.get(kinds.EXPERIMENTS, name, namespace)["metadata"]["uid"]
        return {"namespace": namespace, "experiment_id": uid, "name": trial}

    def logs(self, namespace: str, name: str, trial: str, *, follow: bool = False) -> Iterator[bytes]:
        """Yield what a trial printed, for as long as its pods are there; see ``Experiments.logs``."""
        self._trial_object(namespace, name, trial)
        return trial_logs(self._client, namespace, trial, follow=follow)

    def observations(
        self,
        namespace: str,
        name: str,
        trial: str,
        *,
        metric: str | None = None,
        after_sequence: int | None = None,
        limit: int | None = None,
    ) -> list[Observed]:
        """Return what a trial reported; without a store, the last value of each metric, as the trial's status has it."""
        try:
            found = self._trial_object(
                namespace, name, trial
            )  # with the caller's rights, which the store does not know
        except NotFound:
            if self._store is None:
                raise
            place = self._place(namespace, name, trial)
            with _named(namespace, name, trial):
                return self._store.observations(place, metric=metric, after_sequence=after_sequence, limit=limit)
        if self._store is None:
            last = _last_values(found, metric)
            return [each for each in last if after_sequence is None or each.sequence > after_sequence][:limit]
        place = self._place(namespace, name, trial)
        # The operator tells the store of its trials in the background, within moments of their end.
        until = time.monotonic() + (_TO_BE_TOLD if is_final(found) else 0.0)
        while True:
            try:
                return self._store.observations(place, metric=metric, after_sequence=after_sequence, limit=limit)
            except NotFound:
                if time.monotonic() >= until:
                    return []
            time.sleep(_FIRST_PAUSE)

    # -- volumes ------------------------------------------------------------------------------------------------------

    @property
    def volumes(self) -> Volumes:
        """Volumes that trials share."""
        return ClusterVolumes(self._client)

    # -- trials that callers run --------------------------------------------------------------------------------------

    @property
    def workers(self) -> WorkerTrials:
        """Ask and tell."""
        return self._workers


def _key(resource: dict[str, Any]) -> tuple[str, str]:
    metadata = resource["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def _matches(resource: dict[str, Any], query: ExperimentQuery) -> bool:
    algorithm = ((resource.get("spec") or {}).get("algorithm") or {}).get("algorithmName") or ""
    if query.algorithm and algorithm != query.algorithm:
        return False
    if not resource["metadata"]["name"].startswith(query.name_prefix):
        return False
    return not query.states or any(state_of(each) in query.states for each in readable([resource]))


def _no_trial(namespace: str, name: str, trial: str) -> NotFound:
    return NotFound(f"experiment {namespace}/{name} has no trial {trial!r}")


@contextlib.contextmanager
def _named(namespace: str, name: str, trial: str) -> Iterator[None]:
    """Say of what the store does not know that it is this trial which is not there."""
    try:
        yield
    except NotFound as error:
        raise _no_trial(namespace, name, trial) from error


def _last_values(trial: dict[str, Any], metric: str | None) -> list[Observed]:
    status = trial.get("status") or {}
    ended = status.get("completionTime")
    found = []
    for sequence, each in enumerate((status.get("observation") or {}).get("metrics") or ()):
        text = each.get("latest") or ""
        if metric in (None, each.get("name")) and text:
            found.append(
                Observed(
                    sequence=sequence,
                    name=each.get("name") or "",
                    text=text,
                    value=_number(text),
                    time=datetime.fromisoformat(ended).astimezone(UTC) if ended else None,
                    step=None,
                )
            )
    return found


def _counts(found: Experiment, edited: Experiment) -> dict[str, Any]:
    """Return the patch of the counts that an edit changes."""
    before, after = found.spec.to_document(), edited.spec.to_document()
    counts = {name: after[name] for name in _COUNTS if name in after and after[name] != before.get(name)}
    return {"spec": counts} if counts else {}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
