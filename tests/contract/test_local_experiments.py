"""Experiments of this machine keep the promises of every place of experiments."""

import pytest

from katib.experiments.protocol import ExperimentQuery
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
            for each in experiments.find(None, ExperimentQuery(limit=1000)).experiments:  # of a test that failed
                experiments.delete(each.metadata.namespace, each.metadata.name)


class TestLocalWorkers(WorkerTrialsContract):
    experiments = TestLocalExperiments.experiments
