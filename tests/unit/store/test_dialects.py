"""What errors of database drivers mean, without a server."""

import re
import subprocess
import sys

import psycopg
import pymysql
import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateTable

from katib.store.sql.column_types import StoredText
from katib.store.sql.dialects.mysql import MysqlDialect
from katib.store.sql.dialects.postgresql import PostgresqlDialect
from katib.store.sql.schema import metadata

POSTGRESQL = PostgresqlDialect(make_url("postgresql+psycopg://u:secret@h/db"), patience=3)
MYSQL = MysqlDialect(make_url("mysql+pymysql://u:secret@h/db"), patience=3)


def refused(words):
    return psycopg.OperationalError(
        f'connection failed: connection to server at "h", port 5432 failed: FATAL:  {words}'
    )


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (psycopg.errors.DiskFull("could not extend file"), "disk is full (could not extend file)"),
        (psycopg.errors.LockNotAvailable("canceling"), "locked for longer than 3 s"),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), "name the primary"),
        (psycopg.errors.InsufficientPrivilege("permission denied for table trials"), "grant it all rights"),
        (psycopg.errors.UndefinedTable('relation "trials" does not exist'), "tables are missing"),
        (psycopg.errors.AdminShutdown("terminating connection"), "lost"),
        (psycopg.errors.QueryCanceled("statement timeout"), "statement timeout"),
        (refused('password authentication failed for user "u"'), "refuses the user or the password"),
        (refused('database "db" does not exist'), "no such user or database"),
        (refused("no pg_hba.conf entry for host"), "change its pg_hba.conf"),
        (refused("sorry, too many clients already"), "max_connections"),
        (refused("the database system is starting up"), "not ready yet"),
        (
            psycopg.OperationalError("connection failed: Connection refused\n\tIs it running?"),
            "refused Is it running?)",
        ),
        (psycopg.errors.SyntaxError("at or near"), None),
    ],
)
def test_errors_of_postgresql(error, sentence):
    told = POSTGRESQL.sentence(error)
    assert told is None if sentence is None else sentence in told


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (pymysql.err.OperationalError(2003, "Can't connect"), "cannot be reached (Can't connect; error 2003)"),
        (pymysql.err.OperationalError(1045, "Access denied"), "refuses the user or the password"),
        (pymysql.err.OperationalError(1049, "Unknown database"), "no such database"),
        (pymysql.err.OperationalError(1205, "Lock wait timeout"), "locked for longer than 3 s"),
        (pymysql.err.OperationalError(1114, "The table 'trials' is full"), "disk is full"),
        (pymysql.err.OperationalError(1030, "Got error 28 from storage engine"), "disk is full"),
        (pymysql.err.OperationalError(1030, "Got error 5 from storage engine"), "Got error 5"),
        (pymysql.err.OperationalError(1153, "Got a packet bigger"), "max_allowed_packet"),
        (pymysql.err.OperationalError(1290, "--read-only"), "name the primary"),
        (pymysql.err.OperationalError(2013, "Lost connection"), "lost"),
        (pymysql.err.ProgrammingError(1146, "Table 'db.trials' doesn't exist"), "tables are missing"),
        (pymysql.err.ProgrammingError(1064, "You have an error in your SQL syntax"), None),
        (pymysql.err.OperationalError("no number"), "no number"),
        (pymysql.err.OperationalError(), ""),
    ],
)
def test_errors_of_mysql(error, sentence):
    told = MYSQL.sentence(error)
    assert told is None if sentence is None else sentence in told


def test_only_what_the_database_undid_is_made_again():
    assert POSTGRESQL.is_undone(psycopg.errors.DeadlockDetected())
    assert POSTGRESQL.is_undone(psycopg.errors.SerializationFailure())
    assert not POSTGRESQL.is_undone(psycopg.errors.LockNotAvailable())
    assert MYSQL.is_undone(pymysql.err.OperationalError(1213, "Deadlock found"))
    assert not MYSQL.is_undone(pymysql.err.OperationalError(1205, "Lock wait timeout"))


def test_passwords_are_in_no_message():
    for dialect in (POSTGRESQL, MYSQL):
        assert dialect.place == re.sub("secret", "***", dialect.place)
        assert ":***@h/db" in dialect.place


@pytest.mark.parametrize("text", ["", "plain", "a\x00b", "\x1a", "\x1a0", "\x00\x1a\x00", "\x1a\x1a0", "\udcff\x00"])
def test_text_without_nul_comes_back(text):
    kind, dialect = StoredText(), postgresql.dialect()
    stored = kind.process_bind_param(text, dialect)
    assert "\x00" not in stored
    assert kind.process_result_value(stored, dialect) == text.replace("\udcff", "\\udcff")
    assert kind.process_bind_param("\x00\x1a", sqlite.dialect()) == "\x00\x1a"


def test_no_column_of_mysql_is_shorter_than_elsewhere():
    for table in metadata.tables.values():
        statement = str(CreateTable(table).compile(dialect=mysql.dialect()))
        assert " TEXT" not in statement
        assert "ENGINE=InnoDB" in statement
        assert "CHARSET=utf8mb4" in statement


def test_a_driver_that_is_not_installed_is_named():
    script = """
import sys
from katib.errors import Unsupported
from katib.store import open_store
sys.modules["psycopg"] = sys.modules["pymysql"] = None
for url in ("postgresql://h/db", "mysql://h/db"):
    try:
        open_store(url)
    except Unsupported as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert "psycopg: pip install 'katib[server]'" in first
    assert "pymysql: pip install 'katib[server]'" in second
