"""The store's own service on real servers, asked over loopback: what it keeps, who sees it, and streams that are taken up again."""

import datetime as dt
import itertools
import math
import pathlib
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tracking_client import METHODS, Client, connected, points, refused, uploading

from katib.rpc import store_v1 as wire
from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import recorded

NOT_FOUND = grpc.StatusCode.NOT_FOUND
EXISTS = grpc.StatusCode.ALREADY_EXISTS
INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOON = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, dt.UTC)
CONTENT = bytes(range(256)) * 12_345  # 3 MB and a bit, of no special size
namespaces = map("team-{}".format, itertools.count())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def arguments(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder / 'katib.db'}" if request.param == "sqlite" else None
    url = url or request.getfixturevalue("postgresql").new_store()
    return ("--url", url, "--artifacts", str(folder / "files"))


@pytest.fixture
def own_arguments(arguments, tmp_path):
    """For a server beside the module's: a file has one server, a database any number."""
    if "sqlite" in arguments[1]:
        return ("--url", f"sqlite:///{tmp_path / 'own.db'}", *arguments[2:])
    return arguments


@pytest.fixture(scope="module")
def server(arguments):
    with ServedStore(*arguments, "--grace", "60s") as server:
        assert server.address, server.log
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.fixture
def client(server):
    with connected(server, next(namespaces)) as client:
        yield client


@pytest.fixture
def run(client):
    return client.CreateRun(name="a run")


class TestServer:
    def test_probes_and_reflection_know_the_service(self, client):
        channel = client.channel
        reply = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service="katib.v1.Store"), timeout=10
        )
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "katib.v1.Store" in database.get_services()
        file = database.FindFileContainingSymbol("katib.v1.Run")
        assert {method.name for method in file.service[0].method} == set(METHODS)


class TestLife:
    def test_an_experiment_from_its_beginning_to_its_end(self, client):
        home, search, runs = client.own("p"), client.own("e"), [client.own(f"r{number}") for number in range(3)]
        project = client.CreateProject(project_id=home, name="Vision", tags={"team": "a"})
        experiment = client.CreateExperiment(
            experiment_id=search,
            project_id=home,
            name="search",
            objective="loss",
            objective_type="OBJECTIVE_TYPE_MINIMIZE",
        )
        for number, run_id in enumerate(runs):
            client.CreateRun(
                run_id=run_id,
                experiment_id=search,
                name=f"trial-{number}",
                parameters={"lr": f"0.{number + 1}", "optimizer": "adam"},
                tags={"first": "yes"} if number == 0 else {},
            )
            reply = client.Append(run_id=run_id, first_sequence=0, observations=points(number, 3))
            assert reply.next_sequence == 3
            client.UpdateRun(run_id=run_id, state="RUN_STATE_SUCCEEDED", end_time=NOON, environment={"image": "i"})
        client.UpdateExperiment(experiment_id=search, state="RUN_STATE_SUCCEEDED", best_value=2 / 7)

        found = client.FindRuns(
            filter="params.lr < 0.25",
            order_by=["min(metrics.loss) DESC"],
            scope={"experiment_ids": [search]},
            count=True,
        )
        assert [run.id for run in found.runs] == [runs[1], runs[0]]
        assert found.total_size == 2
        assert client.CountRuns(filter="min(metrics.loss) >= 0", scope={"project_ids": [project.id]}).total_size == 3
        read = client.GetRun(experiment_id=search, name="trial-2")
        assert read.id == runs[2]
        assert read.parent_id == experiment.run_id
        assert read.end_time.ToDatetime(dt.UTC) == NOON
        assert [(each.name, each.text, each.number) for each in read.parameters] == [
            ("lr", "0.3", 0.3),
            ("optimizer", "adam", 0.0),
        ]
        assert not read.parameters[1].HasField("number")
        assert (read.metrics[0].min_value, read.metrics[0].latest, read.metrics[0].count) == (2 / 7, repr(4 / 7), 3)
        assert read.environment["image"] == "i"
        compared = client.CompareRuns(run_ids=runs[:2])
        assert compared.equal["params.optimizer"].string_value == "adam"
        assert len(compared.different["params.lr"].cells) == 2
        charts = client.GetCharts(run_ids=[runs[2], runs[0]], metric="loss", points=2).charts
        assert [chart.run_id for chart in charts] == [runs[2], runs[0]]
        assert sum(point.count for point in charts[0].points) == 3

        client.Delete(node={"kind": "NODE_KIND_EXPERIMENT", "id": search})
        assert client.FindExperiments().experiments == []
        assert client.GetExperiment(experiment_id=search).HasField("delete_time")
        with refused(EXISTS):
            client.Append(run_id=runs[0], first_sequence=3, observations=points(3, 1))
        client.Restore(node={"kind": "NODE_KIND_EXPERIMENT", "id": search})
        assert [each.id for each in client.FindExperiments(filter="name = 'search'").experiments] == [search]
        client.Delete(node={"kind": "NODE_KIND_PROJECT", "id": home})
        tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        purged = client.Purge(deleted_before=tomorrow)
        assert (purged.projects, purged.experiments, purged.observations) == (1, 1, 9)
        with refused(NOT_FOUND):
            client.GetRun(run_id=runs[0])
        actions = [entry.action for entry in client.ListAuditEntries(page_size=1000).entries]
        assert {"create", "delete", "restore", "purge"} <= set(actions)

    def test_what_local_mode_recorded(self, server, arguments, client):
        with open_store(arguments[1]) as store:
            uid = recorded(store, "searched", trials=2)
        with connected(server, "default") as everybody:
            experiment = everybody.GetExperiment(experiment_id=uid)
            assert experiment.kind == wire.EXPERIMENT_KIND_KATIB
            assert '"objective"' in experiment.spec_json
            assert len(everybody.FindRuns(scope={"experiment_ids": [uid]}).runs) == 2
        with refused(NOT_FOUND):
            client.GetExperiment(experiment_id=uid)


