"""The launcher, compiled once, and a store server with trials to report about."""

import itertools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pod import Pod, build_launcher

from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import recorded

_TRIALS = 64


@pytest.fixture(scope="session")
def launcher(tmp_path_factory):
    binary = build_launcher(tmp_path_factory.mktemp("launcher"))
    if binary is None:
        pytest.skip("no gcc: the launcher cannot be compiled")
    return binary


@pytest.fixture
def make_pod(launcher, tmp_path):
    pods = []

    def make(**settings):
        folder = tmp_path / f"pod{len(pods)}"
        folder.mkdir()
        pods.append(Pod(folder, launcher, **settings))
        return pods[-1]

    yield make
    for pod in pods:
        pod.close()


class Store:
    """A store server, and the same store read directly."""

    def __init__(self, path):
        self.path = path
        with open_store(path) as store:
            self.uid = recorded(store, trials=_TRIALS)
        self._free = itertools.count()
        self.http = ""

    def trial(self):
        """Return a trial of which nobody has reported."""
        return f"search-{next(self._free):04d}"

    def texts(self, trial, metric="loss"):
        """Return what was reported of a trial."""
        with open_store(self.path) as store:
            return [observed.text for observed in store.series(self.uid, trial, metric)]

    def series(self, trial, metric="loss"):
        with open_store(self.path) as store:
            return store.series(self.uid, trial, metric)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    found = Store(tmp_path_factory.mktemp("store") / "katib.db")
    with ServedStore("--url", f"sqlite:///{found.path}", "--http-address", "127.0.0.1:0") as server:
        assert server.first_line, server.log
        found.http = f"http://{server.process.stdout.readline().split()[-1]}"
        yield found
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.fixture
def collected(make_pod, store):
    """Return a pod with a sidecar that reports to the store, and the trial's name."""

    def make(**settings):
        trial = store.trial()
        pod = make_pod(store=store.http, trial=trial, **settings)
        pod.start_ready_sidecar()
        return pod, trial

    return make
