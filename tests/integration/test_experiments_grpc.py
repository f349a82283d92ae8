"""The experiments' API over the wire: who may do what, what is refused and how, and servers that go away, are full, slow or told nonsense."""

import contextlib
import json
import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from authority import Authority
from experiments_served import ServedExperiments
from tracking_client import refused

from katib.access import Identity, Role
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.errors import (
    Conflict,
    Denied,
    InvalidExperiment,
    InvalidInput,
    KatibError,
    NotFound,
    Overloaded,
    StoreUnavailable,
    Unauthenticated,
)
from katib.experiments.protocol import Budget, Changes, ExperimentQuery, Measurement, Outcome
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.rpc import experiments_v1 as wire
from katib.rpc import experiments_worker_client
from katib.rpc.credentials import Tls
from katib.rpc.experiments_client import RemoteExperiments
from katib.rpc.experiments_service import SERVICE
from katib.rpc.experiments_stub import ExperimentsStub
from katib.store import open_store

PATIENCE = 60
TOKENS = {
    "writer": {"team-a": Role.WRITE},
    "admin": {"team-a": Role.ADMIN},
    "viewer": {"team-a": Role.READ, "team-b": Role.READ},
    "operator": {"*": Role.READ},
}


class Known:
    """Knows a few callers by their names."""

    asks_others = False

    def identity(self, token):
        if token not in TOKENS:
            raise Unauthenticated("nobody has this token")
        return Identity(token, TOKENS[token])


def document(name="search", trials=4, parallel=2, **spec):
    return json.dumps(
        {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": name},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "algorithm": {"algorithmName": "random"},
                "maxTrialCount": trials,
                "parallelTrialCount": parallel,
                "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
                **spec,
            },
        }
    )


def an_experiment(name="search"):
    experiment = parse_experiment(json.loads(document(name)))
    experiment.metadata.namespace, experiment.metadata.uid = "default", f"uid-of-{name}"
    return experiment