class TestValues:
    @pytest.mark.parametrize(
        "text", ["NaN", "inf", "-Infinity", "1e-300", "unavailable", str(2**63), "-0.0", "ünïcode"]
    )
    def test_a_metric_comes_back_as_it_was_reported(self, client, run, text):
        client.Log(run_id=run.id, observations=[{"metric": "m", "text": text, "time": NOON, "step": -(2**63)}])
        [observation] = client.ListObservations(run_id=run.id).observations
        assert observation.text == text
        assert (observation.time.ToDatetime(dt.UTC), observation.step) == (NOON, -(2**63))
        try:
            expected = float(text)
        except ValueError:
            assert not observation.HasField("value")
        else:
            assert repr(observation.value) == repr(expected)

    def test_a_value_instead_of_a_text(self, client, run):
        values = [math.nan, math.inf, 5e-324, 0.1]
        client.Log(run_id=run.id, observations=[{"metric": "m", "value": value} for value in values])
        found = [each.value for each in client.ListObservations(run_id=run.id).observations]
        assert list(map(repr, found)) == list(map(repr, values))

    def test_properties_are_any_json(self, client):
        value = {"a": [1, 2.5, None, True, "x", {}], "b": {"c": {"d": []}}}
        request = wire.CreateRunRequest(namespace=client.namespace, properties={"p": {"struct_value": value}})
        request.properties["whole"].number_value = 2.0**53
        request.properties["nan"].number_value = math.nan
        run = client.stub.CreateRun(request, timeout=30)
        expected = wire.CreateRunRequest(properties={"p": {"struct_value": value}})
        assert client.GetRun(run_id=run.id).properties["p"] == expected.properties["p"]
        assert run.properties["whole"].number_value == 2**53
        assert math.isnan(run.properties["nan"].number_value)

    def test_only_the_fields_of_a_mask(self, client):
        client.CreateRun(run_id=client.own("m"), parameters={"x": "1"}, tags={"a": "b"}, observations=points(0, 1))
        read = client.GetRun(run_id=client.own("m"), read_mask={"paths": ["id", "metrics"]})
        assert {field.name for field, _ in read.ListFields()} == {"id", "metrics"}
        with refused(INVALID, "read_mask"):
            client.GetRun(run_id=client.own("m"), read_mask={"paths": ["metrics.loss"]})

    def test_pages_have_every_run_once(self, client):
        with ThreadPoolExecutor(8) as threads:
            list(
                threads.map(
                    lambda n: client.CreateRun(run_id=client.own(f"run{n:02}"), parameters={"n": str(n)}), range(25)
                )
            )
        seen, token = [], ""
        for _ in range(10):
            page = client.FindRuns(order_by=["params.n DESC"], page_size=4, page_token=token)
            seen += [run.id for run in page.runs]
            if not (token := page.next_page_token):
                break
        assert sorted(seen) == [client.own(f"run{n:02}") for n in range(25)]


