"""Real database servers, started by the first test that wants one and shared by all of this process."""

import pytest

from katib.testing.database_servers import MariadbServer, PostgresqlServer


def running(kind):
    if kind.missing():
        pytest.skip(kind.missing())
    with kind() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql():
    yield from running(PostgresqlServer)


@pytest.fixture(scope="session")
def mariadb():
    yield from running(MariadbServer)


@pytest.fixture(
    params=[name for name, kind in (("postgresql", PostgresqlServer), ("mariadb", MariadbServer)) if not kind.missing()]
)
def server(request):
    """Each server there is on this machine; ``tests/contract`` says which are missing."""
    return request.getfixturevalue(request.param)
