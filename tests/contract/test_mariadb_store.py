import pytest

from katib.store import open_store
from katib.testing.database_servers import MariadbServer, open_upgraded
from katib.testing.store_contract import StoreContract

if MariadbServer.missing():
    pytest.skip(MariadbServer.missing(), allow_module_level=True)


class TestMariaDBStore(StoreContract):
    opener = staticmethod(open_store)

    @pytest.fixture
    def place(self, mariadb):
        url = mariadb.new_store()
        yield url
        mariadb.drop(url)


class TestMariaDBStoreMadeByMany:
    opener = staticmethod(open_upgraded)

    @pytest.fixture
    def place(self, mariadb):
        url = mariadb.new_database()
        yield url
        mariadb.drop(url)

    test_processes_make_a_store_together = StoreContract.test_processes_make_a_store_together
    _process = StoreContract._process
