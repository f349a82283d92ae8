"""``KatibStorage``: the storage that ``optuna.create_study(storage=...)`` takes.

What a method has written is durable when it returns. Who of several processes starts a waiting trial, and who ends a trial, is decided
by the store: the state is changed only from the states that the caller expects, under a lock of the run.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
import uuid
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.distributions import check_distribution_compatibility
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import TrialState as OptunaState
from typing_extensions import override

from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound
from katib.store import open_store
from katib.store.optuna import facts
from katib.store.optuna.cached_trials import CachedTrials
from katib.store.optuna.experiments import KatibReading
from katib.store.optuna.reading import OptunaReading
from katib.store.optuna.studies import directions_of, facts_of_new, made_up_name, name_of, title_of, type_of
from katib.store.optuna.times import now
from katib.store.optuna.trials import ACTIVE, Report, frozen, new_run, parameter_log, state_of, values_log
from katib.store.tracking.protocol import NO_LOG
from katib.store.tracking.records import (
    DEFAULT_PROJECT,
    ExperimentKind,
    Facts,
    Log,
    Node,
    NodeKind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
    from datetime import datetime

    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from katib.store.full_store import FullStore
    from katib.store.optuna.cached_trials import Seen
    from katib.store.optuna.reading import StudyReading
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run, SearchExperiment

__all__ = ["KatibStorage"]


@dataclass(slots=True)
class _Study:
    """A study that was asked for, with what never changes of it."""

    serial: int
    experiment_id: str
    run_id: str
    name: str
    kind: ExperimentKind
    reading: StudyReading
    trials: CachedTrials
    metric_names: Sequence[str] | None


class KatibStorage(BaseStorage, BaseHeartbeat):
    """Optuna's studies in a store of ours, and our experiments as studies that can be read.

    Example::

        study = optuna.create_study(study_name="digits", storage=KatibStorage("katib.db"))

    Args:
        url_or_store: What ``katib.store.open_store`` takes, or a store that is open and stays so.
        namespace: Nothing else is seen.
        project: Where studies are made and looked for; made when it is needed.
        actor: Who acts, for the audit.
        heartbeat_interval: Seconds between signs of life of a running trial (``Study.optimize`` gives them); None for none.
        grace_period: Seconds without one after which a trial counts as abandoned; twice the interval by default. The clocks of the
            machines must not differ by more.
        heartbeat_stale_trial_callback: Called for each abandoned trial after it was failed, such as
            ``optuna.storages.RetryHeartbeatStaleTrialCallback()``.
    """

    def __init__(
        self,
        url_or_store: str | Path | FullStore,
        *,
        namespace: str = "default",
        project: str = DEFAULT_PROJECT,
        actor: str = "optuna",
        heartbeat_interval: int | None = None,
        grace_period: int | None = None,
        heartbeat_stale_trial_callback: Callable[[Study, FrozenTrial], None] | None = None,
    ) -> None:
        for name, seconds in (("heartbeat_interval", heartbeat_interval), ("grace_period", grace_period)):
            if seconds is not None and seconds <= 0:
                raise ValueError(f"The value of `{name}` should be a positive integer.")
        self._place: str | Path = ""
        self._given: FullStore | None = None
        if isinstance(url_or_store, str | Path):
            self._place = url_or_store
        else:
            self._given = url_or_store
        self._parents: list[FullStore] = []
        self._namespace = namespace
        self._project = project
        self._actor = actor
        self._heartbeat_interval = heartbeat_interval
        self._grace_period = grace_period
        self._stale_callback = heartbeat_stale_trial_callback
        self._start()

    def _start(self) -> None:
        """Open the store in this process, knowing nothing yet."""
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._studies: dict[int, _Study] = {}
        self._project_id: str | None = None
        self._store: FullStore
        if self._given is not None:
            self._store = self._given
        else:
            self._store = open_store(self._place)
            self._closing = weakref.finalize(self, _close, self._store, self._process)

    def close(self) -> None:
        """Close the store, if it was opened here; otherwise that is done when the storage is no longer used."""
        if self._given is None:
            self._closing()

    @property
    def _tracking(self) -> Tracking:
        if os.getpid() != self._process and self._given is None:
            self._parents.append(self._store)  # a forked child must neither use its parent's connections nor close them
            self._start()
        return self._store.tracking(self._namespace, actor=self._actor)

    def __getstate__(self) -> dict[str, Any]:
        if self._given is not None:
            raise TypeError(
                "a KatibStorage of an open store cannot go to another process: make it from the store's URL"
            )
        kept = ("_place", "_namespace", "_project", "_actor", "_heartbeat_interval", "_grace_period", "_stale_callback")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _given=None, _parents=[])
        self._start()

    # -- studies --------------------------------------------------------------------------------------------------

    @override
    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        tracking = self._tracking
        name = made_up_name() if study_name is None else study_name
        project = self._find_project() or self._make_project()
        try:
            experiment = tracking.create_search(
                title_of(name),
                project_id=project,
                kind=ExperimentKind.OPTUNA,
                objective=facts.metric_name(0),
                objective_type=type_of(directions[0]),
                facts=facts_of_new(name, directions),
            )
        except Conflict as error:
            raise DuplicatedStudyError(str(error)) from error
        return self._keep(experiment).serial

    @override
    def delete_study(self, study_id: int) -> None:
        study = self._study(study_id)
        self._refuse_ours(study)
        with _missing_as_key_error():
            self._tracking.delete(Node(NodeKind.EXPERIMENT, study.experiment_id))
        with self._lock:
            self._studies.pop(study_id, None)

    @override
    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._set_study_attr(study_id, facts.USER, key, value)

    @override
    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._set_study_attr(study_id, facts.SYSTEM, key, value)

    def _set_study_attr(self, study_id: int, prefix: str, key: str, value: Any) -> None:
        study = self._study(study_id)
        self._refuse_ours(study)
        tracking = self._tracking
        properties = {f"{prefix}{key}": facts.json_value(key, value)}
        with _missing_as_key_error():
            tracking.set_facts(Node(NodeKind.EXPERIMENT, study.experiment_id), Facts(properties=properties))
            if prefix == facts.SYSTEM and key == facts.METRIC_NAMES and value:
                study.metric_names = list(value)
                tracking.update_search(study.experiment_id, objective=facts.metric_name(0, value))

    @override
    def get_study_id_from_name(self, study_name: str) -> int:
        project = self._find_project()
        if project is None:
            raise KeyError(f"There is no study named {study_name!r}.")
        with _missing_as_key_error():
            experiment = self._tracking.search_named(project, title_of(study_name))
        if experiment.kind is ExperimentKind.TRACKED or name_of(experiment) != study_name or experiment.deleted:
            raise KeyError(f"There is no study named {study_name!r}.")
        return self._keep(experiment).serial

    @override
    def get_study_name_from_id(self, study_id: int) -> str:
        return self._study(study_id).name

    @override
    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._study(study_id).reading.directions

    @override
    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return facts.of_prefix(self._experiment(study_id).facts.properties, facts.USER)

    @override
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        known = facts.of_prefix(self._experiment(study_id).facts.properties, facts.SYSTEM)
        return {**self._study(study_id).reading.system_attrs(), **known}

    @override
    def get_all_studies(self) -> list[FrozenStudy]:
        project = self._find_project()
        if project is None:
            return []
        found: dict[int, FrozenStudy] = {}
        cursor: str | None = None
        while True:
            page = self._tracking.find_searches(project_ids=[project], cursor=cursor)
            for experiment in page.items:
                if experiment.kind is ExperimentKind.TRACKED:
                    continue
                study = self._keep(experiment)
                properties = experiment.facts.properties
                found[study.serial] = FrozenStudy(
                    study_name=study.name,
                    direction=None,
                    directions=study.reading.directions,
                    user_attrs=facts.of_prefix(properties, facts.USER),
                    system_attrs={**study.reading.system_attrs(), **facts.of_prefix(properties, facts.SYSTEM)},
                    study_id=study.serial,
                )
            cursor = page.cursor
            if cursor is None:
                return [found[serial] for serial in sorted(found)]

    def _find_project(self) -> str | None:
        """Return the id of the project, if there is one."""
        tracking = self._tracking
        if self._project_id is None:
            with contextlib.suppress(NotFound):
                self._project_id = tracking.project_named(self._project).id
        return self._project_id

    def _make_project(self) -> str:
        tracking = self._tracking
        try:
            made = tracking.create_project(self._project)
        except Conflict:  # somebody else has made it meanwhile
            made = tracking.project_named(self._project)
        self._project_id = made.id
        return made.id

    def _experiment(self, study_id: int) -> SearchExperiment:
        """Return the experiment of a study as it is now."""
        study = self._study(study_id)
        with _missing_as_key_error():
            experiment = self._tracking.search(study.experiment_id)
        if experiment.deleted is not None:
            raise KeyError(f"There is no study with the id {study_id}.")
        return experiment

    def _study(self, study_id: int) -> _Study:
        tracking = self._tracking
        with self._lock:
            known = self._studies.get(study_id)
        if known is not None:
            return known
        with _missing_as_key_error():
            experiment = tracking.search(tracking.id_of(NodeKind.EXPERIMENT, study_id))
        foreign = experiment.project_id != self._find_project() or experiment.kind is ExperimentKind.TRACKED
        if foreign or experiment.deleted is not None:
            raise KeyError(f"There is no study with the id {study_id}.")
        return self._keep(experiment)

    def _keep(self, experiment: SearchExperiment) -> _Study:
        with self._lock:
            known = self._studies.get(experiment.serial)
            if known is not None:
                return known
            reading: StudyReading = (
                OptunaReading(directions_of(experiment)) if experiment.spec is None else KatibReading(experiment.spec)
            )
            names = experiment.facts.properties.get(f"{facts.SYSTEM}{facts.METRIC_NAMES}")
            study = _Study(
                serial=experiment.serial,
                experiment_id=experiment.id,
                run_id=experiment.run_id,
                name=name_of(experiment),
                kind=experiment.kind,
                reading=reading,
                trials=CachedTrials(experiment.id, reading),
                metric_names=names if isinstance(names, list) else None,
            )
            self._studies[experiment.serial] = study
            return study

    def _refuse_ours(self, study: _Study) -> None:
        if study.kind is not ExperimentKind.OPTUNA:
            raise Conflict(f"the experiment {study.name!r} is driven by Katib: Optuna can read it, and not change it")

    # -- trials ---------------------------------------------------------------------------------------------------

    @override
    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        study = self._study(study_id)
        self._refuse_ours(study)
        new = new_run(study.experiment_id, uuid.uuid4().hex, template_trial, study.metric_names)
        with _missing_as_key_error():
            try:
                run = self._tracking.create_run(new, parts=())
            except Conflict as error:
                raise KeyError(str(error)) from error  # the study is deleted
        intermediate = {} if template_trial is None else template_trial.intermediate_values
        self._absorb(study, run, new.log.facts.properties, intermediate)
        return run.serial

    @override
    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        study, seen = self._changeable(trial_id)
        with self._lock:
            known = study.trials.distribution(param_name)
            if known is None:
                study.trials.refresh(self._tracking)
                known = study.trials.distribution(param_name)
        if known is not None:
            check_distribution_compatibility(known, distribution)
        order = len(seen.trial.params)
        self._write(study, seen, log=parameter_log(param_name, param_value_internal, distribution, order))

    @override
    def set_trial_state_values(self, trial_id: int, state: OptunaState, values: Sequence[float] | None = None) -> bool:
        study, seen = self._changeable(trial_id)
        starts = state == OptunaState.RUNNING
        try:
            self._write(
                study,
                seen,
                state=state_of(state),
                started=now() if starts else None,
                ended=now() if state.is_finished() else None,
                log=values_log(values, study.metric_names),
                expected={TrialState.CREATED} if starts else ACTIVE,
                best=values[0] if values and state == OptunaState.COMPLETE else None,
            )
        except _NotExpectedError:
            return False
        return True

    @override
    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        study, seen = self._changeable(trial_id)
        value = float(intermediate_value)
        report = Report(facts.INTERMEDIATE, repr(value), now(), step)
        self._write(study, seen, log=Log(samples=[report]), intermediate={step: value})

    @override
    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._set_trial_attr(trial_id, facts.USER, key, value)

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        self._set_trial_attr(trial_id, facts.SYSTEM, key, value)

    def _set_trial_attr(self, trial_id: int, prefix: str, key: str, value: Any) -> None:
        study, seen = self._changeable(trial_id)
        properties = {f"{prefix}{key}": facts.json_value(key, value)}
        self._write(study, seen, log=Log(facts=Facts(properties=properties)))

    def _changeable(self, trial_id: int) -> tuple[_Study, Seen]:
        """Return a trial as it was last seen, if it may be changed as far as that goes."""
        study = self._study_with(trial_id)
        self._refuse_ours(study)
        with self._lock:
            seen = study.trials.get(trial_id)
        if seen is None:
            seen = self._look(study, trial_id)
        self.check_trial_is_updatable(trial_id, seen.trial.state)
        return study, seen

    def _write(
        self,
        study: _Study,
        seen: Seen,
        *,
        state: TrialState | None = None,
        started: datetime | None = None,
        ended: datetime | None = None,
        log: Log = NO_LOG,
        expected: Collection[TrialState] = ACTIVE,
        intermediate: dict[int, float] | None = None,
        best: float | None = None,
    ) -> None:
        """Change a trial that is in one of the expected states.

        Raises:
            UpdateFinishedTrialError: It has ended.
            _NotExpectedError: It is in another state.
        """
        tracking = self._tracking
        trial_id = seen.trial_id
        with _missing_as_key_error():
            try:
                with self._with_best(tracking, study, best):
                    run = tracking.update_run(
                        seen.run_id,
                        state=state,
                        started=started,
                        ended=ended,
                        log=log,
                        expected=expected,
                        parts=(),
                    )
            except Conflict:
                current = self._look(study, trial_id)
                self.check_trial_is_updatable(trial_id, current.trial.state)
                raise _NotExpectedError from None
        with self._lock:
            seen = study.trials.get(trial_id) or seen
            properties = {**seen.properties, **log.facts.properties}
            self._absorb(study, run, properties, {**seen.trial.intermediate_values, **(intermediate or {})})

    @contextlib.contextmanager
    def _with_best(self, tracking: Tracking, study: _Study, value: float | None) -> Iterator[None]:
        """Let the best value of the experiment follow in the same change, where this may be the best so far."""
        directions = study.reading.directions
        if value is None or len(directions) > 1:
            yield
            return
        smaller = directions[0] != StudyDirection.MAXIMIZE

        def beats(known: float | None) -> bool:
            return known is None or (value < known if smaller else value > known)

        with self._lock:
            known = study.trials.best(smaller=smaller)
        if not beats(known):
            yield
            return
        with tracking.transaction():
            yield
            if beats(tracking.search(study.experiment_id).best):
                tracking.update_search(study.experiment_id, best=value)

    def _absorb(
        self, study: _Study, run: Run, properties: Mapping[str, Any], intermediate: Mapping[int, float]
    ) -> None:
        """Know a run from now on as this process has just written it."""
        written = replace(run, facts=Facts(properties=properties))
        trial = frozen(written, ())
        trial.intermediate_values = dict(intermediate)
        with self._lock:
            study.trials.absorb(written, trial)

    def _study_with(self, trial_id: int) -> _Study:
        tracking = self._tracking
        with self._lock:
            for study in self._studies.values():
                if study.trials.get(trial_id) is not None:
                    return study
        with _missing_as_key_error():
            run = tracking.run(tracking.id_of(NodeKind.RUN, trial_id), ())
            if run.experiment_id is None or run.deleted is not None:
                raise KeyError(f"There is no trial with the id {trial_id}.")
            return self._study(tracking.search(run.experiment_id).serial)

    def _look(self, study: _Study, trial_id: int) -> Seen:
        """Return a trial as it is now."""
        with self._lock:
            study.trials.refresh(self._tracking)
            seen = study.trials.get(trial_id)
        if seen is None:
            raise KeyError(f"There is no trial with the id {trial_id}.")
        return seen

    @override
    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        study = self._study(study_id)
        with self._lock:
            study.trials.refresh(self._tracking)
            for seen in study.trials.seen():
                if seen.trial.number == trial_number:
                    return seen.trial_id
        raise KeyError(f"There is no trial with the number {trial_number} in the study {study_id}.")

    @override
    def get_trial(self, trial_id: int) -> FrozenTrial:
        study = self._study_with(trial_id)
        with self._lock:
            seen = study.trials.get(trial_id)
        if seen is None or not seen.trial.state.is_finished():
            seen = self._look(study, trial_id)
        return _copy(seen.trial)

    @override
    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[OptunaState] | None = None
    ) -> list[FrozenTrial]:
        study = self._study(study_id)
        with self._lock:
            study.trials.refresh(self._tracking)
            trials = study.trials.all()
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    # -- heartbeats -----------------------------------------------------------------------------------------------

    @override
    def record_heartbeat(self, trial_id: int) -> None:
        study, seen = self._changeable(trial_id)
        log = Log(facts=Facts(properties={facts.HEARTBEAT: int(now().timestamp() * 1e6)}))
        with contextlib.suppress(UpdateFinishedTrialError):
            self._write(study, seen, log=log)

    @override
    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        if self._heartbeat_interval is None:
            return []
        grace = self._grace_period or 2 * self._heartbeat_interval
        oldest = int((now().timestamp() - grace) * 1e6)
        study = self._study(study_id)
        with self._lock:
            study.trials.refresh(self._tracking)
            return [
                seen.trial_id
                for seen in study.trials.seen()
                if seen.trial.state == OptunaState.RUNNING and seen.heartbeat is not None and seen.heartbeat < oldest
            ]

    @override
    def get_heartbeat_interval(self) -> int | None:
        return self._heartbeat_interval

    @override
    def get_heartbeat_stale_trial_callback(self) -> Callable[[Study, FrozenTrial], None] | None:
        return self._stale_callback

    @override
    def remove_session(self) -> None:
        """Do nothing: connections go back to their pool after every call."""


def _close(store: FullStore, process: int) -> None:
    if os.getpid() == process:
        store.close()


class _NotExpectedError(Exception):
    """The trial is in another state than the caller expected, and has not ended."""


@contextlib.contextmanager
def _missing_as_key_error() -> Iterator[None]:
    """Raise what Optuna's storages raise for what is not there."""
    try:
        yield
    except NotFound as error:
        raise KeyError(str(error)) from error


def _copy(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial that its owner may change: ``optuna.Trial`` does."""
    copied = copy.copy(trial)
    copied.params = dict(trial.params)
    copied.distributions = dict(trial.distributions)
    copied.user_attrs = dict(trial.user_attrs)
    copied.system_attrs = dict(trial.system_attrs)
    copied.intermediate_values = dict(trial.intermediate_values)
    return copied