CREATES = {
    "CreateProject": {"project_id": "id1", "name": "n"},
    "CreateExperiment": {"experiment_id": "id1", "name": "n"},
    "CreateRun": {"run_id": "id1", "name": "n", "parameters": {"a": "1"}, "observations": points(0, 3)},
    "CreateDataset": {"dataset_id": "id1", "name": "n", "project_id": "home"},
    "AddDatasetVersion": {"project_id": "home", "name": "n", "digest": "d"},
    "AddComment": {"comment_id": "id1", "run_id": "there", "text": "well"},
    "PutArtifact": {"run_id": "there", "path": "a/b", "state": "ARTIFACT_STATE_LINK", "uri": "s3://b/k"},
}
ROOT_RUNS = {"CreateExperiment": 2, "CreateRun": 2}
"""Afterwards, where it is not the one that is there."""


class TestTwice:
    @pytest.mark.parametrize("method", CREATES)
    def test_a_create_that_comes_again_makes_nothing(self, client, method):
        client.CreateProject(project_id=client.own("home"), name="home")
        client.CreateRun(run_id=client.own("there"), project_id=client.own("home"))
        fields = {key: client.own(value) if key.endswith("_id") else value for key, value in CREATES[method].items()}
        with ThreadPoolExecutor(4) as threads:
            made = [threads.submit(getattr(client, method), **fields) for _ in range(4)]
        replies = [each.result() for each in made]
        assert all(reply == replies[0] for reply in replies)
        assert client.CountRuns(scope={"roots_only": True}).total_size == ROOT_RUNS.get(method, 1)
        if method == "CreateRun":
            assert len(client.ListObservations(run_id=client.own("id1")).observations) == 3

    def test_a_log_that_comes_again_changes_nothing(self, client, run):
        log = {"run_id": run.id, "observations": [*points(0, 2), *points(0, 1)], "parameters": {"a": "1"}}
        assert client.Log(**log).stored == 3
        assert client.Log(**log).repeated_count == 3
        assert len(client.ListObservations(run_id=run.id).observations) == 3
        with refused(EXISTS):
            client.Log(run_id=run.id, parameters={"a": "2"})
        client.Log(run_id=run.id, parameters={"a": "2"}, replace_parameters=True)
        assert client.GetRun(run_id=run.id).parameters[0].text == "2"


