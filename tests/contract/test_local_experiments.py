"""Experiments of this machine keep the promises of every place of experiments."""

import pytest

from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store
from katib.testing.experiments_contract import ExperimentsContract
from katib.testing.worker_trials_contract import WorkerTrialsContract


class TestLocalExperiments(ExperimentsContract):
    @pytest.fixture
    def experiments(self, tmp_path):
        home = Home(tmp_path / "home")
        with open_store(home.store_path) as store, LocalExperiments(home, store) as experiments:
            yield experiments


class TestLocalWorkers(WorkerTrialsContract):
    experiments = TestLocalExperiments.experiments
