"""Whose policy counts: the projects' own ones, or what somebody who purges says instead; and who of several servers carries them out."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from katib.errors import Conflict, NotFound, StoreUnavailable
from katib.store import open_store
from katib.store.archive import read_archive
from katib.store.artifacts import open_artifacts
from katib.store.lease import Lease
from katib.store.retention import (
    RetentionRules,
    apply_plan,
    plan_retention,
    refuse_without_archive,
)
from katib.store.retention_duty import ACTOR, RetentionDuty
from katib.store.tracking.records import NewRun, Node, NodeKind, ProjectRetention, RetentionPolicy

MOMENT = timedelta(microseconds=1)
POLICIES = {
    "plain": ProjectRetention(),
    "quick": ProjectRetention(MOMENT),
    "slow": ProjectRetention(timedelta(days=365)),
    "kept": ProjectRetention(MOMENT, archive=True, keep_artifacts=True),
    "only archive": ProjectRetention(archive=True),
}


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "katib.db") as store:
        yield store


@pytest.fixture
def world(store):
    """A deleted run in each project, by the project's name."""
    tracking = store.tracking("team")
    runs = {}
    for name, policy in POLICIES.items():
        project = tracking.create_project(name)
        tracking.update_project(project.id, retention=policy)
        run = tracking.create_run(NewRun(project_id=project.id))
        tracking.delete(Node(NodeKind.RUN, run.id))
        runs[name] = run.id
    return runs


def gone(store, world):
    there = {run.id for run in store.tracking("team").runs(list(world.values()))}
    return {name for name, run in world.items() if run not in there}


def waited_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_each_project_is_purged_by_its_own_policy(store, world, tmp_path):
    tracking = store.tracking("team")
    plan = plan_retention(tracking, RetentionRules())
    assert {(purge.project.name, purge.archive, purge.policy.keep_artifacts) for purge in plan} == {
        ("quick", False, False),
        ("slow", False, False),
        ("kept", True, True),
    }
    done = apply_plan(tracking, plan, archive=open_artifacts(tmp_path / "archive"))
    assert gone(store, world) == {"quick", "kept"}
    assert (done.purged.runs, done.purged.archived) == (2, 1)
    assert [found.record["id"] for found in read_archive(tmp_path / "archive")] == [world["kept"]]
    assert [run for _, run in tracking.files_to_remove()] == [world["quick"]]


def test_what_is_said_counts_more_but_what_is_to_be_archived_is(store, world, tmp_path):
    tracking = store.tracking("team")
    plan = plan_retention(tracking, RetentionRules(deleted_for=MOMENT))
    with pytest.raises(Conflict, match=r"'(kept|only archive)'.*--archive URL.*--no-archive"):
        apply_plan(tracking, plan)
    assert gone(store, world) == set()
    apply_plan(tracking, plan, archive=open_artifacts(tmp_path / "archive"))
    assert gone(store, world) == set(world)
    found = {each.record["id"] for each in read_archive(tmp_path / "archive")}
    assert found == {world["kept"], world["only archive"]}


def test_how_things_go_can_be_said_too(store, world):
    tracking = store.tracking("team")
    rules = RetentionRules(deleted_for=MOMENT, archive=False, keep_artifacts=True)
    apply_plan(tracking, plan_retention(tracking, rules))
    assert gone(store, world) == set(world)
    assert tracking.files_to_remove() == []


def test_one_project_alone(store, world):
    tracking = store.tracking("team")
    for name in ("plain", "quick"):
        plan = plan_retention(tracking, RetentionRules(project_id=tracking.project_named(name).id))
        apply_plan(tracking, plan)
        assert gone(store, world) == ({"quick"} if name == "quick" else set())
    with pytest.raises(NotFound):
        plan_retention(tracking, RetentionRules(project_id="never"))


@pytest.mark.usefixtures("world")
def test_a_deleted_project_goes_by_its_own_policy(store):
    tracking = store.tracking("team")
    project = tracking.project_named("quick")
    tracking.delete(Node(NodeKind.PROJECT, project.id))
    rules = RetentionRules(project_id=project.id)
    plan = plan_retention(tracking, rules, now=datetime.now(UTC) + timedelta(seconds=1))
    assert apply_plan(tracking, plan).purged.projects == 1
    with pytest.raises(NotFound):
        tracking.project(project.id)