class TestAppending:
    def test_each_message_is_acknowledged_before_the_stream_ends(self, client, run):
        may_go_on = threading.Semaphore(1)

        def requests():
            for number in range(5):
                may_go_on.acquire()
                first = {"namespace": client.namespace, "run_id": run.id} if number == 0 else {}
                yield wire.AppendRequest(first_sequence=2 * number, observations=points(2 * number, 2), **first)

        following = []
        for reply in client.AppendObservations(requests=requests()):
            following.append(reply.next_sequence)
            stored = client.ListObservations(run_id=run.id).observations
            assert len(stored) >= reply.next_sequence
            may_go_on.release()
        assert following == [2, 4, 6, 8, 10]

    def test_a_stream_that_was_cut_is_taken_up_again(self, server, client, run):
        total, following = 300, 0

        def requests(first):
            for number in range(first, total):
                yield wire.AppendRequest(
                    namespace=client.namespace, run_id=run.id, first_sequence=number, observations=points(number, 1)
                )

        for cut_after in (7, 50, 100, total):
            with grpc.insecure_channel(server.address) as channel:
                stream = Client(channel).AppendObservations(requests=requests(following))
                for reply in itertools.islice(stream, cut_after):
                    following = reply.next_sequence
                stream.cancel()
        assert following == total
        stored = client.ListObservations(run_id=run.id).observations
        assert [each.text for each in stored] == [each["text"] for each in points(0, total)]

    def test_a_large_log_in_one_request(self, client, run):
        request = {"run_id": run.id, "observations": points(0, 20_000), "timeout": 120}
        assert client.Log(**request).stored == 20_000
        assert client.Log(**request).repeated_count == 20_000
        page = client.ListObservations(run_id=run.id, page_size=15_000)
        assert page.more
        rest = client.ListObservations(run_id=run.id, page_size=15_000, after_sequence=page.observations[-1].sequence)
        assert not rest.more
        texts = [each.text for each in (*page.observations, *rest.observations)]
        assert texts == [each["text"] for each in points(0, 20_000)]

    def test_a_message_that_is_none_leaves_those_before_it(self, client, run):
        good = wire.AppendRequest(namespace=client.namespace, run_id=run.id, observations=points(0, 2))
        bad = wire.AppendRequest(first_sequence=2, observations=[{"metric": "loss"}])
        stream = client.AppendObservations(requests=iter([good, bad]))
        assert next(stream).next_sequence == 2
        with refused(INVALID, "observations[0].text"):
            next(stream)

    def test_a_run_that_is_none_leaves_those_before_it(self, client, run):
        good = {"namespace": client.namespace, "run_id": run.id}
        messages = [{**good, "first_sequence": number, "observations": points(number, 1)} for number in range(50)]
        messages.append({"run_id": client.own("none"), "observations": points(0, 1)})
        stream = client.AppendObservations(requests=iter([wire.AppendRequest(**each) for each in messages]), timeout=60)
        following = 0
        with refused(NOT_FOUND):
            for reply in stream:
                following = reply.next_sequence
        assert following == len(client.ListObservations(run_id=run.id).observations) == 50

    def test_a_gap_ends_the_stream_and_keeps_what_was_acknowledged(self, client, run):
        messages = [
            {"namespace": client.namespace, "run_id": run.id, "first_sequence": 0, "observations": points(0, 2)},
            {"first_sequence": 3, "observations": points(3, 1)},
            {"first_sequence": 4, "observations": points(4, 1)},
        ]
        stream = client.AppendObservations(requests=iter([wire.AppendRequest(**each) for each in messages]))
        assert next(stream).next_sequence == 2
        with refused(EXISTS):
            next(stream)
        assert len(client.ListObservations(run_id=run.id).observations) == 2

    def test_thirty_two_writers(self, client):
        def write(number):
            client.CreateRun(run_id=client.own(f"w{number}"))
            for first in range(0, 30, 3):
                client.Append(run_id=client.own(f"w{number}"), first_sequence=first, observations=points(first, 3))
            client.UpdateRun(run_id=client.own(f"w{number}"), state="RUN_STATE_SUCCEEDED")

        with ThreadPoolExecutor(32) as threads:
            list(threads.map(write, range(32)))
        found = client.FindRuns(filter="status = 'FINISHED'", page_size=100).runs
        assert {(run.id, run.metrics[0].count) for run in found} == {
            (client.own(f"w{number}"), 30) for number in range(32)
        }


class Watcher:
    """Reads a watch until something is true."""

    def __init__(self, stream):
        self.stream = stream
        self.states = {}
        self.order = []
        self.cursor = ""
        self.caught_up = False

    def until(self, condition):
        while not condition(self):
            message = next(self.stream)
            for run in message.runs:
                self.states[run.id] = run
                self.order.append(run.id)
            self.cursor, self.caught_up = message.cursor, message.caught_up
        return self


def one_and_silence(request, done):
    """Requests of somebody who sends one and no more."""
    yield request
    done.wait(60)


