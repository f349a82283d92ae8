import os
import stat
from pathlib import Path

import pytest

from katib.errors import InvalidInput, StoreUnavailable, Unsupported
from katib.store import open_store
from katib.store.sql.location import database_path, prepare_file, server_url


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("given", ["folder/store.db", "sqlite:///folder/store.db", Path("folder/store.db")])
def test_a_relative_path_is_of_the_working_folder(given, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert database_path(given) == tmp_path / "folder" / "store.db"


def test_the_home_folder_and_absolute_urls(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert database_path("~/store.db") == Path("/home/someone/store.db")
    assert database_path("sqlite:////var/store.db") == Path("/var/store.db")


@pytest.mark.parametrize("given", ["oracle://host/db", "postgresql+asyncpg://host/db", "sqlite:///", ":memory:", "://"])
def test_another_database_is_refused_with_what_there_is(given):
    with pytest.raises(Unsupported, match=r"a path, sqlite:///path, postgresql\+psycopg://"):
        open_store(given)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("postgresql://u@h/db", "postgresql+psycopg://u@h/db"),
        ("postgres://u@h/db", "postgresql+psycopg://u@h/db"),
        ("postgresql+psycopg://u:p%40@h:1/db?sslmode=require", "postgresql+psycopg://u:p%40@h:1/db?sslmode=require"),
        ("mysql://u@h/db", "mysql+pymysql://u@h/db"),
        ("mariadb+pymysql://u@h/db", "mysql+pymysql://u@h/db"),
    ],
)
def test_a_server_is_reached_by_the_driver_that_is_installed(given, url):
    assert server_url(given).render_as_string(hide_password=False) == url


@pytest.mark.parametrize("given", ["store.db", "/a/b", "sqlite:///x", Path("postgresql")])
def test_what_names_no_server_is_a_file(given):
    assert server_url(given) is None


@pytest.mark.parametrize("given", ["postgresql://u:secret@h", "mysql://u:secret@h:port/db", "postgresql://u:secret@h/"])
def test_a_url_that_cannot_be_used_is_told_without_its_password(given):
    with pytest.raises(InvalidInput, match="give a path") as told:
        open_store(given)
    assert "secret" not in str(told.value)
    assert "secret" not in repr(told.value.__context__ and told.value.__cause__)


def test_only_their_owner_can_read_what_is_made(tmp_path):
    previous = os.umask(0)
    try:
        path = tmp_path / "new" / "store.db"
        with open_store(path) as store:
            store.experiments()
            assert [mode(file) for file in sorted(path.parent.iterdir())] == [0o600] * 3  # with -wal and -shm
        assert mode(path.parent) == 0o700
    finally:
        os.umask(previous)


def test_what_exists_keeps_its_mode(tmp_path):
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(0o640)
    tmp_path.chmod(0o755)
    prepare_file(path)
    assert mode(path) == 0o640
    assert mode(tmp_path) == 0o755


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="cannot create the store"):
        prepare_file(tmp_path / "file" / "store.db")


def test_a_folder_in_the_place_of_the_file(tmp_path):
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        open_store(tmp_path)