@pytest.mark.usefixtures("world")
def test_a_policy_without_an_archive_is_refused_where_one_is_wanted(store):
    tracking = store.tracking("team")
    for policy in (
        RetentionPolicy(keep_best=1),
        RetentionPolicy(keep_best=1, project_id=tracking.project_named("kept").id),
        RetentionPolicy(
            keep_best=1,
            experiment_id=tracking.create_search("s", project_id=tracking.project_named("only archive").id).id,
        ),
    ):
        with pytest.raises(Conflict, match="archive"):
            refuse_without_archive(tracking, policy)
    refuse_without_archive(tracking, RetentionPolicy(keep_best=1, project_id=tracking.project_named("quick").id))


# -- who does it ------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_silent_holder_is_replaced_and_a_living_one_is_not(store):
    clock = Clock()
    one, other = (Lease(store, "purge", seconds=30, clock=clock) for _ in range(2))
    assert (one.hold(), other.hold()) == (True, False)
    for _ in range(10):
        clock.now += 20
        assert (one.hold(), other.hold()) == (True, False)
    clock.now += 29
    assert one.held
    assert not other.hold()
    clock.now += 1
    assert not one.held
    assert other.hold()
    assert not one.hold()
    other.give_up()
    assert (other.held, one.hold(), other.hold()) == (False, True, False)


def test_the_duty_purges_again_and_again_and_tells_what_went(store, world, tmp_path, caplog):
    archive, tracking = open_artifacts(tmp_path / "archive"), store.tracking("team")
    with RetentionDuty(store, 0.05, archive=archive, lease_seconds=10.0):
        waited_for(lambda: caplog.text.count(" removed") == 2)
        assert gone(store, world) == {"quick", "kept"}
        run = tracking.create_run(NewRun(project_id=tracking.project_named("quick").id))
        tracking.delete(Node(NodeKind.RUN, run.id))
        waited_for(lambda: not tracking.runs([run.id]))
    assert "project 'quick' of namespace 'team': 1 runs removed" in caplog.text
    assert "project 'kept' of namespace 'team': 1 runs archived, 1 runs removed" in caplog.text
    entries = [entry for entry in tracking.audit() if entry.action in {"purge", "archive"}]
    assert {entry.actor for entry in entries} == {ACTOR}
    assert [found.record["id"] for found in read_archive(archive)] == [world["kept"]]


def test_a_project_whose_archive_is_away_keeps_no_other_from_being_purged(store, world, caplog):
    tracking = store.tracking("team")
    tracking.update_project(tracking.project_named("plain").id, retention=ProjectRetention(MOMENT))

    class Away:
        place = "s3://away"

        def put(self, _path, content, **_):
            for _ in content:
                pass
            raise StoreUnavailable("the bucket does not answer")

    with RetentionDuty(store, 0.05, archive=Away(), lease_seconds=10.0):
        waited_for(lambda: gone(store, world) == {"quick", "plain"})
        waited_for(lambda: "'kept' of namespace 'team': the archive s3://away: the bucket" in caplog.text)
    assert gone(store, world) == {"quick", "plain"}


@pytest.mark.usefixtures("world")
def test_one_of_two_servers_does_it_and_the_other_takes_over(store, tmp_path):
    with open_store(tmp_path / "katib.db") as second:
        tracking = store.tracking("team")
        project = tracking.project_named("quick").id

        def purged_by():
            run = tracking.create_run(NewRun(project_id=project))
            tracking.delete(Node(NodeKind.RUN, run.id))
            waited_for(lambda: not tracking.runs([run.id]))

        ending = RetentionDuty(store, 0.05, lease_seconds=30.0)
        with RetentionDuty(second, 0.05, lease_seconds=30.0) as other:
            with ending:
                waited_for(lambda: ending._lease.held or other._lease.held)
                purged_by()
                assert ending._lease.held != other._lease.held
            # It gave its lease up, or never had it: nobody waits for half a minute.
            purged_by()
            assert other._lease.held


def test_a_database_that_is_away_ends_nothing(store, world, caplog):
    broken = [True]

    class Unsteady:
        def __getattr__(self, name):
            if broken[0]:
                raise StoreUnavailable("the database is away")
            return getattr(store, name)

    with RetentionDuty(Unsteady(), 0.05, lease_seconds=10.0):
        waited_for(lambda: "the database is away" in caplog.text)
        broken[0] = False
        waited_for(lambda: "quick" in gone(store, world))