def eventually(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture
def local(tmp_path):
    home = Home(tmp_path)
    with open_store(home.store_path) as store, LocalExperiments(home, store) as experiments:
        yield experiments


@pytest.fixture
def server(local):
    with ServedExperiments(local) as server:
        yield server


@pytest.fixture
def remote(server):
    with RemoteExperiments(server.address, patience=PATIENCE) as remote:
        yield remote


@pytest.fixture
def guarded(local):
    with ServedExperiments(local, authenticator=Known()) as server:
        yield server


def known_as(server, token):
    return RemoteExperiments(server.address, token=token, patience=0)


class TestCallers:
    def test_each_may_do_what_they_may(self, guarded):
        with known_as(guarded, "writer") as writer:
            writer.create("team-a", document())
            writer.workers.suggest("team-a", "search", "w", wait=20).result(PATIENCE)
            with pytest.raises(Denied, match="administer"):
                writer.delete("team-a", "search", purge=True)
            with pytest.raises(Denied, match="team-b"):
                writer.create("team-b", document())
        with known_as(guarded, "viewer") as viewer:
            assert viewer.get("team-a", "search").metadata.name == "search"
            assert viewer.trials("team-a", "search")
            for call in (
                lambda: viewer.create("team-a", document("other")),
                lambda: viewer.stop("team-a", "search"),
                lambda: viewer.delete("team-a", "search"),
                lambda: viewer.workers.suggest("team-a", "search", "w").result(PATIENCE),
                lambda: viewer.workers.should_stop("team-a", "search", "t", "w").result(PATIENCE),
            ):
                with pytest.raises(Denied, match="write"):
                    call()
            with pytest.raises(NotFound):
                viewer.get("team-b", "search")
        with known_as(guarded, "operator") as operator:
            assert len(operator.find(None, ExperimentQuery()).experiments) == 1
        for token in ("", "stranger"):
            with known_as(guarded, token) as nobody, pytest.raises(Unauthenticated):
                nobody.get("team-a", "search")
        with known_as(guarded, "admin") as admin:
            admin.delete("team-a", "search", purge=True)

    def test_who_names_no_namespace_means_their_only_one(self, guarded):
        with known_as(guarded, "writer") as writer:
            assert writer.create("", document()).metadata.namespace == "team-a"
            assert [each.metadata.name for each in writer.find(None, ExperimentQuery()).experiments] == ["search"]
        with known_as(guarded, "viewer") as viewer, pytest.raises(InvalidInput, match="namespace"):
            viewer.find(None, ExperimentQuery())

    def test_a_token_is_read_from_its_file_with_each_call(self, guarded, tmp_path):
        file = tmp_path / "token"
        with RemoteExperiments(guarded.address, token_file=file, patience=0) as remote:
            with pytest.raises(StoreUnavailable, match="token"):
                remote.get("team-a", "search")
            with pytest.raises(StoreUnavailable, match="token"):
                remote.workers.suggest("team-a", "search", "w").result(PATIENCE)
            file.write_text("viewer\n")
            with pytest.raises(NotFound):
                remote.get("team-a", "search")

    def test_each_owner_of_a_token_can_have_experiments_of_their_own(self):
        asked = []

        class Mine(Nothing):
            def __init__(self, owner):
                self.owner = owner

            def get(self, namespace, name):
                asked.append((self.owner, namespace, name))
                return an_experiment(name)

        mine = {name: Mine(name) for name in TOKENS}
        with ServedExperiments(lambda token: mine[token], authenticator=Known()) as server:
            for token in ("writer", "viewer"):
                with known_as(server, token) as remote:
                    remote.get("team-a", token)
        assert asked == [("writer", "team-a", "writer"), ("viewer", "team-a", "viewer")]

    def test_certificates(self, local, tmp_path):
        ours, others = Authority("ours"), Authority("others")
        files = {name: tmp_path / f"{name}.pem" for name in ("certificate", "key", "ours", "others")}
        for name, text in zip(files, (*ours.issue("katib"), ours.pem, others.pem), strict=True):
            files[name].write_bytes(text)
        with ServedExperiments(local, tls=Tls(files["certificate"], files["key"])) as server:
            with RemoteExperiments(server.address, root_ca=files["ours"], patience=0) as remote:
                assert remote.find("default", ExperimentQuery()).experiments == ()
            with (
                RemoteExperiments(server.address, root_ca=files["others"], patience=0) as remote,
                pytest.raises(StoreUnavailable, match=server.address),
            ):
                remote.find("default", ExperimentQuery())
        with pytest.raises(InvalidInput, match="root_ca"):
            RemoteExperiments("localhost:1", root_ca=tmp_path / "none")


class TestAskAndTell:
    def test_several_workers_run_a_search(self, remote):
        remote.create("default", document(trials=12, parallel=3))
        workers = remote.workers

        def work(client):
            done = 0
            while True:
                suggested = workers.suggest("default", "search", client, wait=20).result(PATIENCE)
                if suggested.over:
                    assert suggested.state == "Succeeded"
                    return done
                for trial in suggested.trials:
                    loss = Measurement("loss", dict(trial.assignments)["x"], step=1)
                    order = workers.report("default", "search", trial.name, client, [loss]).result(PATIENCE)
                    assert not order.should_stop
                    ended = workers.complete("default", "search", trial.name, client, Outcome.COMPLETED)
                    assert ended.result(PATIENCE).state is TrialState.SUCCEEDED
                    done += 1

        with ThreadPoolExecutor(3) as pool:
            assert sum(pool.map(work, ("a", "b", "c"))) == 12
        trials = remote.trials("default", "search")
        assert len(trials) == 12
        best = remote.get("default", "search").status.current_optimal_trial
        assert best.best_trial_name == min(trials, key=lambda trial: float(dict(trial.assignments)["x"])).name

    def test_a_trial_is_its_clients(self, remote):
        remote.create("default", document(trials=2, parallel=1))
        workers = remote.workers
        [trial] = workers.suggest("default", "search", "a", wait=20).result(PATIENCE).trials
        assert workers.suggest("default", "search", "a").result(PATIENCE).trials[0].name == trial.name
        others = workers.suggest("default", "search", "b").result(PATIENCE)
        assert others.trials == ()
        assert others.waiting
        loss = [Measurement("loss", "1")]
        with pytest.raises(Conflict):
            workers.complete("default", "search", trial.name, "b", Outcome.COMPLETED, measurements=loss).result(
                PATIENCE
            )
        [held] = workers.heartbeat("default", "search", "b", [trial.name]).result(PATIENCE)
        assert held.lost
        broken = workers.complete("default", "search", trial.name, "a", Outcome.BROKEN, message="out of luck")
        assert broken.result(PATIENCE).state is TrialState.FAILED
        again = workers.complete("default", "search", trial.name, "a", Outcome.BROKEN, message="out of luck")
        assert again.result(PATIENCE) == broken.result()
        with pytest.raises(Conflict):
            workers.complete("default", "search", trial.name, "a", Outcome.COMPLETED, measurements=loss).result(
                PATIENCE
            )

    def test_what_is_wrong_is_in_the_future(self, remote):
        remote.create("default", document())
        workers = remote.workers
        for call, kind, word in (
            (workers.suggest("default", "nothing", "a"), NotFound, "nothing"),
            (workers.suggest("default", "search", ""), InvalidInput, "client_id"),
            (workers.suggest("default", "search", "a", count=0), InvalidInput, "count"),
            (workers.suggest("default", "search", "a", lease=0), InvalidInput, "lease"),
            (workers.suggest("default", "search", "a", lease=float("inf")), InvalidInput, "lease"),
            (workers.suggest("default", "search", "a", lease=float("nan")), InvalidInput, "lease"),
            (workers.heartbeat("default", "search", "a", [""]), InvalidInput, r"trials\[0\]"),
            (workers.report("default", "search", "t", "a", [Measurement("", "1")]), InvalidInput, "metric"),
            (workers.should_stop("default", "search", "search-none", "a"), NotFound, "search-none"),
        ):
            with pytest.raises(kind, match=word):
                call.result(PATIENCE)
        with pytest.raises(InvalidInput):
            workers.suggest("default", "search", "a", count=2**40)
        with pytest.raises(InvalidInput):
            workers.report("default", "search", "t", "a", [Measurement("loss", "\ud800")])

    def test_who_waits_long_asks_again(self, remote, monkeypatch):
        monkeypatch.setattr(experiments_worker_client, "_LONGEST_WAIT", 0.1)
        remote.create("default", document(trials=2, parallel=1))
        workers = remote.workers
        [trial] = workers.suggest("default", "search", "a", wait=20).result(PATIENCE).trials
        waiting = workers.suggest("default", "search", "b", wait=PATIENCE)
        time.sleep(0.3)
        assert not waiting.done()
        workers.complete(
            "default", "search", trial.name, "a", Outcome.COMPLETED, measurements=[Measurement("loss", "1")]
        ).result(PATIENCE)
        [other] = waiting.result(PATIENCE).trials
        assert other.name != trial.name
        assert workers.suggest("default", "search", "c", wait=0.3).result(PATIENCE).trials == ()


class Nothing:
    """Experiments of which a test needs one method."""

    def __getattr__(self, name):
        raise AttributeError(name)


@contextlib.contextmanager
def asked(experiments, *, patience=PATIENCE, told=None, deadline=30.0, **options):
    with (
        ServedExperiments(experiments, **options) as server,
        RemoteExperiments(server.address, patience=patience, deadline=deadline, told=told) as remote,
    ):
        yield server, remote


class TestOutages:
    def test_a_server_that_comes_back_is_asked_again_and_it_is_said_once(self, server, caplog):
        told = []
        with RemoteExperiments(server.address, patience=PATIENCE, told=told.append) as remote:
            remote.create("default", document())
            server.stop()
            with caplog.at_level(logging.INFO, "katib"), ThreadPoolExecutor(4) as pool:
                calls = [pool.submit(remote.get, "default", "search") for _ in range(3)]
                calls.append(pool.submit(remote.stop, "default", "search"))
                future = remote.workers.suggest("default", "search", "a")
                eventually(lambda: told, "it is said")
                server.start()
                for call in calls:
                    assert call.result(PATIENCE).metadata.name == "search"
                assert future.result(PATIENCE) is not None
        assert len(told) == 2, told
        assert server.address in told[0]
        assert "asking again for up to 60 s" in told[0]
        assert "answers again" in told[1]
        assert [record.getMessage() for record in caplog.records if record.name == "katib"] == told

    def test_patience_has_an_end_that_gives_the_reason(self, server):
        with RemoteExperiments(server.address, patience=0.3) as remote:
            server.stop()
            with pytest.raises(StoreUnavailable, match="asked") as caught:
                remote.get("default", "search")
            assert server.address in str(caught.value)
            assert "onnect" in str(caught.value)  # gRPC's own words
            with pytest.raises(StoreUnavailable, match=server.address):
                remote.workers.suggest("default", "search", "a").result(PATIENCE)
            with pytest.raises(StoreUnavailable, match=server.address):
                next(remote.watch("default"))

    def test_a_change_whose_answer_is_lost_is_made_once(self):
        class Forgetful(Nothing):
            """Makes each change, and then says that it cannot be known."""

            def __init__(self):
                self.made = {}
                self.asked = []
                self.workers = self

            def answer(self, request_id, made):
                self.asked.append(request_id)
                if request_id not in self.made:
                    self.made[request_id] = made
                    raise StoreUnavailable("the connection was lost; the change may be there")
                return self.made[request_id]

            def create(self, *_, request_id, **__):
                return self.answer(request_id, an_experiment())

            def stop(self, *_, **__):
                return self.answer("stop", an_experiment())

        experiments = Forgetful()
        with asked(experiments) as (_, remote):
            assert remote.create("default", "{}") == an_experiment()
            assert remote.create("default", "{}", request_id="mine") == an_experiment()
            remote.stop("default", "search")
        first, again, *others = experiments.asked
        assert first == again
        assert first
        assert others == ["mine", "mine", "stop", "stop"]

    def test_a_change_that_is_sent_twice_is_made_once(self):
        made = []

        class Slow(Nothing):
            def resume(self, _, name, **__):
                made.append(name)
                time.sleep(0.2)
                return an_experiment(name)

        request = wire.ResumeExperimentRequest(name="search", request_id="r")
        with asked(Slow()) as (server, _), grpc.insecure_channel(server.address) as channel:
            stub = ExperimentsStub(channel)
            calls = [stub.ResumeExperiment.future(request, timeout=PATIENCE) for _ in range(5)]
            assert {call.result().name for call in calls} == {"search"}
            assert made == ["search"]
            with refused(grpc.StatusCode.ALREADY_EXISTS):
                stub.ResumeExperiment(wire.ResumeExperimentRequest(name="other", request_id="r"), timeout=PATIENCE)

    def test_a_watch_goes_on_after_a_restart_without_gaps(self, local, server, remote):
        remote.create("default", document("a"))
        remote.create("default", document("b"))
        seen = {}
        gone = []

        def follow():
            with contextlib.suppress(StoreUnavailable):  # at the end, as the client is closed
                for changes in remote.watch("default"):
                    for experiment in changes.experiments:
                        seen.setdefault(experiment.metadata.name, []).append(experiment.spec.max_trial_count)
                    gone.extend(name for _, name, _ in changes.deleted)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            eventually(lambda: set(seen) == {"a", "b"}, "both are there")
            server.stop()
            local.edit_budget("default", "a", Budget(max_trial_count=9))
            local.delete("default", "b")
            server.start()
            eventually(lambda: "b" in gone, "the deletion is told")
            eventually(lambda: seen["a"][-1] == 9, "the edit is told")
            assert gone == ["b"]
        finally:
            remote.close()
            thread.join(PATIENCE)
        assert not thread.is_alive()

    def test_a_log_goes_on_after_a_restart_without_gaps(self):
        class Printing(Nothing):
            def __init__(self):
                self.text = b"".join(b"line %d\n" % number for number in range(50_000))
                self.there = 0
                self.readers = 0

            def logs(self, *_, follow):
                assert follow

                def pieces():
                    self.readers += 1
                    at = 0
                    while at < len(self.text):
                        if self.there > at:
                            yield self.text[at : self.there]
                            at = self.there
                        else:
                            yield b""
                            time.sleep(0.01)

                return pieces()

        experiments = Printing()
        with asked(experiments) as (server, remote):
            pieces = remote.logs("default", "search", "search-1", follow=True)
            experiments.there = 100_001
            found = b""
            while len(found) < 100_001:
                found += next(pieces)
            server.stop()
            server.start()
            experiments.there = len(experiments.text)
            for piece in pieces:
                found += piece
            assert found == experiments.text
            assert experiments.readers == 2
            assert b"".join(remote.logs("default", "search", "search-1", follow=True)) == experiments.text

    def test_who_waits_for_a_trial_does_not_hold_up_a_server_that_stops(self, local, server, remote):
        remote.create("default", document(trials=2, parallel=1))
        [trial] = remote.workers.suggest("default", "search", "a", wait=20).result(PATIENCE).trials
        waiting = remote.workers.suggest("default", "search", "b", wait=PATIENCE)
        with RemoteExperiments(server.address, patience=0) as other:
            waits = other.workers.suggest("default", "search", "c", wait=PATIENCE)
            server.stop()
            with pytest.raises(StoreUnavailable):
                waits.result(PATIENCE)
        values = [Measurement("loss", "1")]
        local.workers.complete("default", "search", trial.name, "a", Outcome.COMPLETED, measurements=values).result()
        server.start()
        found = waiting.result(PATIENCE)
        assert found.over or found.trials

    def test_who_closes_the_client_waits_for_nothing(self, local):
        local.create("default", document(parallel=1))
        with ServedExperiments(local) as server:
            remote = RemoteExperiments(server.address, patience=PATIENCE)
            remote.workers.suggest("default", "search", "a", wait=20).result(PATIENCE)
            waiting = remote.workers.suggest("default", "search", "b", wait=PATIENCE)
            watch = remote.watch("default", "search")
            next(watch)
            remote.close()
            with pytest.raises(StoreUnavailable):
                waiting.result(PATIENCE)
            with pytest.raises(StoreUnavailable):
                next(watch)
            for call in (lambda: remote.get("default", "search"), lambda: next(remote.watch("default"))):
                with pytest.raises(StoreUnavailable, match="cannot be asked"):
                    call()
            with pytest.raises(StoreUnavailable, match="cannot be asked"):
                remote.workers.suggest("default", "search", "b").result(PATIENCE)

    def test_what_waits_to_be_asked_again_is_told_when_the_client_is_closed(self, server):
        told = threading.Event()
        remote = RemoteExperiments(server.address, patience=PATIENCE, told=lambda _: told.set())
        server.stop()
        future = remote.workers.suggest("default", "search", "a")
        assert told.wait(PATIENCE)
        remote.close()
        with pytest.raises(StoreUnavailable):
            future.result(PATIENCE)

    def test_a_future_that_is_cancelled_is_not_asked_for_again(self, server):
        told = threading.Event()
        with RemoteExperiments(server.address, patience=PATIENCE, told=lambda _: told.set()) as remote:
            server.stop()
            future = remote.workers.suggest("default", "search", "a")
            assert told.wait(PATIENCE)
            assert future.cancel()
            server.start()


class Blocked(Nothing):
    """Experiments that answer when they are let."""

    def __init__(self):
        self.going = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)

    def get(self, _, name):
        self.asked.release()
        assert self.going.acquire(timeout=PATIENCE)
        return an_experiment(name)


