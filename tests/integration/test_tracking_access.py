"""Who may call the store's own service, and that a namespace never sees another's rows: asked of every method there is."""

import hashlib
from datetime import UTC, datetime, timedelta

import grpc
import pytest
import yaml
from tracking_client import METHODS, Client, connected, refused, request_of, uploading
from tracking_world import ALL_RUNS, MARK, RUN, made_world, points, requests_for

from katib.access.report_token import sign_report
from katib.rpc import v1beta1
from katib.rpc.services import stub
from katib.testing.served import ServedStore

DENIED = grpc.StatusCode.PERMISSION_DENIED
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
INVALID = grpc.StatusCode.INVALID_ARGUMENT
REQUESTS = requests_for("version")
WRITING = {
    name
    for name in METHODS
    if name.startswith(
        (
            "Create",
            "Update",
            "Set",
            "Log",
            "Append",
            "Delete",
            "Add",
            "Use",
            "Put",
            "Upload",
            "Edit",
            "Restore",
            "Record",
        )
    )
} | {"GetDefaultProject", "MarkExperimentDeleted"}
ADMINISTERING = {"Purge", "ListAuditEntries"}
TOKENS = {
    "admin": {"team-a": "admin", "team-b": "admin"},
    "stranger": {"team-b": "admin"},
    "writer": {"team-a": "write"},
    "reader": {"team-a": "read"},
    "everywhere": {"*": "write"},
}


REPORT_KEY = "k" * 64


def token(name):
    return f"token-of-{name}-0123456789"


