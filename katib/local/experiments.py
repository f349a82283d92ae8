"""Experiments of this machine, run by threads of this process: what ``katib up`` serves, and what a client without a server has.

The store says what there is and what was asked; drivers read it there, so it makes no difference which thread or process asked.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import time
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from katib.api.trial import TrialState
from katib.engine.status import over
from katib.errors import Conflict, DeadlineExceeded, InvalidExperiment, KatibError, NotFound, Problem, StoreUnavailable
from katib.experiments.over import DELETING
from katib.local.budget import with_budget
from katib.local.hosted_answers import AskedFor
from katib.local.hosted_changes import changes_of_experiment, changes_of_namespace
from katib.local.hosted_drivers import HostedDrivers, is_at_rest
from katib.local.hosted_edits import record_edit
from katib.local.hosted_logs import pieces_of
from katib.local.hosted_requests import as_given, digest_of, gone, is_at_home, made_by, noted
from katib.local.hosted_search import deleted_uids, find
from katib.local.runtime import WORKERS, is_of_cluster, is_run_by_callers, with_runtime
from katib.local.source_folder import with_source_folder
from katib.local.submit import check, submit
from katib.local.worker_experiments import WorkerExperiments
from katib.store.tracking.records import Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from types import TracebackType

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Budget, Changes, ExperimentQuery, Page, WorkerTrials
    from katib.local.home import Home
    from katib.store.full_store import FullStore
    from katib.store.protocol import Event, Observed, RequestKind

__all__ = ["LocalExperiments"]

_LOGGER: Final = logging.getLogger(__name__)
_KEEP_SECONDS: Final = 5.0
"""How often a server looks for experiments that nobody drives."""
_POLITE_SECONDS: Final = 10.0
"""How long trials of a deleted experiment are given to end before they are killed."""
_KILL_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.05
_MEANT: Final = "meant"


class LocalExperiments:
    """The experiments of a store, on this machine (``katib.experiments.protocol.Experiments``).

    Example::

        with open_store(home.store_path) as store, LocalExperiments(home, store) as experiments:
            experiments.create("default", Path("experiment.yaml").read_text())

    Args:
        home: Where trials put their files.
        store: Open for as long as this is; it is not closed with it.
        runtime: What runs the trials of new experiments: ``process``, ``docker`` or ``podman``.
        tracking_uri: Where MLflow's client in a trial finds the store; None for nowhere.
        config_maps: A folder that stands for a cluster's ConfigMaps; None for ``configmaps`` in the working folder.
        owner: Whose new experiments are; None for whoever runs this process.
    """

    def __init__(
        self,
        home: Home,
        store: FullStore,
        *,
        runtime: str = "process",
        tracking_uri: str | None = None,
        config_maps: Path | None = None,
        owner: str | None = None,
    ) -> None:
        self._home = home
        self._store = store
        self._runtime = runtime
        self._config_maps = config_maps
        self._owner = owner
        self._drivers = HostedDrivers(home, store, tracking_uri=tracking_uri)
        self._workers = WorkerExperiments(home, store)
        self._closing = threading.Event()
        self._keeper: threading.Thread | None = None
        self._close_at_exit = _close_at_exit(self)
        atexit.register(self._close_at_exit)

    # -- hosting ----------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Go on with every experiment of this machine that is not over; once, and from now on with those that others leave.

        One that another process drives is left to it for as long as that process is there. Nothing an experiment has done to itself
        hinders the others: one that cannot be driven says so, and is tried again.
        """
        unattended = self._take_over(set(), at_once=True)
        self._keeper = threading.Thread(target=self._keep, args=(unattended,), name="recover", daemon=True)
        self._keeper.start()

    def _keep(self, unattended: set[str]) -> None:
        while not self._closing.wait(_KEEP_SECONDS):
            with contextlib.suppress(KatibError):  # the store is away: it is looked again
                unattended = self._take_over(unattended, at_once=False)

    def _take_over(self, unattended: set[str], *, at_once: bool) -> set[str]:
        """Drive what nobody drives; returns what nobody drove now, and is driven if it is still so the next time.

        Args:
            unattended: What nobody drove the last time. ``katib run`` takes a moment from recording an experiment to driving it.
            at_once: Drive also what was not looked at before, if it is no newer than that moment.
        """
        found = set()
        now = datetime.now(UTC)
        hosted = self._drivers.uids()
        summaries = self._store.experiments()
        for uid in hosted - {summary.uid for summary in summaries}:
            self._drivers.end(uid)  # it was deleted through another door
        for summary in summaries:
            uid = summary.uid
            if is_at_rest(summary.status) or self._is_hosted(uid) or self._home.is_driven(uid):
                continue
            is_old = (now - summary.created).total_seconds() > _KEEP_SECONDS
            if uid not in unattended and not (at_once and is_old):
                found.add(uid)
                continue
            try:
                experiment = self._store.experiment(summary.namespace, summary.name)
                if not is_of_cluster(experiment) and is_at_home(experiment, self._home):
                    self._host(experiment)
            except NotFound:
                continue  # since just now
            except KatibError as error:  # it cannot be read; the others can
                _LOGGER.warning("experiment %s in namespace %s: %s", summary.name, summary.namespace, error)
        return found

    def idle_reason(self, experiment: Experiment) -> str:
        """Return why nothing happens to an experiment; empty when something drives it, or may on another machine."""
        uid, name = experiment.metadata.uid or "", experiment.metadata.name
        if is_at_rest(experiment.status) or self._is_hosted(uid) or self._home.is_driven(uid):
            return ""
        if is_of_cluster(experiment):
            return "a cluster's operator drives it, and here is only what that has recorded"
        if not is_at_home(experiment, self._home):
            return ""
        return f"no process drives it: resume_experiment({name!r}) or `katib resume {name}` goes on with it"

    def _is_hosted(self, uid: str) -> bool:
        return self._drivers.is_hosted(uid) or self._workers.is_hosted(uid)

    def _is_ours_to_drive(self, experiment: Experiment) -> bool:
        """Whether no other process and no other machine drives an experiment."""
        uid = experiment.metadata.uid or ""
        return self._is_hosted(uid) or (is_at_home(experiment, self._home) and not self._home.is_driven(uid))

    def _host(self, experiment: Experiment) -> None:
        """Have an experiment driven; one that is driven here looks at what was asked of it."""
        if self._closing.is_set():
            return
        if is_run_by_callers(experiment):
            self._workers.host(experiment)
        else:
            self._drivers.host(experiment)

    def close(self) -> None:
        """Let go of everything; trials run on, and ``recover`` (or ``katib resume``) takes them over."""
        self._closing.set()
        atexit.unregister(self._close_at_exit)
        if self._keeper is not None:
            self._keeper.join()
        self._drivers.close()
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- experiments ------------------------------------------------------------------------------------------------

    def create(self, namespace: str, document: str, *, request_id: str = "", dry_run: bool = False) -> Experiment:
        """Record one experiment, which begins at once; see ``Experiments.create``."""
        if self._closing.is_set():
            raise StoreUnavailable("this place of experiments was closed, and runs nothing more")
        found = check(
            document, runtime=self._runtime, config_maps=self._config_maps, namespace=namespace, for_callers=True
        )
        if len(found) != 1:
            raise InvalidExperiment([Problem("", f"one experiment is wanted here, not {len(found)}")])
        given = as_given(found[0])
        digest = digest_of(given)
        asked = AskedFor(self._store, namespace, request_id, "create", digest)

        def made_before() -> Experiment | None:
            return self._made_before(namespace, given.metadata.name, asked, request_id, digest)

        existing = made_before()
        if existing is not None:
            if not dry_run:
                self._go_on(existing)
            return asked.experiment() or existing
        if dry_run:
            return given
        if given.spec.trial_template is None:
            ready = with_runtime(given, WORKERS)
        else:
            ready = with_runtime(with_source_folder(given, ""), self._runtime)
        with self._store.transaction():
            existing = made_before()  # since just now
            if existing is not None:
                return asked.experiment() or existing
            experiment = submit(
                self._home, self._store, noted(ready, self._home, request_id, digest), owner=self._owner
            )
            asked.keep_experiment(experiment)
        self._host(experiment)
        return experiment

    def _made_before(
        self, namespace: str, name: str, asked: AskedFor, request_id: str, digest: str
    ) -> Experiment | None:
        """Return what the same request has made before, if it has.

        Raises:
            Conflict: The name is another one's, or the id another request's.
            NotFound: It was deleted since.
        """
        made = asked.experiment()
        try:
            existing = self._store.experiment(namespace, name)
        except NotFound:
            if made is not None:
                raise gone(name) from None
            return None
        if made is not None:
            if made.metadata.uid != existing.metadata.uid:
                raise gone(name)
            return existing
        if made_by(existing, request_id, digest):
            return existing
        raise Conflict(f"namespace {namespace!r} has an experiment named {name!r} already")

    def _go_on(self, experiment: Experiment) -> None:
        """Have an experiment driven that was recorded by a process which died before it could drive it."""
        if not is_at_rest(experiment.status) and not self._home.is_driven(experiment.metadata.uid or ""):
            self._host(experiment)

    def get(self, namespace: str, name: str) -> Experiment:
        """Return an experiment with its status."""
        return self._store.experiment(namespace, name)

    def find(self, namespace: str | None, query: ExperimentQuery) -> Page:
        """Return experiments of one namespace, or of all; see ``Experiments.find``."""
        return find(self._store, namespace, query)

    def stop(self, namespace: str, name: str, *, at_once: bool = False, request_id: str = "") -> Experiment:
        """Ask for the end of an experiment; see ``Experiments.stop``."""
        asked = AskedFor(self._store, namespace, request_id, "stop", name, at_once)
        with self._store.transaction():
            answered = asked.experiment()
            if answered is not None:
                return answered
            experiment = self._ours(namespace, name)
            asked.keep_experiment(experiment)
            if is_at_rest(experiment.status) or (over(experiment.status) and not at_once):
                return experiment
            self._store.request(experiment.metadata.uid or "", _word_of_end(at_once=at_once))
        self._drive_to_its_end(experiment, at_once=at_once)
        return experiment

    def _ask_to_end(self, experiment: Experiment, *, at_once: bool) -> None:
        """Note that an experiment is to end, and have it end."""
        self._store.request(experiment.metadata.uid or "", _word_of_end(at_once=at_once))
        self._drive_to_its_end(experiment, at_once=at_once)

    def _drive_to_its_end(self, experiment: Experiment, *, at_once: bool) -> None:
        """Have the driver of an experiment see that it is to end; without one, it is driven to its end."""
        uid = experiment.metadata.uid or ""
        if not self._is_ours_to_drive(experiment):
            return  # its driver looks into the store
        self._host(experiment)
        if is_run_by_callers(experiment):
            self._workers.stop(uid, at_once=at_once)

    def resume(
        self,
        namespace: str,
        name: str,
        *,
        max_trials: int | None = None,
        parallel: int | None = None,
        request_id: str = "",
    ) -> Experiment:
        """Go on with an experiment, perhaps with other counts; see ``Experiments.resume``."""
        return self._edit(
            namespace,
            name,
            lambda experiment: with_budget(experiment, max_trials=max_trials, parallel=parallel),
            AskedFor(self._store, namespace, request_id, "resume", name, max_trials, parallel),
            resumes=True,
        )

    def edit_budget(self, namespace: str, name: str, budget: Budget, *, request_id: str = "") -> Experiment:
        """Change how many trials there are to be; see ``Experiments.edit_budget``."""
        trials, parallel, failed = (
            budget.max_trial_count,
            budget.parallel_trial_count,
            budget.max_failed_trial_count,
        )
        return self._edit(
            namespace,
            name,
            lambda experiment: with_budget(experiment, max_trials=trials, parallel=parallel, max_failed=failed),
            AskedFor(self._store, namespace, request_id, "edit", name, trials, parallel, failed),
            resumes=False,
        )

    def _edit(
        self,
        namespace: str,
        name: str,
        edit: Callable[[Experiment], Experiment],
        asked: AskedFor,
        *,
        resumes: bool,
    ) -> Experiment:
        answered = asked.experiment()
        if answered is not None:
            return answered
        experiment = self._ours(namespace, name)
        uid = experiment.metadata.uid or ""
        if is_run_by_callers(experiment) and over(experiment.status):
            self._workers.release(uid)  # so that nobody writes its old status any more
        experiment = record_edit(self._store, namespace, name, edit, asked, resumes=resumes)
        if not over(experiment.status):
            if is_run_by_callers(experiment):
                self._workers.edited(uid)
            if self._is_ours_to_drive(experiment):
                self._host(experiment)
        return experiment

    def delete(self, namespace: str, name: str, *, purge: bool = False, request_id: str = "") -> None:
        """Remove an experiment, ending what runs of it; see ``Experiments.delete``."""
        asked = AskedFor(self._store, namespace, request_id, "delete", name, purge)
        try:
            experiment = self._to_delete(namespace, name, asked)
        except NotFound:
            if purge:
                self._purge_deleted(namespace, name)
            asked.keep({})
            return
        if experiment is None:
            return
        uid = experiment.metadata.uid or ""
        if not is_at_rest(experiment.status) or self._home.is_driven(uid):
            with contextlib.suppress(NotFound):
                # Whoever waits for it sees its end before it is gone.
                self._store.record_event(uid, DELETING, "Experiment is being deleted: what runs of it is ended first")
            self._end(experiment)
        with self._store.transaction():
            with contextlib.suppress(NotFound):
                if purge:
                    self._store.delete_experiment(uid)
                else:
                    self._store.tracking(namespace, actor=self._owner or "").delete(Node(NodeKind.EXPERIMENT, uid))
            asked.keep({})
        if purge:
            self._home.remove_experiment(uid)

    def _to_delete(self, namespace: str, name: str, asked: AskedFor) -> Experiment | None:
        """Return the experiment that a request is to delete; None where it has done so already.

        Which one it is, is kept: ending it takes its time, and whoever asks again after this process was killed in between means no
        other one that has its name by then.
        """
        with self._store.transaction():
            said = asked.answer()
            if said is not None and _MEANT not in said:
                return None
            experiment = self._ours(namespace, name)
            if said is not None and said[_MEANT] != experiment.metadata.uid:
                return None
            asked.keep({_MEANT: experiment.metadata.uid})
            return experiment

    def _end(self, experiment: Experiment) -> None:
        """End an experiment and wait until nothing of it runs.

        Raises:
            DeadlineExceeded: It does not end; it was asked to, and goes on ending.
        """
        namespace, name = experiment.metadata.namespace or "default", experiment.metadata.name
        uid = experiment.metadata.uid or ""

        def has_ended() -> bool:
            try:
                status = self._store.experiment(namespace, name).status
            except NotFound:
                return True
            return is_at_rest(status) and not self._home.is_driven(uid)

        for at_once, seconds in ((is_run_by_callers(experiment), _POLITE_SECONDS), (True, _KILL_SECONDS)):
            self._ask_to_end(experiment, at_once=at_once)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if has_ended():
                    return
                time.sleep(_LOOK_SECONDS)
        if is_at_home(experiment, self._home) and not self._home.is_driven(uid):
            self._drivers.release(uid)  # nobody is able to drive it
            return
        if is_at_home(experiment, self._home):
            raise DeadlineExceeded(f"experiment {name!r} has not ended yet, though it was told to: delete it again")
        raise DeadlineExceeded(
            f"experiment {name!r} runs on another machine, which has not ended it yet: delete it again; if that machine "
            f"is gone for good, `katib delete {name}` asks nobody"
        )

    def _purge_deleted(self, namespace: str, name: str) -> None:
        """Remove for good what was deleted before; of several that had the name, none: a person has to choose."""
        deleted = deleted_uids(self._store.tracking(namespace), name)
        if len(deleted) == 1:
            self._store.delete_experiment(deleted[0])
            self._home.remove_experiment(deleted[0])

    def events(self, namespace: str, name: str, *, trial: str | None = None) -> list[Event]:
        """Return what was worth telling, oldest first."""
        return self._store.events(self._uid(namespace, name), trial)

    def changes(self, namespace: str, name: str | None, cursor: str) -> Changes:
        """Return what changed since a cursor; see ``Experiments.changes``."""
        if name is None:
            return changes_of_namespace(self._store, namespace, cursor)
        return changes_of_experiment(self._store, namespace, name, cursor)

    # -- trials -----------------------------------------------------------------------------------------------------

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
        uid = self._uid(namespace, name)
        return self._store.trials(uid, states=states, after_index=after_index, limit=limit)

    def trial(self, namespace: str, name: str, trial: str) -> TrialRecord:
        """Return one trial."""
        return self._store.trial(self._uid(namespace, name), trial)

    def logs(self, namespace: str, name: str, trial: str, *, follow: bool = False) -> Iterator[bytes]:
        """Yield what a trial printed; see ``Experiments.logs``."""
        experiment = self._store.experiment(namespace, name)
        uid = experiment.metadata.uid or ""
        record = self._store.trial(uid, trial)
        if is_run_by_callers(experiment):
            raise NotFound(f"trial {trial!r} is run by its caller, who has what it prints")
        if record.imported:
            raise NotFound(f"trial {trial!r} was never run: its result was given with the experiment")
        path = self._home.output(uid, trial)
        if not record.state.is_active and not path.exists():
            said = "it never began to run" if record.started is None else "its log is gone, or on another machine"
            raise NotFound(f"trial {trial!r} has no log: {said}")

        def goes_on() -> bool:
            if not follow or self._closing.is_set():
                return False
            try:
                return self._store.trial(uid, trial).state.is_active
            except NotFound:
                return False

        return pieces_of(path, goes_on)

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
        """Return what a trial reported, in the order of reporting."""
        uid = self._uid(namespace, name)
        return self._store.series(uid, trial, metric, after_sequence=after_sequence, limit=limit)

    @property
    def workers(self) -> WorkerTrials:
        """Ask and tell."""
        return self._workers

    # -- inside -----------------------------------------------------------------------------------------------------

    def _uid(self, namespace: str, name: str) -> str:
        known = self._store.versions(namespace, name)
        if not known:
            raise NotFound(f"namespace {namespace!r} has no experiment named {name!r}")
        return known[0].uid

    def _ours(self, namespace: str, name: str) -> Experiment:
        """Return an experiment that is not a cluster's.

        Raises:
            Conflict: It is.
        """
        experiment = self._store.experiment(namespace, name)
        if is_of_cluster(experiment):
            raise Conflict(f"experiment {name!r} is driven by a cluster's operator: change it there")
        return experiment


def _word_of_end(*, at_once: bool) -> RequestKind:
    """Return how a driver is asked to end its experiment."""
    return "kill" if at_once else "stop"


def _close_at_exit(experiments: LocalExperiments) -> Callable[[], None]:
    """Return what lets go of everything when the process ends, if it is still there."""
    reference = weakref.ref(experiments)

    def close() -> None:
        found = reference()
        if found is not None:
            found.close()

    return close
