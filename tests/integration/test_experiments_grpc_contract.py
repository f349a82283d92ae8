"""Experiments of a server over gRPC keep the promises of those of this machine: the same tests, with the wire between."""

import pytest
from experiments_served import ServedExperiments

from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.rpc.experiments_client import RemoteExperiments
from katib.store import open_store
from katib.testing.experiments_contract import ExperimentsContract
from katib.testing.worker_trials_contract import WorkerTrialsContract


@pytest.fixture
def experiments(tmp_path):
    home = Home(tmp_path)
    with (
        open_store(home.store_path) as store,
        LocalExperiments(home, store) as local,
        ServedExperiments(local) as server,
        RemoteExperiments(server.address) as remote,
    ):
        yield remote


class TestRemoteExperiments(ExperimentsContract):
    @pytest.fixture
    def experiments(self, experiments):
        return experiments


class TestRemoteWorkers(WorkerTrialsContract):
    @pytest.fixture
    def experiments(self, experiments):
        return experiments
