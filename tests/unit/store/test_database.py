import os
import sqlite3
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from katib.errors import StoreUnavailable
from katib.store.sql.connecting import database_at


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "plain.db"
    path.touch()
    database = database_at(path, patience=5)
    database.prepare()
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE numbers (value INTEGER PRIMARY KEY)"))
    yield database
    database.close()


def add(database, number):
    with database.writing() as connection:
        connection.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})


def numbers(database):
    with database.reading() as connection:
        return list(connection.execute(text("SELECT value FROM numbers ORDER BY value")).scalars())


def test_commits_are_durable_and_references_checked(database):
    with database.reading() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "foreign_keys")]
        assert pragmas == [2, 1]
        assert database.dialect.is_prepared(connection)


def test_a_reader_neither_waits_nor_sees_what_is_open(database):
    with database.transaction():
        add(database, 1)
        seen = []
        reader = threading.Thread(target=lambda: seen.append(numbers(database)))
        reader.start()
        reader.join()
    assert seen == [[]]
    assert numbers(database) == [1]


def test_a_reader_sees_one_state_for_the_length_of_its_block(database):
    with database.reading() as connection:
        first = connection.execute(text("SELECT count(*) FROM numbers")).scalar()
        writer = threading.Thread(target=add, args=(database, 1))
        writer.start()
        writer.join()
        assert connection.execute(text("SELECT count(*) FROM numbers")).scalar() == first == 0


def test_a_second_writer_of_this_process_is_told_after_its_patience(tmp_path, database):
    impatient = database_at(database.place, patience=0.05)
    told = []

    def write():
        try:
            add(impatient, 1)
        except StoreUnavailable as error:
            told.append(str(error))

    with impatient.transaction():
        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
    impatient.close()
    assert len(told) == 1
    assert "locked for longer than 0.05 s" in told[0]
    assert str(tmp_path) in told[0]


def test_a_database_error_dooms_the_transaction_even_when_caught(database):
    add(database, 1)

    def change():
        with database.transaction():
            add(database, 2)
            with pytest.raises(StoreUnavailable), database.writing() as connection:
                connection.execute(text("SELECT * FROM nowhere"))
            add(database, 3)

    with pytest.raises(StoreUnavailable, match="nowhere"):
        change()
    assert numbers(database) == [1]
    add(database, 4)
    assert numbers(database) == [1, 4]


def test_a_mistake_of_ours_keeps_its_type_and_leaves_nothing(database):
    add(database, 1)

    def change():
        with database.transaction():
            add(database, 2)
            add(database, 1)

    with pytest.raises(IntegrityError, match="UNIQUE constraint"):
        change()
    assert numbers(database) == [1]


def test_the_message_names_the_file_and_the_cause_is_the_databases_own(database):
    sentence = r"plain\.db is not available: no such table"
    with pytest.raises(StoreUnavailable, match=sentence) as caught, database.reading() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)


def test_a_forked_child_is_refused(database):
    add(database, 1)
    child = os.fork()
    if child == 0:
        try:
            numbers(database)
        except StoreUnavailable as error:
            os._exit(0 if "forked" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert numbers(database) == [1]


def test_a_closed_database_refuses_and_can_be_closed_again(database):
    database.close()
    database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        numbers(database)
    with pytest.raises(StoreUnavailable, match="closed"):
        add(database, 1)
