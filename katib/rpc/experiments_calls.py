"""The calls of the experiments' API that are made and answered once: from a request to what is asked of experiments, and to the reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from google.protobuf.message import Message

from katib.access import Role
from katib.errors import InvalidInput, Problem
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_messages import event_message, experiment_message, measured_message, trial_message
from katib.rpc.experiments_requests import (
    check_texts,
    read_budget,
    read_count,
    read_document,
    read_page_size,
    read_query,
    read_start,
    read_trial_states,
)
from katib.rpc.experiments_search import in_search

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.experiments.protocol import Experiments
    from katib.rpc.experiments_kinds import ParameterKinds

    Ask: TypeAlias = Callable[[Experiments, str, ParameterKinds], Message]
    """Asks experiments of a namespace, in a thread."""

__all__ = ["CALLS", "ExperimentCall", "listed"]

Q = TypeVar("Q", bound=Message)


@dataclass(frozen=True, slots=True)
class ExperimentCall:
    """A call that is made and answered once.

    Attributes:
        request: The class of its request, which has a ``namespace``.
        prepare: Checks a request, and returns what asks and makes the reply.
        role: What a caller has to be allowed.
        once: Whether its request id is to be remembered here too, beside where the experiments are.
    """

    request: Any
    prepare: Callable[[Any], Ask]
    role: Callable[[Any], Role]
    once: bool = False


def _reads(request: type[Q], prepare: Callable[[Q], Ask]) -> ExperimentCall:
    return ExperimentCall(request, prepare, lambda _: Role.READ)


def _changes(request: type[Q], prepare: Callable[[Q], Ask], *, once: bool = True) -> ExperimentCall:
    return ExperimentCall(request, prepare, lambda _: Role.WRITE, once)


def _create(request: wire.CreateExperimentRequest) -> Ask:
    check_texts(request, optional=("request_id",))
    document = read_document(request)

    def ask(experiments: Experiments, namespace: str, _: ParameterKinds) -> Message:
        try:
            created = experiments.create(namespace, document, request_id=request.request_id, dry_run=request.dry_run)
        except InvalidInput as error:
            raise (in_search(error, request.search) if request.HasField("search") else error) from None
        return experiment_message(created)

    return ask


def _get(request: wire.GetExperimentRequest) -> Ask:
    check_texts(request, "name")
    return lambda experiments, namespace, _: experiment_message(experiments.get(namespace, request.name))


def listed(request: wire.ListExperimentsRequest) -> Callable[[Experiments, str | None], Message]:
    """Return what lists experiments of a namespace, or of all.

    Raises:
        InvalidInput: The request is wrong.
    """
    query = read_query(request)
    if request.all_namespaces and request.namespace:
        raise InvalidInput([Problem("all_namespaces", "must not stand beside namespace", request.namespace)])

    def ask(experiments: Experiments, namespace: str | None) -> Message:
        page = experiments.find(namespace, query)
        return wire.ListExperimentsResponse(
            experiments=[experiment_message(experiment) for experiment in page.experiments],
            next_page_token=page.after,
        )

    return ask


def _stop(request: wire.StopExperimentRequest) -> Ask:
    check_texts(request, "name", optional=("request_id",))
    return lambda experiments, namespace, _: experiment_message(
        experiments.stop(namespace, request.name, at_once=request.at_once, request_id=request.request_id)
    )


def _resume(request: wire.ResumeExperimentRequest) -> Ask:
    check_texts(request, "name", optional=("request_id",))
    trials, parallel = read_count(request, "max_trial_count"), read_count(request, "parallel_trial_count")
    return lambda experiments, namespace, _: experiment_message(
        experiments.resume(namespace, request.name, max_trials=trials, parallel=parallel, request_id=request.request_id)
    )


def _edit_budget(request: wire.EditBudgetRequest) -> Ask:
    check_texts(request, "name", optional=("request_id",))
    budget = read_budget(request)
    return lambda experiments, namespace, _: experiment_message(
        experiments.edit_budget(namespace, request.name, budget, request_id=request.request_id)
    )


def _delete(request: wire.DeleteExperimentRequest) -> Ask:
    check_texts(request, "name", optional=("request_id",))

    def ask(experiments: Experiments, namespace: str, _: ParameterKinds) -> Message:
        experiments.delete(namespace, request.name, purge=request.purge, request_id=request.request_id)
        return wire.DeleteExperimentResponse()

    return ask


def _list_events(request: wire.ListEventsRequest) -> Ask:
    check_texts(request, "experiment", optional=("trial",))
    return lambda experiments, namespace, _: wire.ListEventsResponse(
        events=[
            event_message(event)
            for event in experiments.events(namespace, request.experiment, trial=request.trial or None)
        ]
    )


def _list_trials(request: wire.ListTrialsRequest) -> Ask:
    check_texts(request, "experiment")
    size, after, states = (
        read_page_size(request, 10_000, 1_000),
        read_start(request, "after_index"),
        read_trial_states(request),
    )

    def ask(experiments: Experiments, namespace: str, kinds: ParameterKinds) -> Message:
        name = request.experiment
        records = experiments.trials(namespace, name, states=states, after_index=after, limit=size + 1)
        known, some = kinds.of(experiments, namespace, name, records), records[:size]
        return wire.ListTrialsResponse(
            trials=[trial_message(name, record, known) for record in some],
            next_page_token=f"n{some[-1].index}" if len(records) > size else "",
        )

    return ask


def _get_trial(request: wire.GetTrialRequest) -> Ask:
    check_texts(request, "experiment", "name")

    def ask(experiments: Experiments, namespace: str, kinds: ParameterKinds) -> Message:
        record = experiments.trial(namespace, request.experiment, request.name)
        return trial_message(request.experiment, record, kinds.of(experiments, namespace, request.experiment, [record]))

    return ask


def _list_measurements(request: wire.ListMeasurementsRequest) -> Ask:
    check_texts(request, "experiment", "trial", optional=("metric",))
    size, after = read_page_size(request, 100_000, 10_000), read_start(request, "after_sequence")

    def ask(experiments: Experiments, namespace: str, _: ParameterKinds) -> Message:
        found = experiments.observations(
            namespace,
            request.experiment,
            request.trial,
            metric=request.metric or None,
            after_sequence=after,
            limit=size + 1,
        )
        some = found[:size]
        return wire.ListMeasurementsResponse(
            measurements=map(measured_message, some),
            next_page_token=f"n{some[-1].sequence}" if len(found) > size else "",
        )

    return ask


CALLS: Final[dict[str, ExperimentCall]] = {
    "CreateExperiment": _changes(wire.CreateExperimentRequest, _create, once=False),
    "GetExperiment": _reads(wire.GetExperimentRequest, _get),
    "StopExperiment": _changes(wire.StopExperimentRequest, _stop),
    "ResumeExperiment": _changes(wire.ResumeExperimentRequest, _resume),
    "EditBudget": _changes(wire.EditBudgetRequest, _edit_budget),
    "DeleteExperiment": ExperimentCall(
        wire.DeleteExperimentRequest,
        _delete,
        # What is kept is removed by those only who administer it, here as in the store's API.
        lambda request: Role.ADMIN if request.purge else Role.WRITE,
        once=True,
    ),
    "ListEvents": _reads(wire.ListEventsRequest, _list_events),
    "ListTrials": _reads(wire.ListTrialsRequest, _list_trials),
    "GetTrial": _reads(wire.GetTrialRequest, _get_trial),
    "ListMeasurements": _reads(wire.ListMeasurementsRequest, _list_measurements),
}