class TestWatching:
    def test_another_clients_changes_come_in_their_order(self, server, client):
        client.CreateRun(run_id=client.own("before"))
        with connected(server, client.namespace) as other:
            watcher = Watcher(
                other.WatchRuns(timeout=60, read_mask={"paths": ["id", "state", "delete_time", "metrics"]})
            )
            watcher.until(lambda seen: seen.caught_up)
            assert watcher.order == [client.own("before")]
            for name in ("b", "c", "a"):
                client.CreateRun(run_id=client.own(name))
            watcher.until(lambda seen: client.own("a") in seen.states)
            assert watcher.order[1:] == [client.own(name) for name in ("b", "c", "a")]
            client.Log(run_id=client.own("b"), parameters={"lr": "0.1"}, observations=points(0, 1))
            watcher.until(lambda seen: seen.states[client.own("b")].metrics)
            client.UpdateRun(run_id=client.own("c"), state="RUN_STATE_FAILED")
            watcher.until(lambda seen: seen.states[client.own("c")].state == wire.RUN_STATE_FAILED)
            client.Delete(node={"kind": "NODE_KIND_RUN", "id": client.own("a")})
            watcher.until(lambda seen: seen.states[client.own("a")].HasField("delete_time"))
            watcher.stream.cancel()

    def test_a_scope_keeps_others_out_and_silence_has_a_heartbeat(self, client):
        client.CreateExperiment(experiment_id=client.own("e"), name="e")
        client.CreateRun(run_id=client.own("inside"), experiment_id=client.own("e"))
        client.CreateRun(run_id=client.own("outside"))
        stream = client.WatchRuns(timeout=60, scope={"experiment_ids": [client.own("e")]}, heartbeat={"seconds": 1})
        watcher = Watcher(stream).until(lambda seen: seen.caught_up)
        assert watcher.order == [client.own("inside")]
        cursor = watcher.cursor
        heartbeat = next(stream)
        assert (list(heartbeat.runs), heartbeat.cursor, heartbeat.caught_up) == ([], cursor, True)
        stream.cancel()

    def test_more_runs_than_a_message_has(self, client):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: client.CreateRun(run_id=client.own(f"n{n}")), range(230)))
        stream = client.WatchRuns(timeout=60, read_mask={"paths": ["id"]})
        watcher = Watcher(stream).until(lambda seen: seen.caught_up)
        assert sorted(watcher.order) == sorted(client.own(f"n{n}") for n in range(230))
        stream.cancel()

    def test_observations_as_they_are_appended_until_the_run_ends(self, server, client, run):
        client.Append(run_id=run.id, first_sequence=0, observations=points(0, 3))
        texts, last = [], None
        with connected(server, client.namespace) as other:
            stream = other.WatchObservations(run_id=run.id, metric="loss", timeout=60)
            for message in stream:
                texts += [each.text for each in message.observations]
                last = message.observations[-1].sequence if message.observations else last
                if len(texts) == 3:
                    client.Append(run_id=run.id, first_sequence=3, observations=[*points(3, 1), *points(0, 1, "other")])
                if len(texts) == 4:
                    stream.cancel()
                    break
            client.Append(run_id=run.id, first_sequence=5, observations=points(4, 2))
            client.UpdateRun(run_id=run.id, state="RUN_STATE_SUCCEEDED", end_time=NOON)
            for message in other.WatchObservations(
                run_id=run.id, metric="loss", after_sequence=last, until_run_ends=True, timeout=60
            ):
                texts += [each.text for each in message.observations]
        assert texts == [each["text"] for each in points(0, 6)]

    def test_a_slow_reader_sees_the_latest_state_and_holds_nobody_up(self, client):
        busy = client.own("busy")
        client.CreateRun(run_id=busy, parameters={"p": "x" * 4000})
        stream = client.WatchRuns(timeout=120)
        next(stream)
        for number in range(100):
            client.UpdateRun(run_id=busy, description=str(number))
        watcher = Watcher(stream).until(lambda seen: busy in seen.states and seen.states[busy].description == "99")
        assert len(watcher.order) <= 100
        stream.cancel()

    @pytest.mark.parametrize("cursor", ["c", "x1", "c-1", "c" + "9" * 30, "c1 "])
    def test_a_cursor_that_is_none(self, client, cursor):
        with refused(INVALID, "cursor"):
            next(client.WatchRuns(cursor=cursor))

    def test_a_restart_of_the_server(self, own_arguments):
        namespace = next(namespaces)
        with ServedStore(*own_arguments, "--grace", "60s") as server, connected(server, namespace) as client:
            client.CreateRun(run_id=client.own("first"))
            watcher = Watcher(client.WatchRuns(timeout=60)).until(lambda seen: seen.caught_up)
            done = threading.Event()
            request = wire.AppendRequest(namespace=namespace, run_id=client.own("first"), observations=points(0, 1))
            appending = client.AppendObservations(requests=one_and_silence(request, done), timeout=60)
            # A call that gRPC has and the server does not yet is CANCELLED by a stop.
            assert next(appending).next_sequence == 1
            # Streams that never end by themselves do not keep it from stopping.
            assert server.stop() == 0
            for stream in (watcher.stream, appending):
                with refused(grpc.StatusCode.UNAVAILABLE):
                    list(stream)
            done.set()
        with ServedStore(*own_arguments) as server, connected(server, namespace) as client:
            client.CreateRun(run_id=client.own("second"))
            resumed = Watcher(client.WatchRuns(cursor=watcher.cursor, timeout=60)).until(lambda seen: seen.caught_up)
            assert resumed.order == [client.own("second")]