class TestLoad:
    def test_a_full_server_says_so_and_is_asked_again(self):
        experiments = Blocked()
        with asked(experiments, threads=1, most_waiting=1) as (server, remote), ThreadPoolExecutor(2) as pool:
            first = pool.submit(remote.get, "default", "a")
            assert experiments.asked.acquire(timeout=PATIENCE)
            with RemoteExperiments(server.address, patience=0) as hasty, pytest.raises(Overloaded, match="ask again"):
                hasty.get("default", "b")
            second = pool.submit(remote.get, "default", "b")
            experiments.going.release(2)
            assert first.result(PATIENCE).metadata.name == "a"
            assert second.result(PATIENCE).metadata.name == "b"

    def test_a_call_that_takes_too_long_is_ended_by_either_side(self):
        experiments = Blocked()
        with asked(experiments, patience=0, longest_call=0.2) as (_, remote):
            with pytest.raises(StoreUnavailable, match="in time"):
                remote.get("default", "a")
            experiments.going.release()
        with asked(experiments, patience=0, deadline=0.2) as (_, remote):
            with pytest.raises(StoreUnavailable, match="in time"):
                remote.get("default", "a")
            experiments.going.release()

    def test_logs_are_read_by_so_many_and_left_by_who_goes(self):
        class Silent(Nothing):
            def __init__(self):
                self.readers = set()

            def logs(self, *_, **__):
                def pieces():
                    me = object()
                    self.readers.add(me)
                    try:
                        while True:
                            yield b""
                            time.sleep(0.01)
                    finally:
                        self.readers.discard(me)

                return pieces()

        experiments = Silent()
        with asked(experiments, patience=0, most_logs=2) as (server, remote):
            with RemoteExperiments(server.address, patience=0) as other:
                read = [other.logs("default", "search", "search-1", follow=True) for _ in range(2)]
                eventually(lambda: len(experiments.readers) == 2, "both are read")
                with pytest.raises(Overloaded, match="2 logs"):
                    remote.logs("default", "search", "search-1", follow=True)
            assert len(read) == 2
            eventually(lambda: not experiments.readers, "they are left")
            pieces = remote.logs("default", "search", "search-1", follow=True)
            eventually(lambda: len(experiments.readers) == 1, "it is read")
            server.stop()
            with pytest.raises(StoreUnavailable):
                next(pieces)
            eventually(lambda: not experiments.readers, "it is left")
            server.start()

    def test_much_that_changed_comes_in_several_messages(self):
        class Many(Nothing):
            def changes(self, *_):
                found = [an_experiment(f"e-{number}") for number in range(60)]
                for experiment in found:
                    experiment.metadata.annotations = {"note": "x" * 100_000}
                return Changes("7", tuple(found), (), (("default", "gone", "u"),))

        with asked(Many()) as (server, remote):
            changes = remote.changes("default", None, "")
            assert [each.metadata.name for each in changes.experiments] == [f"e-{number}" for number in range(60)]
            assert changes.cursor == "7"
            assert changes.deleted == (("default", "gone", "u"),)
            with grpc.insecure_channel(server.address) as channel:
                messages = list(ExperimentsStub(channel).ListChanges(wire.ListChangesRequest(), timeout=PATIENCE))
            assert len(messages) > 3
            assert max(message.ByteSize() for message in messages) < 2 << 20


