"""An operator's client of the store server, as a real process: what it records, and what it is told when that cannot be."""

import hashlib
import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import yaml
from test_suggestion_server_tls import Authority

from katib.api.base import Condition
from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.errors import Conflict, Denied, InvalidInput, NotFound, StoreUnavailable, Unauthenticated
from katib.rpc import v1beta1 as wire
from katib.rpc.services import stub
from katib.rpc.store_client import StoreClient
from katib.store import open_store
from katib.store.protocol import Summary
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import an_experiment, trial

PATIENCE = 60
TOKENS = {"operator": {"*": "write"}, "viewer": {"team-a": "read"}}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def token(name):
    return f"token-of-{name}-0123456789"


def on_a_cluster(uid, name="search", **fields):
    experiment = an_experiment(name, namespace="team-a")
    experiment.metadata.uid, experiment.metadata.creation_timestamp = uid, NOON
    condition = Condition(type="Running", reason="ExperimentRunning", message="")
    return experiment.model_copy(update={"status": ExperimentStatus(conditions=[condition], **fields)})


def report(server, name, values, namespace="team-a"):
    """Report over Katib's wire, as a collector does."""
    rows = [
        {
            "time_stamp": f"{(NOON + timedelta(seconds=number)).isoformat()[:19]}Z",
            "metric": {"name": "loss", "value": value},
        }
        for number, value in enumerate(values)
    ]
    request = wire.ReportObservationLogRequest(trial_name=name, observation_log={"metric_logs": rows})
    metadata = [("authorization", f"Bearer {token('operator')}"), ("x-katib-namespace", namespace)]
    with grpc.insecure_channel(server.address) as channel:
        stub(channel, "DBManager", "ReportObservationLog")(request, timeout=PATIENCE, metadata=metadata)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def server(folder):
    entries = [
        {"name": name, "sha256": hashlib.sha256(token(name).encode()).hexdigest(), "namespaces": grants}
        for name, grants in TOKENS.items()
    ]
    (folder / "tokens.yaml").write_text(yaml.safe_dump({"tokens": entries}))
    arguments = ("--url", f"sqlite:///{folder / 'katib.db'}", "--token-file", folder / "tokens.yaml")
    with ServedStore(*arguments) as server:
        assert server.address, server.log
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.fixture
def client(server):
    with StoreClient(server.address, token=token("operator")) as client:
        yield client


