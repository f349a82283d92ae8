"""``katib up`` as a real process: one server for experiments, suggestions and the store, that is killed and goes on."""

import json
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest
import yaml
from authority import Authority
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from katib.errors import Conflict, Denied, StoreUnavailable, Unauthenticated
from katib.experiments.protocol import Budget, Measurement, Outcome
from katib.rpc import v1beta1 as wire
from katib.rpc.experiments_client import RemoteExperiments
from katib.rpc.services import stub
from katib.testing.experiments_contract import eventually, state_of

OVER = ("Succeeded", "Failed", "Stopped")


class Up:
    """A server of one home, started as often as it was ended."""

    def __init__(self, katib, *arguments):
        self.katib = katib
        self.arguments = arguments
        self.ports = None
        self.process = None
        self.said = []

    def start(self):
        # The same ports again, so that clients find it; the first time, any.
        ports = self.ports or ("127.0.0.1:0", "127.0.0.1:0")
        addresses = ("--address", ports[0], "--http-address", ports[1])
        self.process = self.katib.start("up", *addresses, *self.arguments)
        self.said = []
        while not self.said or "http on " not in self.said[-1]:
            line = self.process.stdout.readline()
            assert line, "".join(self.said)
            self.said.append(line)
        found = re.search(r"katib on (\S+) \(", "".join(self.said))
        self.ports = (found.group(1), self.said[-1].split()[-1])
        return self

    @property
    def address(self):
        return self.ports[0]

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)

    def experiments(self, **more):
        return RemoteExperiments(self.address, **more)

    def http(self, method, path, body=None, **headers):
        request = urllib.request.Request(
            f"http://{self.ports[1]}/api/v1{path}", method=method, data=body, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - this machine's
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture
def up(katib):
    made = []

    def make(*arguments):
        made.append(Up(katib, *arguments).start())
        return made[-1]

    yield make
    for each in made:
        if each.process.poll() is None:
            each.stop()
        for trial in katib.home.glob("experiments/*/trials/*/pid"):
            trial.unlink()


def by_callers(name="told", **spec):
    """Return an experiment whose trials callers run."""
    body = {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 4,
        "maxTrialCount": 40,
        "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
    } | spec
    document = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": name}, "spec": body}
    return json.dumps(document)


def over(experiments, name):
    eventually(lambda: state_of(experiments.get("default", name)) in OVER, f"{name} is over", seconds=120)
    return experiments.get("default", name)


def test_an_experiment_runs_and_is_seen_by_the_command_line_too(up, katib):
    server = up()
    document = katib.write(trials=4).read_text().replace("[python, trial.py,", f"[python, {katib.folder}/trial.py,")
    with server.experiments() as experiments:
        experiments.create("default", document)
        ended = over(experiments, "exp")
        assert state_of(ended) == "Succeeded"
        best = ended.status.current_optimal_trial
        printed = b"".join(experiments.logs("default", "exp", best.best_trial_name)).decode()
        assert printed == f"loss={best.parameter_assignments[0].value}\n"
    listed = katib.get("get", "experiments")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["exp"]
    assert server.stop() == 0


def test_everything_of_a_killed_server_goes_on(up, katib):
    """It is killed again and again while trials of both sorts run; nothing is run twice and nothing is lost."""
    server = up()
    ran = katib.folder / "ran"
    script = f"""
        print("loss=" + sys.argv[1], flush=True)
        with open({str(ran)!r}, "a") as file:
            file.write(os.environ["KATIB_TRIAL_NAME"] + "\\n")
        time.sleep(0.4)
    """
    document = katib.write(trials=8, script=script).read_text().replace("trial.py", f"{katib.folder}/trial.py")
    told = []

    def work(client):
        with server.experiments(patience=60, deadline=10) as experiments:
            while not (found := experiments.workers.suggest("default", "told", client, wait=2).result(90)).over:
                for trial in found.trials:
                    measured = [Measurement("loss", dict(trial.assignments)["x"])]
                    experiments.workers.complete(
                        "default", "told", trial.name, client, Outcome.COMPLETED, measurements=measured
                    ).result(90)
                    told.append(trial.name)

    with server.experiments(patience=60) as experiments:
        experiments.create("default", document)
        experiments.create("default", by_callers(maxTrialCount=200))
        threads = [threading.Thread(target=work, args=(f"client-{number}",)) for number in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            time.sleep(0.7)
            server.kill()
            server.start()
        assert state_of(over(experiments, "exp")) == "Succeeded"
        for thread in threads:
            thread.join(90)
        assert state_of(over(experiments, "told")) == "Succeeded"
        names = [trial.name for trial in experiments.trials("default", "exp")]
        assert sorted(ran.read_text().split()) == sorted(names)
        trials = experiments.trials("default", "told")
        assert len(trials) == 200
        assert {trial.name for trial in trials} == set(told)
        for trial in trials:
            assert trial.observation.metrics[0].latest == dict(trial.assignments)["x"]
            assert len(experiments.observations("default", "told", trial.name)) == 1


def test_a_change_that_is_sent_again_after_a_kill_gets_the_first_answer(up):
    """Over gRPC and over HTTP, which know the same ids."""
    server = up()
    with server.experiments() as experiments:
        experiments.create("default", by_callers(), request_id="c-1")
        edited = experiments.edit_budget("default", "told", Budget(max_trial_count=7), request_id="e-1")
        experiments.edit_budget("default", "told", Budget(max_trial_count=8), request_id="e-2")
        code, stopped = server.http("POST", "/experiments/told/stop?request_id=s-1")
        assert code == 200
        eventually(lambda: state_of(experiments.get("default", "told")) == "Stopped", "it is stopped")
        experiments.resume("default", "told", request_id="r-1")
        server.kill()
        server.start()
        assert experiments.edit_budget("default", "told", Budget(max_trial_count=7), request_id="e-1") == edited
        assert server.http("POST", "/experiments/told/stop?request_id=s-1") == (200, stopped)
        assert experiments.get("default", "told").spec.max_trial_count == 8
        with pytest.raises(Conflict, match="'e-2' was used for another request"):
            experiments.edit_budget("default", "told", Budget(max_trial_count=9), request_id="e-2")
        assert server.http("POST", "/experiments/told/resume?request_id=s-1")[0] == 409
        assert state_of(experiments.get("default", "told")) != "Stopped"


def test_an_orderly_end_leaves_trials_to_the_next_server(up, katib):
    server = up()
    script = "print('loss=0.5', flush=True); time.sleep(3)"
    document = katib.write(trials=2, script=script).read_text().replace("trial.py", f"{katib.folder}/trial.py")
    with server.experiments() as experiments:
        experiments.create("default", document)
        experiments.create("default", by_callers())
        held = experiments.workers.suggest("default", "told", "me", wait=20).result(60).trials
        eventually(
            lambda: [trial.state for trial in experiments.trials("default", "exp")] == ["Running"] * 2, "both run"
        )
        assert server.stop() == 0
        server.start()
        assert {trial.attempt for trial in experiments.trials("default", "exp")} == {1}
        assert experiments.workers.suggest("default", "told", "me", wait=20).result(60).trials[0].name == held[0].name
        assert state_of(over(experiments, "exp")) == "Succeeded"
        assert {trial.attempt for trial in experiments.trials("default", "exp")} == {1}


def test_a_home_has_one_server(up, katib):
    server = up()
    second = katib("up", "--address", "127.0.0.1:0", "--no-http", code=Conflict.exit_code)
    assert server.address in second.stderr


def test_it_binds_this_machine_only_unless_it_is_secured(katib):
    everywhere = "0.0.0.0:0"
    for arguments in (
        ("--address", everywhere, "--no-http"),
        ("--http-address", everywhere, "--address", "127.0.0.1:0"),
    ):
        assert "--token-file: is needed" in katib("up", *arguments, code=2).stderr
        assert "--tls-cert and --tls-key" in katib("up", *arguments, "--insecure-anonymous", code=2).stderr
    taken = katib("up", "--runtime", "kubernetes", code=None)
    assert "operator" in taken.stderr


def test_callers_need_their_token_and_see_their_namespace(up, katib):
    tokens = katib.folder / "tokens.yaml"
    tokens.write_text(
        yaml.safe_dump(
            {
                "tokens": [
                    {"name": "ann", "token": "t" * 32, "namespaces": {"default": "write"}},
                    {"name": "bob", "token": "u" * 32, "namespaces": {"other": "read"}},
                ]
            }
        )
    )
    server = up("--token-file", tokens)
    with server.experiments(patience=0) as nobody, pytest.raises(Unauthenticated):
        nobody.get("default", "told")
    with server.experiments(token="t" * 32) as ann:
        ann.create("default", by_callers())
        assert ann.workers.suggest("default", "told", "w", wait=20).result(60).trials
    with server.experiments(token="u" * 32, patience=0) as bob:
        with pytest.raises(Denied):
            bob.get("default", "told")
        with pytest.raises(Denied):
            bob.create("other", by_callers())
    assert server.http("GET", "/experiments")[0] == 401
    code, found = server.http("GET", "/experiments", Authorization=f"Bearer {'t' * 32}")
    assert (code, [each["name"] for each in found["experiments"]]) == (200, ["told"])
    code, refused = server.http("POST", "/experiments?namespace=other", b"{}", Authorization=f"Bearer {'u' * 32}")
    assert (code, refused["code"]) == (403, "PERMISSION_DENIED")


def test_tls(up, katib):
    authority = Authority("test")
    certificate, key = authority.issue("server")
    for name, content in (("ca", authority.pem), ("cert", certificate), ("key", key)):
        (katib.folder / name).write_bytes(content)
    server = up("--tls-cert", katib.folder / "cert", "--tls-key", katib.folder / "key")
    with server.experiments(root_ca=katib.folder / "ca") as experiments:
        experiments.create("default", by_callers())
        assert experiments.get("default", "told").metadata.name == "told"
    with server.experiments(patience=0) as plain, pytest.raises(StoreUnavailable, match=re.escape(server.address)):
        plain.get("default", "told")


def test_one_address_has_all_services(up):
    server = up()
    with grpc.insecure_channel(server.address) as channel:
        names = set(ProtoReflectionDescriptorDatabase(channel).get_services())
        assert names >= {
            "api.v1.beta1.Suggestion",
            "api.v1.beta1.EarlyStopping",
            "api.v1.beta1.DBManager",
            "katib.v1.Store",
            "katib.v1.experiments.Experiments",
            "grpc.health.v1.Health",
        }
        experiment = wire.Experiment(name="e")
        experiment.spec.algorithm.algorithm_name = "random"
        experiment.spec.objective.objective_metric_name = "loss"
        experiment.spec.objective.type = wire.MINIMIZE
        experiment.spec.parameter_specs.parameters.add(
            name="x", parameter_type=wire.DOUBLE, feasible_space={"min": "0", "max": "1"}
        )
        request = wire.GetSuggestionsRequest(experiment=experiment, current_request_number=2)
        reply = stub(channel, "Suggestion", "GetSuggestions")(request, timeout=60)
        assert len(reply.parameter_assignments) == 2
    with urllib.request.urlopen(
        f"http://{server.ports[1]}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=30
    ) as mlflow:
        assert json.loads(mlflow.read())["experiment"]["name"] == "Default"


def test_a_whole_search_over_http(up):
    server = up()
    code, made = server.http("POST", "/experiments", yaml.safe_dump(json.loads(by_callers(maxTrialCount=5))).encode())
    assert (code, made["state"], made["run_by_callers"]) == (201, "CREATED", True)
    assert made["resource"]["spec"]["maxTrialCount"] == 5
    ask = json.dumps({"client_id": "page", "wait": "10s"}).encode()
    names = []
    while not (found := server.http("POST", "/experiments/told/suggest", ask)[1])["over"]:
        for trial in found["trials"]:
            names.append(trial["name"])
            number = trial["assignments"][0]["number"]
            path = f"/experiments/told/trials/{trial['name']}"
            body = {"client_id": "page", "measurements": [{"metric": "loss", "number": number, "step": 3}]}
            assert server.http("POST", f"{path}/measurements", json.dumps(body).encode()) == (
                200,
                {"should_stop": False, "reason": ""},
            )
            end = json.dumps({"client_id": "page", "outcome": "COMPLETED"}).encode()
            assert server.http("POST", f"{path}/complete", end)[1]["state"] == "TRIAL_SUCCEEDED"
            measured = server.http("GET", f"{path}/measurements")[1]["measurements"]
            assert [(each["number"], each["step"]) for each in measured] == [(number, "3")]
    code, shown = server.http("GET", "/experiments/told")
    assert (shown["state"], shown["counts"]["succeeded"], len(names)) == ("SUCCEEDED", 5, 5)
    code, page = server.http("GET", "/experiments/told/trials?page_size=2&states=TRIAL_SUCCEEDED")
    assert ([each["index"] for each in page["trials"]], bool(page["next_page_token"])) == ([0, 1], True)
    assert server.http("DELETE", "/experiments/told")[0] == 200
    assert server.http("GET", "/experiments/told")[0] == 404


def test_what_is_wrong_over_http_is_said_with_its_place(up):
    server = up()
    broken = json.loads(by_callers())
    broken["spec"]["parameters"][0]["feasibleSpace"]["min"] = "two"
    code, refused = server.http("POST", "/experiments", json.dumps(broken).encode())
    assert (code, refused["code"]) == (422, "INVALID_ARGUMENT")
    assert [problem["field"] for problem in refused["problems"]] == ["spec.parameters[0].feasibleSpace.min"]
    assert server.http("GET", "/experiments?colour=red")[1]["problems"][0]["field"] == "colour"
    code, refused = server.http("GET", "/experiments?states=CREATED&states=Running")
    states = "CREATED, RUNNING, RESTARTING, SUCCEEDED, FAILED, STOPPED"
    told = f"states[1]: must be one of {states} (got 'Running'); did you mean 'RUNNING'?"
    assert (code, refused["problems"]) == (422, [{"field": "states[1]", "message": told}])
    assert server.http("POST", "/experiments/x/suggest", b'{"client": 1}')[0] == 422
    assert server.http("PUT", "/experiments/x", b"")[0] == 405
    assert server.http("GET", "/experiments/x/nothing")[0] == 404


def test_a_page_sees_changes_as_they_come(up):
    server = up()
    server.http("POST", "/experiments", by_callers(maxTrialCount=1, parallelTrialCount=1).encode())
    url = f"http://{server.ports[1]}/api/v1/watch/experiments?name=told&trials=true&until_over=true"
    with urllib.request.urlopen(url, timeout=60) as stream, server.experiments() as experiments:
        assert stream.headers["content-type"] == "text/event-stream"
        (trial,) = experiments.workers.suggest("default", "told", "me", wait=20).result(60).trials
        experiments.workers.complete(
            "default", "told", trial.name, "me", Outcome.COMPLETED, measurements=[Measurement("loss", "1")]
        ).result(60)
        lines = stream.read().decode().splitlines()
    kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert {"experiment", "trial", "synced"} <= set(kinds)
    last = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [each["state"] for each in last if "algorithm" in each][-1] == "SUCCEEDED"
    assert [each["state"] for each in last if "assignments" in each][-1] == "TRIAL_SUCCEEDED"


def test_who_watches_over_http_does_not_hold_up_its_end(up):
    server = up("--grace", "1h")
    server.http("POST", "/experiments", by_callers().encode())
    with urllib.request.urlopen(f"http://{server.ports[1]}/api/v1/watch/experiments?name=told", timeout=60) as stream:
        while stream.readline() != b"event: synced\n":
            pass
        assert server.stop() == 0
    said = server.process.stdout.read()
    assert "Traceback" not in said
    assert "the server is stopping" not in said


def test_a_second_signal_ends_it_at_once(up):
    server = up()
    server.process.send_signal(signal.SIGTERM)
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.process.wait(30) in (0, 130)