def outcome(call, data, *, streams):
    """What becomes of a request, or of the first message of its stream."""
    try:
        answer = call(data, timeout=5)
        if streams:
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, "OK"


class TestNonsense:
    def test_whatever_is_sent_is_answered_with_a_sentence(self, server, remote):
        remote.create("default", document())
        chance = random.Random(7)
        allowed = {
            grpc.StatusCode.OK,
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.ALREADY_EXISTS,
            grpc.StatusCode.PERMISSION_DENIED,
        }
        with grpc.insecure_channel(server.address) as channel:
            for name, method in SERVICE.methods_by_name.items():
                kind = channel.unary_stream if method.server_streaming else channel.unary_unary
                call = kind(f"/{SERVICE.full_name}/{name}")
                for number in range(12):
                    data = chance.randbytes(chance.randrange(1, 60)) if number else b""
                    code, said = outcome(call, data, streams=method.server_streaming)
                    assert code in allowed, (name, data, said)
                    assert said
        assert remote.get("default", "search").metadata.name == "search"

    def test_names_of_namespaces_are_names(self, remote):
        for namespace in ("Team A", "../x", "x" * 64, "*"):
            with pytest.raises(InvalidInput, match="namespace"):
                remote.get(namespace, "search")

    def test_what_is_too_large_is_refused_at_once(self, remote):
        with pytest.raises(KatibError, match="larger than max"):
            remote.create("default", "x" * (65 << 20))
        with pytest.raises(InvalidExperiment, match="bytes"):
            remote.create("default", f"# {'x' * (20 << 20)}\n{document()}")

    def test_a_search_is_refused_in_its_own_terms(self, server):
        search = wire.Search(name="s", algorithm="rndom", objectives=[wire.Objective(metric="loss", direction=1)])
        search.parameters.add(name="x").int_space.SetInParent()
        search.parameters[0].int_space.min = 3
        with (
            grpc.insecure_channel(server.address) as channel,
            refused(grpc.StatusCode.INVALID_ARGUMENT, "search.parameters[0].int_space.min", "search.algorithm"),
        ):
            ExperimentsStub(channel).CreateExperiment(wire.CreateExperimentRequest(search=search), timeout=PATIENCE)


def test_what_the_documentation_shows(server, remote, capsys):
    text = (Path(__file__).parents[2] / "docs" / "experiments-grpc.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    exec(code.replace("127.0.0.1:6789", server.address), {})  # noqa: S102 - it is ours
    best = remote.get("default", "parabola").status.current_optimal_trial.best_trial_name
    assert best in capsys.readouterr().out.splitlines()