class TestArtifacts:
    def test_a_file_there_and_back(self, client, run):
        record = client.UploadArtifact(
            requests=uploading(
                run.id, "models/net.bin", CONTENT, namespace=client.namespace, type="MODEL", metadata={"a": 1}
            )
        )
        assert (record.size, record.state, record.type) == (len(CONTENT), wire.ARTIFACT_STATE_STORED, "MODEL")
        first, *rest = client.DownloadArtifact(run_id=run.id, path="models/net.bin")
        assert first.artifact == record == client.GetArtifact(run_id=run.id, path="models/net.bin")
        assert b"".join(part.chunk for part in rest) == CONTENT
        assert max(len(part.chunk) for part in rest) <= 1 << 20
        _, *rest = client.DownloadArtifact(run_id=run.id, path="models/net.bin", start=5, end=9)
        assert b"".join(part.chunk for part in rest) == CONTENT[5:9]
        assert client.GetRun(run_id=run.id).artifacts[0] == record
        client.DeleteArtifact(run_id=run.id, path="models/net.bin")
        assert list(client.ListArtifacts(run_id=run.id).artifacts) == []
        with refused(NOT_FOUND):
            list(client.DownloadArtifact(run_id=run.id, path="models/net.bin"))

    @pytest.mark.parametrize(
        ("fault", "fields"),
        [
            ({"sha256": "0" * 64}, ["end.sha256"]),
            ({"size": 1}, ["end.size"]),
            ({"end": False}, ["end"]),
            ({"piece": (1 << 20) + 1}, ["chunk"]),
        ],
    )
    def test_what_is_not_as_it_was_said_is_not_stored(self, client, run, fault, fields):
        client.UploadArtifact(requests=uploading(run.id, "f", b"old", namespace=client.namespace))
        with refused(INVALID, *fields):
            client.UploadArtifact(requests=uploading(run.id, "f", CONTENT, namespace=client.namespace, **fault))
        _, part = client.DownloadArtifact(run_id=run.id, path="f")
        assert part.chunk == b"old"

    def test_an_upload_that_is_cut_off_leaves_nothing(self, server, client, run):
        begun = threading.Event()

        def requests():
            whole = uploading(run.id, "cut", CONTENT, namespace=client.namespace)
            yield next(whole)
            yield next(whole)
            begun.set()
            threading.Event().wait(20)

        with grpc.insecure_channel(server.address) as channel:
            call = Client(channel).stub.UploadArtifact.future(requests())
            begun.wait(20)
            call.cancel()
        assert list(client.ListArtifacts(run_id=run.id).artifacts) == []
        client.UploadArtifact(requests=uploading(run.id, "cut", b"", namespace=client.namespace, if_absent=True))
        with refused(EXISTS):
            client.UploadArtifact(requests=uploading(run.id, "cut", b"x", namespace=client.namespace, if_absent=True))
        [only] = client.DownloadArtifact(run_id=run.id, path="cut")
        assert only.artifact.size == 0

    def test_an_upload_that_falls_silent(self, own_arguments):
        with ServedStore(*own_arguments, "--timeout", "1s") as server, connected(server, next(namespaces)) as client:
            run, done = client.CreateRun(), threading.Event()

            def requests():
                yield next(uploading(run.id, "f", b"x", namespace=client.namespace))
                done.wait(60)

            with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
                client.UploadArtifact(requests=requests(), timeout=60)
            done.set()
            assert list(client.ListArtifacts(run_id=run.id).artifacts) == []

    def test_many_who_replace_one_file(self, client, run):
        contents = [bytes([number]) * (100_000 + number) for number in range(8)]
        with ThreadPoolExecutor(8) as threads:
            for reply in [
                threads.submit(client.UploadArtifact, requests=uploading(run.id, "f", each, namespace=client.namespace))
                for each in contents
            ]:
                reply.result()
        first, *rest = client.DownloadArtifact(run_id=run.id, path="f")
        assert b"".join(part.chunk for part in rest) == contents[first.artifact.size - 100_000]

    @pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", ".katib/x", "a\\b", "a\0b"])
    def test_a_path_that_leaves_its_folder(self, client, run, path):
        with refused(INVALID):
            client.UploadArtifact(requests=uploading(run.id, path, b"x", namespace=client.namespace))
        with refused(INVALID):
            list(client.DownloadArtifact(run_id=run.id, path=path))

    def test_a_content_that_was_changed_behind_our_back(self, arguments, client, run):
        record = client.UploadArtifact(requests=uploading(run.id, "f", b"right", namespace=client.namespace))
        [file] = [path for path in _files(arguments[3]) if run.id in path.parts and path.name == "f"]
        file.write_bytes(b"wrong")
        assert record.size == 5
        with refused(grpc.StatusCode.DATA_LOSS):
            list(client.DownloadArtifact(run_id=run.id, path="f"))


