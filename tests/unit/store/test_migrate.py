import sqlite3
import subprocess
import sys

import pytest

from katib.errors import StoreUnavailable
from katib.store import check_store, open_store, upgrade_store
from katib.store.sql.column_names import COLUMNS
from katib.store.sql.connecting import database_at
from katib.store.sql.migrate import MIGRATIONS, upgrade
from katib.store.sql.schema import REVISIONS
from katib.testing.store_promises.specimens import an_experiment, full_record, recorded


def parts(sql):
    """Columns and constraints: what stands between the commas that are in no inner bracket."""
    depth, words = 0, [""]
    for character in sql:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 1:
            words.append("")
        else:
            words[-1] += character
    # The first and the last have the statement's own beginning and end.
    head, _, words[0] = words[0].partition("(")
    words[-1] = words[-1].strip().removesuffix("WITHOUT ROWID").strip().removesuffix(")")
    return [head, *[word.strip() for word in words]] if len(words) > 1 else [sql]


def schema(path):
    """Every table and index by name, as the set of its parts: their order says nothing."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    connection.close()
    return {(kind, name): sorted(parts(sql or "")) for kind, name, sql in rows}


def run(path, *statements):
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def migrated(tmp_path):
    path = tmp_path / "migrated.db"
    path.touch()
    database = database_at(path, patience=5)
    with database.writing() as connection:
        upgrade(connection)
    database.close()
    return path


def test_the_migrations_build_what_the_table_definitions_say(tmp_path, migrated):
    open_store(tmp_path / "defined.db").close()
    assert schema(migrated) == schema(tmp_path / "defined.db")


def test_a_migrated_store_works(migrated):
    with open_store(migrated) as store:
        uid = store.create_experiment(an_experiment()).metadata.uid
        store.record_event(uid, "Reason", "message")
        assert len(store.events(uid)) == 1


def test_a_store_of_the_first_schema_keeps_its_trials(tmp_path):
    path = tmp_path / "first.db"
    path.touch()
    database = database_at(path, patience=5)
    with database.writing() as connection:
        upgrade(connection, "0001")
    database.close()
    with open_store(tmp_path / "new.db") as store:
        uid = recorded(store, trials=2)
        wanted = store.trials(uid)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
        for table in ("experiments", "trials"):
            columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
            only = " WHERE experiment_id IS NOT NULL" if table == "trials" else ""  # there were no others
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}{only}")  # noqa: S608
    connection.close()
    with open_store(path) as store:
        assert store.trials(uid) == wanted
        store.record_trials(uid, [full_record(5)])
        assert store.trials(uid)[-1] == full_record(5)


def test_every_migration_is_known_and_in_order():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert tuple(script.revision for script in reversed(scripts)) == REVISIONS


def test_the_names_of_columns_are_those_of_the_tables():
    from katib.store.sql.tracking_tables import metadata

    assert {table.name: " ".join(sorted(table.columns.keys())) for table in metadata.tables.values()} == COLUMNS


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ("DROP TABLE leases", "table 'leases'"),
        ("ALTER TABLE trials RENAME TO runs", "table 'trials'"),
        ("ALTER TABLE summaries DROP COLUMN first_step", "column 'first_step' of table 'summaries'"),
        ("ALTER TABLE events RENAME COLUMN message TO words", "column 'message' of table 'events'"),
    ],
)
def test_a_store_that_lacks_a_part_of_its_schema_is_refused_as_it_is(tmp_path, change, lacks):
    path = tmp_path / "store.db"
    open_store(path).close()
    run(path, change)
    before = path.read_bytes()
    for ask in (open_store, check_store, upgrade_store):
        with pytest.raises(StoreUnavailable, match=f"lacks {lacks}; .*restore it from a backup"):
            ask(path)
    assert path.read_bytes() == before


def test_of_much_that_is_missing_some_is_named(tmp_path):
    path = tmp_path / "store.db"
    open_store(path).close()
    run(path, *(f"DROP TABLE {table}" for table in ("leases", "lineage", "comments", "audit", "answers")))
    with pytest.raises(StoreUnavailable, match="table 'answers', table 'audit', table 'comments' and 2 more"):
        open_store(path)


def test_tables_of_others_beside_ours_are_no_fault(tmp_path):
    path = tmp_path / "store.db"
    open_store(path).close()
    run(path, "CREATE TABLE notes (text)", "ALTER TABLE trials ADD COLUMN mood")
    with open_store(path) as store:
        assert recorded(store, trials=1)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "store.db"
    open_store(path).close()
    run(path, "UPDATE katib_store_revision SET version_num = '9999'", "CREATE TABLE of_tomorrow (x)")
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"newer version of katib .*'9999'.* upgrade katib"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    run(path, "CREATE TABLE songs (title)")
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"another program .*'songs'"):
        open_store(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(tmp_path):
    path = tmp_path / "store.db"
    path.touch()
    with open_store(path) as store:
        assert store.experiments() == []


def test_a_copy_made_by_sqlite_gets_its_write_ahead_log_back(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        store.create_experiment(an_experiment())
    run(tmp_path / "store.db", f"VACUUM INTO '{tmp_path / 'copy.db'}'")
    with open_store(tmp_path / "copy.db") as store:
        assert [item.name for item in store.experiments()] == ["search"]
    connection = sqlite3.connect(tmp_path / "copy.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_opening_a_store_does_not_load_alembic(tmp_path):
    script = (
        "import sys; from katib.store import open_store; "
        "open_store(sys.argv[1]).close(); open_store(sys.argv[1]).close(); "
        "sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "store.db")], check=True)
