"""The operator's way to points: our client and our server, as processes of their own, over the network."""

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from authority import Authority

from katib.algorithm import early_stoppers, registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.api.defaults import with_defaults
from katib.api.experiment import Metric, Observation
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.creation import trial_records
from katib.engine.history import past_trial
from katib.errors import InvalidSettings, Overloaded, Unauthenticated, Unsupported
from katib.rpc import v1beta1 as wire
from katib.rpc.suggestion_client import EncodedHistory, SuggestionClient
from katib.testing.served import ServedSuggestion

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCUMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "search", "namespace": "here", "uid": "u-1"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "tpe", "algorithmSettings": [{"name": "n_startup_trials", "value": "4"}]},
        "parallelTrialCount": 3,
        "maxTrialCount": 40,
        "seed": 8,
        "parameters": [
            {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
            {"name": "c", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
        ],
    },
}
CONDITIONAL = {
    "parameters": [
        *DOCUMENT["spec"]["parameters"],
        {
            "name": "y",
            "parameterType": "int",
            "feasibleSpace": {"min": "1", "max": "9"},
            "condition": {"parameter": "c", "in": ["a"]},
        },
    ],
    "objectives": [{"type": "maximize", "objectiveMetricName": "size"}],
}


def experiment(**more):
    return with_defaults(parse_experiment({**DOCUMENT, "spec": {**DOCUMENT["spec"], **more}}))


def ended(record, loss):
    second = timedelta(seconds=record.index)
    return replace(
        record,
        state=TrialState.SUCCEEDED,
        started=NOW + second,
        finished=NOW + 3 * second,
        observation=Observation(
            metrics=[
                Metric(name=name, min=value, max=value, latest=value)
                for name, value in (("loss", repr(loss)), ("size", repr(1 - loss)))
            ]
        ),
    )


class Search:
    """A search whose points come from servers, and what local mode would have tried."""

    def __init__(self, found):
        self.experiment = found
        self.history = EncodedHistory()
        self.records = []
        self._algorithm = registry.create(found, found.spec.seed)
        self._past = History()

    def ask(self, client, count):
        found = client.suggest(self.experiment, self.history, count=count, issued=len(self.records), deadline=60)
        return [(point.assignments, dict(point.labels)) for point in found.points]

    def locally(self, count):
        points = suggest(self._algorithm, self._past, count)
        return [
            (tuple((item.name, item.value) for item in point.assignments()), dict(point.labels)) for point in points
        ]

    def run(self, points):
        space = registry.space_of(self.experiment)
        for record in trial_records(self.experiment, len(self.records), points, NOW):
            done = ended(record, (record.index * 0.37) % 1)
            self.records.append(done)
            self.history.record(done)
            self._past.record(past_trial(done, space, self.experiment.spec))


@pytest.fixture(scope="module")
def server():
    with ServedSuggestion("--workers", "2") as server:
        assert server.address, server.log
        yield server


@pytest.fixture
def client(server):
    with contextlib.closing(SuggestionClient(server.address)) as client:
        yield client


