import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from katib.errors import InvalidInput
from katib.store import open_store
from katib.store.sql.tracking.provenance_rows import documents, intern
from katib.store.sql.tracking_tables import provenance

WORKERS = 4


@pytest.fixture
def database(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        yield store._database


def stored(database):
    return database.read(lambda connection: connection.execute(select(func.count()).select_from(provenance)).scalar())


def test_a_document_is_stored_once_whatever_its_order(database):
    first = database.write(intern, "code", {"revision": "a", "dirty": None, "files": ["λ", "\udcff\x00"]})
    again = database.write(intern, "code", {"files": ["λ", "\udcff\x00"], "dirty": None, "revision": "a"})
    other = database.write(intern, "environment", {"revision": "a", "dirty": None, "files": ["λ", "\udcff\x00"]})
    assert first == again != other
    assert stored(database) == 2
    found = database.read(documents, [first, None, other, 99, first])
    assert found == {key: {"revision": "a", "dirty": None, "files": ["λ", "\\udcff\x00"]} for key in (first, other)}


def test_nothing_to_say_is_no_row(database):
    assert database.write(intern, "code", None) is None
    assert database.write(intern, "code", {}) is None
    with pytest.raises(InvalidInput, match="code"):
        database.write(intern, "code", {"a": object()})
    assert stored(database) == 0
    assert database.read(documents, []) == {}


def test_any_number_of_documents_is_read(database):
    with database.transaction():
        keys = [database.write(intern, "code", {"number": number}) for number in range(1_200)]
    assert database.read(documents, keys) == {key: {"number": number} for number, key in enumerate(keys)}


def test_many_writers_store_the_same_document_once(server):
    url = server.new_store()
    with open_store(url) as store:
        database = store._database
        start = threading.Barrier(WORKERS)

        def write(_worker):
            keys = []
            for number in range(20):
                start.wait()
                keys.append(database.write(intern, "environment", {"image": f"image:{number}"}))
            return keys

        with ThreadPoolExecutor(WORKERS) as pool:
            keys = list(pool.map(write, range(WORKERS)))
        assert all(some == keys[0] for some in keys)
        assert stored(database) == 20
    server.drop(url)