def _files(folder):
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]


class TestThings:
    def test_datasets_comments_and_lineage(self, client, run):
        project = run.project_id
        dataset = client.CreateDataset(dataset_id=client.own("d"), project_id=project, name="digits", properties={})
        version = client.AddDatasetVersion(
            project_id=project, name="digits", digest="abc", rows=5, schema={"struct_value": {"x": "float"}}
        )
        assert (version.dataset_id, version.number, version.rows, version.HasField("size")) == (
            client.own("d"),
            1,
            5,
            False,
        )
        client.UseDataset(run_id=run.id, version_id=version.id, role="training")
        client.UploadArtifact(requests=uploading(run.id, "net", b"x", namespace=client.namespace))
        [artifact] = client.ListArtifacts(run_id=run.id).artifacts
        node = {"kind": "NODE_KIND_ARTIFACT", "id": artifact.id}
        upstream = client.ListUpstream(node=node).edges
        assert [edge.input.id for edge in upstream] == [run.id, version.id]
        down = client.ListDownstream(node={"kind": "NODE_KIND_DATASET_VERSION", "id": version.id}, depth=1).edges
        assert [edge.output.id for edge in down] == [run.id]
        with refused(EXISTS):
            client.AddLineage(
                edges=[{"input": node, "output": {"kind": "NODE_KIND_DATASET_VERSION", "id": version.id}}]
            )
        ancestors = client.ListCommonAncestors(nodes=[node]).nodes
        assert version.id in {each.id for each in ancestors}
        comment = client.AddComment(run_id=run.id, text="good")
        assert client.EditComment(comment_id=comment.id, text="better").HasField("edit_time")
        assert [each.text for each in client.ListComments(run_id=run.id).comments] == ["better"]
        client.DeleteComment(comment_id=comment.id)
        assert list(client.ListComments(run_id=run.id).comments) == []
        assert [each.id for each in client.ListDatasets(project_id=project).datasets] == [dataset.id]
        assert client.ListDatasetVersions(dataset_id=client.own("d")).versions[0] == version

    def test_facts(self, client, run):
        node = {"kind": "NODE_KIND_RUN", "id": run.id}
        client.SetFacts(node=node, tags={"a": "1", "b": ""}, properties={"p": {"bool_value": True}})
        client.DeleteFacts(node=node, tags=["a", "never there"], all_properties=True)
        read = client.GetRun(run_id=run.id)
        assert (dict(read.tags), dict(read.properties)) == ({"b": ""}, {})


def test_a_deadline_is_kept(client):
    with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
        for _ in client.WatchRuns(timeout=1.5):
            pass