@contextlib.contextmanager
def answering(answer, credentials=None):
    """Serve every method with a function of its name, request and context; yield the address."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: answer(details.method.rpartition("/")[2], request, context)
            )

    served = grpc.server(ThreadPoolExecutor(4))
    served.add_generic_rpc_handlers([Handler()])
    address = "127.0.0.1:0"
    port = served.add_secure_port(address, credentials) if credentials else served.add_insecure_port(address)
    served.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        served.stop(None).wait()


class TestPoints:
    @pytest.mark.parametrize("more", [{}, CONDITIONAL], ids=["plain", "conditions-and-two-objectives"])
    def test_they_are_local_modes_also_after_a_restart(self, client, more):
        search = Search(experiment(**more))
        rounds = (5, 3, 4)
        for count in rounds:
            points = search.ask(client, count)
            assert points == search.locally(count)
            search.run(points)
        with ServedSuggestion("--workers", "1") as other, contextlib.closing(SuggestionClient(other.address)) as anew:
            assert search.ask(anew, 4) == search.ask(client, 4) == search.locally(4)
        assert len(search.records) == sum(rounds)

    def test_two_namespaces_do_not_mix(self, client):
        searches = [Search(experiment()), Search(experiment(seed=9))]
        searches[1].experiment.metadata.namespace = "there"
        searches[1].experiment.metadata.uid = "u-2"
        for search, _ in itertools.product(searches, range(2)):
            points = search.ask(client, 3)
            assert points == search.locally(3)
            search.run(points)

    def test_a_server_is_asked_as_katib_asks_where_it_is_not_ours(self, server):
        with contextlib.closing(SuggestionClient(server.address, extended=False)) as plain:
            search = Search(experiment())
            search.run(search.ask(plain, 3))
            assert len(search.ask(plain, 3)) == 3
            assert len({*map(str, (record.assignments for record in search.records))}) == 3
            with pytest.raises(Unsupported, match=r"spec\.objectives"):
                Search(experiment(**CONDITIONAL)).ask(plain, 1)

    def test_an_exhausted_space_gives_fewer_points_and_then_none(self, client):
        search = Search(
            experiment(
                algorithm={"algorithmName": "grid"},
                parameters=[{"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "4"}}],
            )
        )
        for given in (3, 1, 0):
            points = search.ask(client, 3)
            assert len(points) == given
            search.run(points)

    def test_settings_that_a_server_returns_are_sent_back(self):
        seen = []

        def answer(_method, request, _context):
            stated = wire.GetSuggestionsRequest.FromString(request).experiment.spec.algorithm.algorithm_settings
            seen.append({item.name: item.value for item in stated})
            reply = wire.GetSuggestionsReply()
            reply.algorithm.algorithm_settings.add(name="current_s", value=str(len(seen)))
            return reply.SerializeToString()

        with answering(answer) as address, contextlib.closing(SuggestionClient(address, extended=False)) as client:
            settings = ()
            for _ in range(3):
                found = client.suggest(
                    experiment(), EncodedHistory(), count=1, issued=0, settings=settings, deadline=20
                )
                settings = found.settings
        assert settings == (("current_s", "3"),)
        assert seen == [
            {"n_startup_trials": "4"},
            {"n_startup_trials": "4", "current_s": "1"},
            {"n_startup_trials": "4", "current_s": "2"},
        ]


class TestValidation:
    def test_what_is_sound(self, client):
        client.validate(experiment(**CONDITIONAL))
        client.validate_stopper(experiment(earlyStopping={"algorithmName": "medianstop"}))
        client.validate_stopper(experiment())

    def test_problems_have_the_places_their_author_knows_and_katibs_words(self, client):
        algorithm = {"algorithmName": "tpe", "algorithmSettings": [{"name": "no_such_setting", "value": "1"}]}
        with pytest.raises(InvalidSettings) as caught:
            client.validate(experiment(algorithm=algorithm))
        [problem] = caught.value.problems
        assert problem.path == "spec.algorithm.algorithmSettings[0].name"
        assert problem.katib_text == "unknown setting no_such_setting for algorithm tpe"

    def test_each_of_several_problems(self, client):
        found = experiment(**CONDITIONAL, constraints=[{"expression": "nothing <= 1"}])
        found.spec.parameters[0].feasible_space.max = "-1"
        with pytest.raises(InvalidSettings) as caught:
            client.validate(found)
        assert [problem.path for problem in caught.value.problems] == [
            "spec.parameters[0].feasibleSpace.min",
            "spec.constraints[0].expression",
        ]

    def test_a_stopper_with_wrong_settings(self, client):
        stopper = {"algorithmName": "medianstop", "algorithmSettings": [{"name": "start_step", "value": "0"}]}
        with pytest.raises(InvalidSettings, match="must be greater or equal than one"):
            client.validate_stopper(experiment(earlyStopping=stopper))


def test_rules_come_from_the_curves_of_the_store(client):
    found = experiment(earlyStopping={"algorithmName": "medianstop"})
    curves = {}

    def answer(_method, request, _context):
        asked = wire.GetObservationLogRequest.FromString(request)
        reply = wire.GetObservationLogReply()
        for minute, value in enumerate(curves[asked.trial_name]):
            entry = reply.observation_log.metric_logs.add(time_stamp=f"2026-03-01T12:{minute:02}:00Z")
            entry.metric.name, entry.metric.value = "loss", repr(value)
        return reply.SerializeToString()

    search = Search(found)
    with answering(answer) as store:
        assert client.rules(found, search.history, store_address=store, deadline=60) == ()
        search.run(search.ask(client, 4))
        curves.update({record.name: [record.index + step / 10 for step in range(8)] for record in search.records})
        rules = client.rules(found, search.history, store_address=store, deadline=60)
    stopper = early_stoppers.create(found, found.spec.seed)
    assert rules == tuple(stopper.rules(search._past, curves))
    assert [(rule.name, rule.comparison) for rule in rules] == [("loss", "greater")]


class TestTls:
    @pytest.fixture
    def authority(self):
        return Authority("one")

    def test_a_server_is_trusted_by_its_authority_also_when_that_changes(self, authority, tmp_path):
        def issue(by):
            for name, content in zip(("cert.pem", "key.pem"), by.issue("server"), strict=True):
                (tmp_path / name).write_bytes(content)

        issue(authority)
        (tmp_path / "ca.pem").write_bytes(authority.pem)
        options = ("--workers", "1", "--tls-cert", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")
        with (
            ServedSuggestion(*options) as server,
            contextlib.closing(SuggestionClient(server.address, root_ca=tmp_path / "ca.pem")) as client,
        ):
            client.validate(experiment())
            renewed = Authority("two")
            issue(renewed)
            (tmp_path / "ca.pem").write_bytes(b"half a ce")
            client.validate(experiment())
            (tmp_path / "ca.pem").write_bytes(renewed.pem)
            client.validate(experiment())
            (tmp_path / "ca.pem").write_bytes(authority.pem)
            with pytest.raises(Overloaded, match="cannot be reached"):
                client.validate(experiment())
            with (
                contextlib.closing(SuggestionClient(server.address)) as plain,
                pytest.raises(Overloaded, match="cannot be reached"),
            ):
                plain.validate(experiment())

    def test_the_token_is_read_for_each_call(self, authority, tmp_path):
        certificate, key = authority.issue("server")
        (tmp_path / "ca.pem").write_bytes(authority.pem)
        seen = []

        def answer(_method, _request, context):
            seen.append(dict(context.invocation_metadata()).get("authorization"))
            return b""

        token = tmp_path / "token"
        token.write_text("first\n")
        with (
            answering(answer, grpc.ssl_server_credentials([(key, certificate)])) as address,
            contextlib.closing(SuggestionClient(address, root_ca=tmp_path / "ca.pem", token_file=token)) as client,
        ):
            client.validate(experiment())
            token.write_text("second")
            client.validate(experiment())
            for content in (b"", b"two\nlines", b"\xff"):
                token.write_bytes(content)
                with pytest.raises(Unauthenticated):
                    client.validate(experiment())
            token.unlink()
            with pytest.raises(Unauthenticated, match="cannot be read"):
                client.validate(experiment())
        assert seen == ["Bearer first", "Bearer second"]
