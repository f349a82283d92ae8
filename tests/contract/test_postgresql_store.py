import pytest

from katib.store import open_store
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
