"""ModelDB's runs: making them with what is logged at once, reading, changing and deleting them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.api.trial import TrialState
from katib.errors import Conflict
from katib.metrics.sample import Sample
from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.artifacts import record_of
from katib.rest.modeldb.datasets import use_of
from katib.rest.modeldb.facts import facts_in
from katib.rest.modeldb.provenance import code_of, environment_of
from katib.rest.modeldb.records_found import experiment_at, run_at, writable
from katib.rest.modeldb.run_logs import hyperparameters_in, metrics_in, observations_in, store_observations
from katib.store.tracking.records import Facts, Log, NewRun, Node, NodeKind, RunPart

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.store.protocol import Observed
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run

__all__ = ["create", "delete", "get_by_id", "get_by_name", "set_parent", "update_description", "update_name"]

_MOST_OBSERVATIONS: Final = 10_000
"""Of a run that is read as a whole; ``getObservations`` has them all."""
_MOST_ABOVE: Final = 100


async def create(asked: Asked) -> Response:
    """Make one."""
    fields = asked.fields
    now = datetime.now(UTC)
    project_id, experiment_id = asked.optional_id("project_id"), asked.id("experiment_id")
    name, description, parent = fields.text("name"), fields.text("description"), asked.optional_id("parent_id")
    started, ended = fields.time("start_time"), fields.time("end_time")
    given, (parameters, kinds), facts = metrics_in(fields), hyperparameters_in(fields), facts_in(fields)
    observations = observations_in(fields, now)
    files = [record_of(message) for message in fields.messages("artifacts")]
    uses = [use_of(asked, message) for message in fields.messages("datasets")]
    code, environment = fields.message("code_version_snapshot"), fields.message("environment")
    code_given = None if code is None else code_of(code)
    environment_given = None if environment is None else environment_of(environment)
    properties = {**facts.properties, **kinds.properties}

    def make(tracking: Tracking) -> Run:
        experiment_at(tracking, experiment_id)
        if parent:
            run_at(tracking, parent)
            properties[messages.PARENT] = parent
        run = tracking.create_run(
            NewRun(
                project_id=project_id or None,
                experiment_id=experiment_id,
                name=name or None,
                description=description,
                # ModelDB's runs have no state; one that says when it ended has.
                state=TrialState.RUNNING if ended is None else TrialState.SUCCEEDED,
                started=started,
                ended=ended,
                log=Log(
                    samples=[Sample(key, text, now) for key, text in given.items()],
                    parameters=parameters,
                    facts=Facts(tags=facts.tags, properties=properties),
                ),
            ),
            parts=frozenset({RunPart.METRICS}),
        )
        if observations:
            store_observations(tracking, run, observations)
        for file in files:
            file.store(tracking, run.id)
        for use in uses:
            use.store(tracking, run)
        if code_given or environment_given:
            tracking.update_run(run.id, code=code_given, environment=environment_given)
        return tracking.run(run.id, messages.SHOWN)

    made = await asked.write(make)
    return answer({"experiment_run": messages.run(asked, made)})


async def get_by_id(asked: Asked) -> Response:
    """Return one by its id."""
    run_id = asked.id()

    def look(tracking: Tracking) -> tuple[Run, list[Observed]]:
        run = run_at(tracking, run_id, messages.SHOWN)
        return run, _observations(tracking, run)

    return answer({"experiment_run": messages.run(asked, *await asked.read(look))})


async def get_by_name(asked: Asked) -> Response:
    """Return one by its name in an experiment."""
    experiment_id, name = asked.id("experiment_id"), asked.fields.required("name")

    def look(tracking: Tracking) -> tuple[Run, list[Observed]]:
        experiment_at(tracking, experiment_id)
        found = tracking.run_named(experiment_id, name, frozenset())
        run = run_at(tracking, found.id, messages.SHOWN)
        return run, _observations(tracking, run)

    return answer({"experiment_run": messages.run(asked, *await asked.read(look))})


def _observations(tracking: Tracking, run: Run) -> list[Observed]:
    """Return reports at steps, as many as a message may have."""
    if not any(metric.first_step is not None or metric.latest_step is not None for metric in run.metrics):
        return []
    return [point for point in tracking.series(run.id, limit=_MOST_OBSERVATIONS) if point.step is not None]


async def update_name(asked: Asked) -> Response:
    """Give one another name."""
    run_id, name = asked.id(), asked.fields.required("name")

    def change(tracking: Tracking) -> None:
        writable(tracking, run_id)
        tracking.update_run(run_id, name=name)

    await asked.write(change)
    return answer({})


async def update_description(asked: Asked) -> Response:
    """Describe one."""
    run_id, text = asked.id(), asked.fields.text("description")

    def change(tracking: Tracking) -> Run:
        writable(tracking, run_id)
        return tracking.update_run(run_id, description=text, parts=messages.SHOWN)

    return answer({"experiment_run": messages.run(asked, await asked.write(change))})


async def set_parent(asked: Asked) -> Response:
    """Say of which run one is a child. Its experiment stays the same, and so this is told apart from our parents."""
    run_id, parent_id = asked.id("experiment_run_id"), asked.id("parent_id")

    def change(tracking: Tracking) -> None:
        writable(tracking, run_id)
        above: str | None = parent_id
        for _ in range(_MOST_ABOVE):
            if above == run_id:
                raise Conflict("a run cannot be below itself")
            found = None if above is None else run_at(tracking, above, frozenset({RunPart.PROPERTIES}))
            higher = None if found is None else found.facts.properties.get(messages.PARENT)
            above = higher if isinstance(higher, str) else None
            if above is None:
                break
        else:
            raise Conflict(f"runs are at most {_MOST_ABOVE} deep")
        tracking.set_facts(Node(NodeKind.RUN, run_id), Facts(properties={messages.PARENT: parent_id}))

    await asked.write(change)
    return answer({})


async def delete(asked: Asked) -> Response:
    """Delete some, all or none; they can be restored."""
    ids = asked.ids() if asked.fields.has("ids") else [asked.id()]

    def change(tracking: Tracking) -> None:
        for run_id in ids:
            tracking.delete(Node(NodeKind.RUN, tracking.run(run_id, frozenset()).id))

    await asked.write(change)
    return answer({"status": True})