def report_token(trial, namespace="team-a"):
    """What a trial's pod has."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    return sign_report(REPORT_KEY.encode(), namespace=namespace, trial=trial, expires=expires)


def test_every_method_is_asked():
    assert set(REQUESTS) == set(METHODS)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    url = f"sqlite:///{folder / 'katib.db'}" if request.param == "sqlite" else None
    url = url or request.getfixturevalue("postgresql").new_store()
    entries = [
        {"name": name, "sha256": hashlib.sha256(token(name).encode()).hexdigest(), "namespaces": grants}
        for name, grants in TOKENS.items()
    ]
    tokens = folder / "tokens.yaml"
    tokens.write_text(yaml.safe_dump({"tokens": entries}))
    keys = folder / "report-keys"
    keys.write_text(f"{REPORT_KEY}\n")
    arguments = ("--url", url, "--artifacts", str(folder / "files"), "--token-file", tokens, "--anonymous-reports")
    arguments += ("--report-key-file", keys)
    with ServedStore(*arguments) as server:
        assert server.address, server.log
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log
        assert "token-of" not in server.log


@pytest.fixture(scope="module")
def world(server):
    """One of everything in ``team-a``, with the mark in it."""
    with connected(server, "team-a", token("admin")) as client:
        REQUESTS.update(made_world(client))
        yield client


def everything(client):
    """All that can be read of the world, as texts."""
    return [
        str(client.GetProject(project_id="project1")),
        str(client.GetExperiment(experiment_id="experiment1")),
        str(client.FindRuns(**ALL_RUNS, count=True)),
        str(client.ListObservations(run_id="run1")),
        str(client.ListDatasets(project_id="project1")),
        str(client.ListDatasetVersions(dataset_id="dataset1")),
        str(client.ListComments(run_id="run1")),
        str(client.ListUpstream(node=RUN)),
        str([list(client.DownloadArtifact(run_id="run1", path=MARK))]),
    ]


def asked(client, method, **more):
    """What a method answers, as text: its messages, or its refusal."""
    fields = REQUESTS[method] | more
    try:
        if method == "UploadArtifact":
            requests = uploading(fields["run_id"], fields["path"], b"taken", namespace=client.namespace)
            return str(client.UploadArtifact(requests=requests)), None
        if method == "AppendObservations":
            requests = iter([request_of(method)(namespace=client.namespace, **fields)])
            return str(list(client.AppendObservations(requests=requests))), None
        reply = getattr(client, method)(**fields)
        if method.startswith("Watch"):
            first = str(next(reply))
            reply.cancel()
            return first, None
        return str(list(reply) if METHODS[method].server_streaming else reply), None
    except grpc.RpcError as error:
        return error.details(), error.code()


class TestNamespaces:
    @pytest.mark.parametrize("method", sorted(METHODS))
    def test_another_namespace_is_not_seen_and_not_changed(self, server, world, method):
        before = everything(world)
        with connected(server, "team-b", token("stranger")) as stranger:
            text, code = asked(stranger, method)
        assert MARK not in text.replace(f"'{MARK}'", "")  # a refusal may repeat the request
        assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, INVALID), text
        assert everything(world) == before

    @pytest.mark.parametrize("method", sorted(METHODS))
    def test_a_role_in_another_namespace_is_none_here(self, server, world, method):
        before = everything(world)
        with connected(server, "team-a", token("stranger")) as stranger:
            assert asked(stranger, method)[1] is DENIED
        assert everything(world) == before

    @pytest.mark.parametrize("method", sorted(METHODS))
    def test_nobody_is_let_in(self, server, world, method):
        assert world.namespace == "team-a"
        for who in (None, "nobody-knows-this-token"):
            with connected(server, "team-a", who) as nobody:
                assert asked(nobody, method)[1] is UNAUTHENTICATED

    @pytest.mark.parametrize("method", sorted(METHODS))
    def test_a_role_may_what_it_may(self, server, world, method):
        assert world.namespace == "team-a"
        with connected(server, "team-a", token("reader")) as reader, connected(server, "", token("writer")) as writer:
            code = asked(reader, method)[1]
            assert (code is DENIED) == (method in WRITING | ADMINISTERING)
            if method in ADMINISTERING:
                assert asked(writer, method)[1] is DENIED


class TestCallers:
    def test_the_only_namespace_of_a_caller_is_meant(self, server, world):
        assert world.namespace == "team-a"
        with connected(server, "", token("writer")) as writer:
            assert writer.GetRun(run_id="run2").namespace == "team-a"
        with connected(server, "", token("everywhere")) as everywhere:
            assert everywhere.GetDefaultProject().namespace == "default"

    @pytest.mark.parametrize("namespace", ["*", "Team", "a/b", "-a", "a" * 64, "\0"])
    def test_what_is_no_namespace(self, server, namespace):
        with connected(server, namespace, token("everywhere")) as client, refused(INVALID, "namespace"):
            client.GetDefaultProject()

    def test_only_who_administers_says_what_is_purged(self, server, world):
        policy = {"keep_best": 3}
        with connected(server, "", token("writer")) as writer:
            assert asked(writer, "UpdateProject", retention=policy)[1] is DENIED
            assert not writer.GetProject(project_id="project1").HasField("retention")
        assert world.UpdateProject(project_id="project1", retention=policy).retention.keep_best == 3
        with connected(server, "", token("writer")) as writer:
            assert asked(writer, "UpdateProject", retention={})[1] is DENIED
            assert writer.UpdateProject(project_id="project1", description="other").retention.keep_best == 3

    def test_a_change_has_its_callers_name(self, server, world):
        with connected(server, "", token("writer")) as writer:
            assert writer.CreateRun().owner == "writer"
        assert world.ListAuditEntries(page_size=1000).entries[-1].actor == "writer"


class TestTrials:
    """What a trial may do with the token of its pod: append to itself, and nothing else."""

    @pytest.mark.parametrize("method", sorted(METHODS))
    def test_a_trial_may_nothing_else(self, server, world, method):
        before = everything(world)
        for who in (report_token("another"), report_token(MARK, "team-b")):
            with connected(server, "team-a", who) as stranger:
                assert asked(stranger, method)[1] in (DENIED, grpc.StatusCode.NOT_FOUND)
        if method not in ("Append", "AppendObservations"):
            with connected(server, "", report_token(MARK)) as itself:
                assert asked(itself, method)[1] is DENIED
        assert everything(world) == before

    def test_a_trial_appends_to_itself(self, server, world):
        run = world.CreateRun(experiment_id="experiment1", name="own").id
        other = world.CreateRun(experiment_id="experiment1", name="others").id
        with connected(server, "", report_token("own")) as trial:
            for number, fields in enumerate(({}, {"trial": "own"}, {"run_id": run})):
                reply = trial.Append(first_sequence=number, observations=points(number, 1), **fields)
                assert (reply.run_id, reply.next_sequence) == (run, number + 1)
            requests = [
                request_of("AppendObservations")(first_sequence=number, observations=points(number, 1))
                for number in (3, 4)
            ]
            replies = list(trial.AppendObservations(requests=iter(requests)))
            assert [reply.next_sequence for reply in replies][-1] == 5
            for fields in ({"trial": "others"}, {"run_id": other}, {"namespace": "team-b"}):
                with refused(DENIED):
                    trial.Append(first_sequence=0, observations=points(0, 1), **fields)
                with refused(DENIED):
                    message = request_of("AppendObservations")(observations=points(0, 1), **fields)
                    list(trial.AppendObservations(requests=iter([message])))
        assert len(world.ListObservations(run_id=run).observations) == 5
        assert not world.ListObservations(run_id=other).observations

    def test_one_that_is_not_recorded_yet_reports_later(self, server, world):
        with connected(server, "", report_token("not-yet")) as trial, refused(grpc.StatusCode.NOT_FOUND):
            trial.Append(first_sequence=0, observations=points(0, 1))
        run = world.CreateRun(experiment_id="experiment1", name="not-yet").id
        with connected(server, "", report_token("not-yet")) as trial:
            assert trial.Append(first_sequence=0, observations=points(0, 1)).run_id == run

    def test_a_token_that_has_ended_opens_nothing(self, server, world):
        assert world.namespace == "team-a"
        now = datetime.now(UTC)
        ended = sign_report(REPORT_KEY.encode(), namespace="team-a", trial="own", expires=now - timedelta(seconds=1))
        forged = sign_report(b"f" * 64, namespace="team-a", trial="own", expires=now + timedelta(hours=1))
        for who in (ended, forged):
            with connected(server, "team-a", who) as trial, refused(UNAUTHENTICATED):
                trial.Append(first_sequence=0, observations=points(0, 1))

    def test_who_may_write_names_a_run_or_a_trial(self, server, world):
        run = world.CreateRun(experiment_id="experiment1", name="named").id
        with connected(server, "", token("writer")) as writer:
            assert writer.Append(trial="named", first_sequence=0, observations=points(0, 1)).run_id == run
            with refused(INVALID, "trial"):
                writer.Append(trial="named", run_id=run, first_sequence=1, observations=points(1, 1))
            with refused(INVALID, "run_id"):
                writer.Append(first_sequence=1, observations=points(1, 1))
            with refused(grpc.StatusCode.NOT_FOUND):
                writer.Append(trial="nobody", first_sequence=1, observations=points(1, 1))


class TestDbManager:
    def call(self, server, method, trial, who=None, namespace=None):
        metadata = []
        if who is not None:
            metadata.append(("authorization", f"Bearer {token(who)}"))
        if namespace is not None:
            metadata.append(("x-katib-namespace", namespace))
        request = getattr(v1beta1, f"{method}Request")(trial_name=trial)
        if method == "ReportObservationLog":
            metric = {"name": "loss", "value": "0.5"}
            request.observation_log.metric_logs.add(time_stamp="2026-03-01T12:00:00Z", metric=metric)
        with grpc.insecure_channel(server.address) as channel:
            return stub(channel, "DBManager", method)(request, timeout=30, metadata=metadata)

    def test_a_report_without_a_token_where_that_is_allowed(self, server):
        self.call(server, "ReportObservationLog", "by-the-sdk")
        found = self.call(server, "GetObservationLog", "by-the-sdk", who="everywhere")
        assert len(found.observation_log.metric_logs) == 1
        for method in ("GetObservationLog", "DeleteObservationLog"):
            with refused(UNAUTHENTICATED):
                self.call(server, method, "by-the-sdk")

    def test_a_token_decides_where(self, server):
        self.call(server, "ReportObservationLog", "mine", who="writer")
        assert self.call(server, "GetObservationLog", "mine", who="reader").observation_log.metric_logs
        assert not self.call(server, "GetObservationLog", "mine", who="stranger").observation_log.metric_logs
        with refused(DENIED):
            self.call(server, "GetObservationLog", "mine", who="stranger", namespace="team-a")
        with refused(DENIED):
            self.call(server, "DeleteObservationLog", "mine", who="reader")
        with refused(INVALID):
            self.call(server, "GetObservationLog", "mine", who="admin")

    def test_a_report_without_a_token_elsewhere(self, tmp_path):
        tokens = tmp_path / "tokens.yaml"
        tokens.write_text("tokens: []\n")
        with ServedStore("--url", f"sqlite:///{tmp_path / 'k.db'}", "--token-file", tokens) as server:
            assert server.address, server.log
            with refused(UNAUTHENTICATED):
                self.call(server, "ReportObservationLog", "by-the-sdk")


def test_a_server_without_a_place_for_files(postgresql):
    with ServedStore("--url", postgresql.new_store()) as server, grpc.insecure_channel(server.address) as channel:
        client = Client(channel, "team-a")
        run = client.CreateRun()
        with refused(grpc.StatusCode.UNIMPLEMENTED):
            client.UploadArtifact(requests=uploading(run.id, "f", b"x", namespace="team-a"))
        client.PutArtifact(run_id=run.id, path="f", state="ARTIFACT_STATE_LINK", uri="s3://b/k")
        assert [each.uri for each in client.ListArtifacts(run_id=run.id).artifacts] == ["s3://b/k"]
