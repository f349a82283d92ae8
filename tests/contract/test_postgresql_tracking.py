import pytest

from katib.store import open_store
from katib.testing.database_servers import PostgresqlServer
from katib.testing.tracking_contract import TrackingContract

if PostgresqlServer.missing():
    pytest.skip(PostgresqlServer.missing(), allow_module_level=True)


class TestPostgreSQLTracking(TrackingContract):
    opener = staticmethod(open_store)

    @pytest.fixture
    def place(self, postgresql):
        url = postgresql.new_store()
        yield url
        postgresql.drop(url)