def eventually(call):
    """Return what a call returns once the store answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert time.monotonic() < deadline
        time.sleep(0.05)


class TestRecording:
    def test_a_whole_experiment(self, server, client, folder):
        experiment = on_a_cluster("u1", "whole", trials=1200)
        report(server, "whole-0000", ["0.5", "NaN", "0.25", "word"])
        client.record_experiment(experiment, 1)
        records = [
            trial(index, TrialState.RUNNING, name=f"whole-{index:04}", attempt=1, started=NOON) for index in range(1200)
        ]
        jobs = {record.name: {"kind": "Job", "text": "x" * 10_000} for record in records}
        places = {"whole-0000": {"node": "n1", "pod": "whole-0000-x"}}
        for _ in range(2):
            client.record_trials(experiment, records, jobs=jobs, places=places)
        names = [record.name for record in records]
        expected = {"loss": Summary(first="0.5", latest="word", min="0.25", max="0.5", count=4)}
        assert client.summaries(experiment, names) == {"whole-0000": expected}
        found = client.series(experiment, "whole-0000", "loss")
        assert [repr(value) for value in found] == ["0.5", "nan", "0.25", "None"]
        assert client.series(experiment, "whole-0000", "other") == []
        client.record_event(experiment, "Waiting", "for a node", kind="Warning", event_id="e", count=2, time=NOON)
        done = [replace(record, state=TrialState.SUCCEEDED, finished=NOON) for record in records[:1100]]
        client.record_trials(experiment, done)
        client.record_trials(experiment, records)
        for _ in range(2):
            client.mark_deleted("team-a", "u1")
        with open_store(folder / "katib.db") as store:
            states = [record.state for record in store.trials("u1")]
            assert states == [TrialState.SUCCEEDED] * 1100 + [TrialState.KILLED] * 100
            assert len(store.jobs("u1")) == 1200
            assert store.experiment("team-a", "whole").status.conditions[-1].reason == "ExperimentDeleted"
            assert [(each.reason, each.count) for each in store.events("u1")] == [
                ("Waiting", 2),
                ("ExperimentDeleted", 1),
            ]
            place = store.tracking("team-a").run_named("u1", "whole-0000").place
            assert place.items() >= places["whole-0000"].items()

    def test_two_namespaces_never_meet(self, server, client):
        report(server, "same-0000", ["1"])
        report(server, "same-0000", ["2"], "team-b")
        for number, namespace in enumerate(("team-a", "team-b"), 1):
            experiment = on_a_cluster(f"u2{number}", "same")
            experiment.metadata.namespace = namespace
            client.record_experiment(experiment, 1)
            client.record_trials(experiment, [trial(0, name="same-0000", created=NOON - timedelta(days=number))])
            assert client.series(experiment, "same-0000", "loss") == [number]
            assert client.summaries(experiment, ["same-0000"])["same-0000"]["loss"].latest == str(number)


class TestErrors:
    def test_what_is_refused_says_why(self, client):
        nobody = on_a_cluster("")
        with pytest.raises(InvalidInput) as caught:
            client.record_experiment(nobody, 1)
        assert [problem.path for problem in caught.value.problems] == ["metadata.uid"]
        unrecorded = on_a_cluster("u3")
        for call in (
            lambda: client.record_trials(unrecorded, [trial(0)]),
            lambda: client.summaries(unrecorded, ["t"]),
            lambda: client.series(unrecorded, "t", "loss"),
        ):
            with pytest.raises(NotFound):
                call()
        client.mark_deleted("team-a", "u3")
        client.record_experiment(unrecorded, 1)
        client.record_trials(unrecorded, [trial(0)])
        with pytest.raises(Conflict, match="is named"):
            client.record_trials(unrecorded, [trial(0, name="another")])
        with pytest.raises(NotFound):
            client.series(unrecorded, "another", "loss")

    def test_who_may_not(self, server, tmp_path):
        experiment = on_a_cluster("u4")
        with StoreClient(server.address, token=token("viewer")) as viewer, pytest.raises(Denied):
            viewer.record_experiment(experiment, 1)
        with StoreClient(server.address) as nobody, pytest.raises(Unauthenticated):
            nobody.record_experiment(experiment, 1)
        place = tmp_path / "token"
        with StoreClient(server.address, token_file=place) as operator:
            with pytest.raises(StoreUnavailable, match="token"):
                operator.record_experiment(experiment, 1)
            place.write_text("an-old-one\n")
            with pytest.raises(Unauthenticated):
                operator.record_experiment(experiment, 1)
            place.write_text(f"{token('operator')}\n")
            operator.record_experiment(experiment, 1)

    def test_a_closed_client(self, server):
        client = StoreClient(server.address)
        client.close()
        client.close()
        with pytest.raises(StoreUnavailable):
            client.summaries(on_a_cluster("u5"), ["t"])

    def test_a_store_that_hangs(self, tmp_path):
        with ServedStore("--url", f"sqlite:///{tmp_path / 'k.db'}") as server:
            with StoreClient(server.address, deadline=0.5) as client:
                experiment = on_a_cluster("u6")
                eventually(lambda: client.record_experiment(experiment, 1))
                os.kill(server.process.pid, signal.SIGSTOP)
                with pytest.raises(StoreUnavailable, match="in time"):
                    client.record_trials(experiment, [trial(0)])
                os.kill(server.process.pid, signal.SIGCONT)
                eventually(lambda: client.record_trials(experiment, [trial(0)]))
            assert server.stop() == 0

    def test_a_store_that_goes_and_comes_back(self, tmp_path):
        url = f"sqlite:///{tmp_path / 'k.db'}"
        experiment = on_a_cluster("u7")
        with ServedStore("--url", url) as server:
            client = StoreClient(server.address)
            client.record_experiment(experiment, 1)
            assert server.stop() == 0
        with client:
            with pytest.raises(StoreUnavailable):
                client.record_trials(experiment, [trial(0)])
            with ServedStore("--url", url, "--address", server.address) as again:
                assert again.address == server.address, again.log
                eventually(lambda: client.record_trials(experiment, [trial(0)]))
                assert again.stop() == 0
        with open_store(tmp_path / "k.db") as store:
            assert [record.index for record in store.trials("u7")] == [0]


class TestTls:
    def test_a_store_with_a_certificate(self, tmp_path):
        authority = Authority("one")
        certificate, key = authority.issue("server")
        for name, content in (
            ("cert.pem", certificate),
            ("key.pem", key),
            ("ca.pem", authority.pem),
            ("other.pem", Authority("other").pem),
        ):
            (tmp_path / name).write_bytes(content)
        files = ("--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
        with ServedStore("--url", f"sqlite:///{tmp_path / 'k.db'}", *files) as server:
            assert server.address, server.log
            with StoreClient(server.address, root_ca=tmp_path / "ca.pem") as client:
                client.record_experiment(on_a_cluster("u8"), 1)
            with (
                StoreClient(server.address, root_ca=tmp_path / "other.pem") as client,
                pytest.raises(StoreUnavailable),
            ):
                client.record_experiment(on_a_cluster("u8"), 2)
        with pytest.raises(InvalidInput, match="root_ca"):
            StoreClient(server.address, root_ca=tmp_path / "none.pem")
