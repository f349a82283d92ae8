"""The suite that Optuna ships for storages, on each database."""

import uuid

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from katib.store.optuna import KatibStorage
from katib.testing.database_servers import MariadbServer, PostgresqlServer

SERVERS = {"postgresql": PostgresqlServer, "mariadb": MariadbServer}


@pytest.fixture(
    scope="module",
    params=["sqlite", *(name for name, kind in SERVERS.items() if not kind.missing())],
)
def place(request, tmp_path_factory):
    """Return a store that the tests share: each sees a namespace of its own."""
    if request.param == "sqlite":
        yield tmp_path_factory.mktemp("optuna") / "katib.db"
        return
    server = request.getfixturevalue(request.param)
    url = server.new_store()
    yield url
    server.drop(url)


class TestKatibStorage(StorageTestCase):
    @pytest.fixture
    def storage(self, place):
        return KatibStorage(place, namespace=uuid.uuid4().hex)
