"""Schemas on database servers: created, migrated, refused, and finished after an upgrade was killed anywhere."""

import hashlib
import subprocess
import sys
import threading

import pytest
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import Engine

from katib.errors import StoreUnavailable
from katib.store import check_store, open_store, upgrade_store
from katib.store.sql.connecting import database_at
from katib.store.sql.migrate import upgrade
from katib.store.sql.schema import REVISIONS
from katib.testing.store_promises.specimens import full_record, recorded


class KilledError(BaseException):
    pass


def described(url):
    """Everything about the tables that a program could notice."""
    engine = create_engine(url)
    inspector = inspect(engine)
    tables = {
        table: {
            "columns": sorted(
                (column["name"], repr(column["type"]), column["nullable"], str(column["default"]).split("_seq")[0])
                for column in inspector.get_columns(table)
            ),
            "key": inspector.get_pk_constraint(table),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "references": sorted(map(str, inspector.get_foreign_keys(table))),
            "indexes": sorted(map(str, inspector.get_indexes(table))),
            "options": {
                name: value
                for name, value in inspector.get_table_options(table).items()
                if "auto_increment" not in name
            },
        }
        for table in inspector.get_table_names()
        if table != "katib_store_revision"
    }
    engine.dispose()
    return tables


def migrate(url, revision="head"):
    database = database_at(url, patience=10)
    try:
        with database.changing_schema() as connection:
            upgrade(connection, revision)
    finally:
        database.close()


def upgrade_killed_after(url, statements):
    """Upgrade and break off after so many statements of the upgrade; return whether it came that far."""
    done = 0

    def count(_connection, _cursor, statement, *_rest):
        nonlocal done
        done += statement.lstrip().split()[0] in ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE")
        if done == statements:
            raise KilledError

    event.listen(Engine, "after_cursor_execute", count)
    try:
        upgrade_store(url)
    except KilledError:
        return True
    finally:
        event.remove(Engine, "after_cursor_execute", count)
    return False


def is_refused(url):
    """Whether a store says that it wants an upgrade; one that does not has everything."""
    try:
        open_store(url).close()
    except StoreUnavailable as error:
        return "run: katib store upgrade" in str(error)
    return False


def test_the_migrations_build_what_the_table_definitions_say(server):
    url = server.new_database()
    migrate(url)
    assert described(url) == described(server.new_store())
    with open_store(url) as store:
        uid = recorded(store)
        store.record_trials(uid, [full_record()])
        assert store.trials(uid) == [full_record()]


def test_an_upgrade_is_asked_for(server):
    url = server.new_database()
    with pytest.raises(StoreUnavailable, match="no tables of katib yet; run: katib store upgrade --url") as told:
        open_store(url)
    assert "w%3Ard" not in str(told.value)
    assert described(url) == {}
    assert upgrade_store(url).found is None
    assert upgrade_store(url).found == REVISIONS[-1]
    assert check_store(url).schema == REVISIONS[-1]
    assert server.name in check_store(url).server


def test_an_older_schema_is_refused_until_it_is_upgraded(server):
    url = server.new_database()
    migrate(url, REVISIONS[-2])
    for ask in (open_store, check_store):
        with pytest.raises(StoreUnavailable, match=f"schema '{REVISIONS[-2]}', .* run: katib store upgrade --url"):
            ask(url)
    assert upgrade_store(url).found == REVISIONS[-2]
    open_store(url).close()


def test_a_newer_schema_is_left_alone(server):
    url = server.new_store()
    name = url.rsplit("/", 1)[1]
    server.execute("UPDATE katib_store_revision SET version_num = '9999'", database=name)
    before = described(url)
    for ask in (open_store, check_store, upgrade_store):
        with pytest.raises(StoreUnavailable, match=r"newer version of katib .*'9999'.* upgrade katib"):
            ask(url)
    assert described(url) == before


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ("ALTER TABLE events RENAME COLUMN message TO words", "column 'message' of table 'events'"),
        ("DROP TABLE leases", "table 'leases'"),
    ],
)
def test_a_store_that_lacks_a_part_of_its_schema_is_refused(server, change, lacks):
    url = server.new_store()
    server.execute(change, database=url.rsplit("/", 1)[1])
    for ask in (open_store, check_store, upgrade_store):
        with pytest.raises(StoreUnavailable, match=f"lacks {lacks}; .*restore it from a backup"):
            ask(url)


def test_a_database_of_another_program_is_left_alone(server):
    url = server.new_database()
    server.execute("CREATE TABLE songs (title INTEGER)", database=url.rsplit("/", 1)[1])
    for ask in (open_store, check_store, upgrade_store):
        with pytest.raises(StoreUnavailable, match=r"another program .*'songs'"):
            ask(url)
    assert list(described(url)) == ["songs"]


def test_a_creation_killed_anywhere_is_finished_by_the_next(server):
    wanted, statements = described(server.new_store()), 1
    url = server.new_database()
    while upgrade_killed_after(url, statements):
        is_refused(url)
        statements += 7
    assert statements > 20
    assert described(url) == wanted
    with open_store(url) as store:
        assert recorded(store, trials=1)


def test_an_upgrade_killed_anywhere_is_finished_by_the_next(server):
    wanted, refused = described(server.new_store()), 0
    names = ["loss", "Loss", "loss ", "λ", "x" * 5000, "y\\x00"]
    statements, killed = 1, True
    while killed:
        url = server.new_database()
        migrate(url, "0001")
        quoted = [name.replace("\\", "\\\\") if server.name == "MariaDB" else name for name in names]
        server.execute(
            *(f"INSERT INTO metrics (name) VALUES ('{name}')" for name in quoted),  # noqa: S608 - ours
            database=url.rsplit("/", 1)[1],
        )
        killed = upgrade_killed_after(url, statements)
        if killed:
            refused += is_refused(url)
            upgrade_store(url)
        assert described(url) == wanted
        rows = server.execute("SELECT name, digest FROM metrics", database=url.rsplit("/", 1)[1])
        assert sorted(rows) == sorted((name, hashlib.sha256(name.encode()).hexdigest()) for name in names)
        statements += 7
    assert refused > 4


def test_a_store_that_lost_its_revision_is_not_made_anew(server):
    url = server.new_store()
    with open_store(url) as store:
        uid = recorded(store, trials=2)
    name = url.rsplit("/", 1)[1]
    server.execute("DELETE FROM katib_store_revision", database=name)
    for ask in (open_store, check_store, upgrade_store):
        with pytest.raises(StoreUnavailable, match="restore it from a backup"):
            ask(url)
    server.execute(f"INSERT INTO katib_store_revision VALUES ('{REVISIONS[-1]}')", database=name)  # noqa: S608 - ours
    with open_store(url) as store:
        assert store.count_trials(uid) == 2


def test_a_killed_process_holds_no_lock(server):
    url = server.new_database()
    script = """
import os, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from katib.store import upgrade_store
def die(connection, cursor, statement, *rest):
    if "CREATE TABLE trials" in statement:
        os.kill(os.getpid(), 9)
event.listen(Engine, "after_cursor_execute", die)
upgrade_store(sys.argv[1])
"""
    assert subprocess.run([sys.executable, "-c", script, url], check=False).returncode == -9
    upgrade_store(url, patience=10)
    assert described(url) == described(server.new_store())


def test_many_upgrade_at_once(server):
    url, told = server.new_database(), []

    def make():
        try:
            told.append(upgrade_store(url).found)
        except StoreUnavailable as error:
            told.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, told)) == [*[REVISIONS[-1]] * 5, "None"]
