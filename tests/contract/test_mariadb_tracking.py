import pytest

from katib.store import open_store
from katib.testing.database_servers import MariadbServer
from katib.testing.tracking_contract import TrackingContract

if MariadbServer.missing():
    pytest.skip(MariadbServer.missing(), allow_module_level=True)


class TestMariaDBTracking(TrackingContract):
    opener = staticmethod(open_store)

    @pytest.fixture
    def place(self, mariadb):
        url = mariadb.new_store()
        yield url
        mariadb.drop(url)
