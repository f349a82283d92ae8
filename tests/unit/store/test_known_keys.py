"""What a transaction knows of keys is never older than its rows; and a statement about a list takes lists of any length."""

import pytest
from sqlalchemy import bindparam, select

from katib.errors import NotFound
from katib.store import open_store
from katib.store.sql.connecting import database_at
from katib.store.sql.key_lists import IN_LIMIT, ByLists
from katib.store.sql.schema import experiments, trials
from katib.testing.store_promises.specimens import recorded, reports, trial


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        yield store


def test_what_is_undone_with_a_part_of_a_transaction_is_not_known_any_more(store):
    uid = recorded(store)
    new = trial(0)

    def part():
        with store.transaction():
            store.record_trials(uid, [new])
            store.save_job(uid, new.name, {"kind": "Worker"})
            raise ZeroDivisionError

    with store.transaction():
        with pytest.raises(ZeroDivisionError):
            part()
        for call in (
            lambda: store.save_job(uid, new.name, {}),
            lambda: store.summaries_of(uid, [new.name]),
            lambda: store.append_observations(uid, new.name, reports(1), first_sequence=0),
        ):
            with pytest.raises(NotFound, match="no trial is named"):
                call()
        store.record_trials(uid, [new])
        store.save_job(uid, new.name, {"kind": "Worker"})
    assert store.jobs(uid) == {new.name: {"kind": "Worker"}}


def test_what_is_deleted_in_a_transaction_is_not_known_any_more(store):
    uid = recorded(store, trials=1)
    (name,) = [record.name for record in store.trials(uid)]
    with store.transaction():
        store.request(uid, "stop")
        store.save_job(uid, name, {})
        status = store.experiment("default", "search").status
        store.save_status(uid, status)
        store.delete_experiment(uid)
        for call in (
            lambda: store.requests(uid),
            lambda: store.request(uid, "stop"),
            lambda: store.save_status(uid, status),
            lambda: store.save_jobs(uid, {name: {}}),
            lambda: store.record_event(uid, "Reason", "message"),
        ):
            with pytest.raises(NotFound):
                call()


def test_a_name_is_another_trial_in_another_experiment(store):
    first, second = recorded(store, "first", trials=1), recorded(store, "second", trials=1)
    (name,) = {record.name for uid in (first, second) for record in store.trials(uid)}
    with store.transaction():
        store.save_job(first, name, {"of": 1})
        store.save_job(second, name, {"of": 2})
    assert (store.job(first, name), store.job(second, name)) == ({"of": 1}, {"of": 2})


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 16, 17, IN_LIMIT, IN_LIMIT + 1])
def test_lists_may_have_any_length(store, tmp_path, length):
    uid = recorded(store, trials=length + 2)
    names = [record.name for record in store.trials(uid)][1:-1]
    statement = ByLists(
        lambda among: (
            select(trials.c.name)
            .join(experiments)
            .where(
                experiments.c.uid == bindparam("uid"),
                among(trials.c.name, "names"),
                among(trials.c.trial_index, "indices"),
            )
        )
    )
    database = database_at(tmp_path / "store.db", patience=5)
    with database.reading() as connection:
        lists = {"names": names, "indices": list(range(1, length + 1))}
        found = [name for (name,) in statement.rows(connection, lists, {"uid": uid})]
    database.close()
    assert sorted(found) == names
