import pytest

from katib.errors import StoreUnavailable
from katib.store import open_store, upgrade_store
from katib.testing.database_servers import PostgresqlServer, open_upgraded
from katib.testing.store_contract import StoreContract

if PostgresqlServer.missing():
    pytest.skip(PostgresqlServer.missing(), allow_module_level=True)


class TestPostgreSQLStore(StoreContract):
    opener = staticmethod(open_store)

    @pytest.fixture
    def place(self, postgresql):
        url = postgresql.new_store()
        yield url
        postgresql.drop(url)


class TestPostgreSQLStoreMadeByMany:
    opener = staticmethod(open_upgraded)

    @pytest.fixture
    def place(self, postgresql):
        url = postgresql.new_database()
        yield url
        postgresql.drop(url)

    test_processes_make_a_store_together = StoreContract.test_processes_make_a_store_together
    _process = StoreContract._process


def test_a_database_of_another_encoding_is_refused_before_it_has_tables(postgresql):
    url = postgresql.new_database()
    try:
        name = url.rpartition("/")[2]
        postgresql.drop(url)
        postgresql.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0")
        for verb in (upgrade_store, open_store):
            with pytest.raises(StoreUnavailable, match="encoding SQL_ASCII: create one with ENCODING 'UTF8'"):
                verb(url)
        assert postgresql.execute("SELECT * FROM pg_tables WHERE schemaname = 'public'", database=name) == []
    finally:
        postgresql.drop(url)
