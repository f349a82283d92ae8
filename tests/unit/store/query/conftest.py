import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

sys.path.insert(0, str(Path(__file__).parent))  # the tests of this folder share tables and generators

from query_tables import metadata


@pytest.fixture(scope="module")
def engine():
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server_engine(request):
    server = request.getfixturevalue(request.param)
    url = server.new_database()
    engine = create_engine(url)
    metadata.create_all(engine)
    yield engine
    engine.dispose()
    server.drop(url)
