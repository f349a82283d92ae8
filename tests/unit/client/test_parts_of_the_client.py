"""The small parts of ``KatibClient``: patience, errors, lines, tables, trials known by name, waiting."""

import json
import threading
from concurrent import futures
from datetime import UTC, datetime
from types import SimpleNamespace

import grpc
import pytest

import katib
from katib.api.base import Condition, ObjectMeta
from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus, Metric, Observation
from katib.api.trial import TrialState
from katib.client.answering import answer_within
from katib.client.found_trials import found_trial
from katib.client.katib_client import KatibClient
from katib.client.katib_errors import katib_errors
from katib.client.log_lines import log_lines
from katib.client.metric_logs import remote_metric_logs
from katib.client.suggestions import suggestion_resource
from katib.client.trial_tables import optuna_study, trials_dataframe
from katib.client.views.progress import progress_view
from katib.client.waiting import wait_for
from katib.engine.trial import TrialRecord
from katib.errors import (
    Conflict,
    DeadlineExceeded,
    Denied,
    InvalidExperiment,
    KatibError,
    NotFound,
    Problem,
    StoreUnavailable,
)
from katib.experiments.protocol import Changes, Page
from katib.rpc import v1beta1 as wire

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def an_experiment(name="exp", *states, **spec):
    fields = {
        "objective": {
            "type": "minimize",
            "objectiveMetricName": "loss",
            "metricStrategies": [{"name": "loss", "value": "min"}],
        },
        "algorithm": {"algorithmName": "random"},
        "parameters": [
            {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
            {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}},
            {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
        ],
        **spec,
    }
    conditions = [
        Condition(type=state, message=f"it is {state}", last_transition_time=NOW, last_update_time=NOW)
        for state in states
    ]
    return Experiment(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=ExperimentSpec.model_validate(fields),
        status=ExperimentStatus(conditions=conditions),
    )


def a_trial(index, state=TrialState.SUCCEEDED, *, loss="0.5", assignments=None, **fields):
    measured = None if loss is None else Observation(metrics=[Metric(name="loss", min=loss, max="9", latest="8")])
    observation = fields.pop("observation", measured)
    assigned = (("x", "0.25"), ("n", "3"), ("kind", "a")) if assignments is None else assignments
    given = {"created": NOW, "started": NOW, "finished": None if state.is_active else NOW, **fields}
    return TrialRecord(index, f"exp-{index}", state, assigned, observation=observation, **given)


class FakeExperiments:
    """Experiments and trials that are handed over; changes come one after another."""

    def __init__(self, experiments, trials=(), changes=()):
        self.experiments = {one.metadata.name: one for one in experiments}
        self.of = dict(trials)
        self.pending = list(changes)

    def get(self, namespace, name):
        if name not in self.experiments:
            raise NotFound(f"namespace {namespace!r} has no experiment named {name!r}")
        return self.experiments[name]

    def find(self, _namespace, query):
        names = sorted(name for name in self.experiments if name.startswith(query.name_prefix) and name > query.after)
        page = names[:1]
        return Page(tuple(self.experiments[name] for name in page), after=page[0] if len(names) > 1 else "")

    def trial(self, _namespace, name, trial):
        for record in self.of.get(name, ()):
            if record.name == trial:
                return record
        raise NotFound(f"no trial {trial!r}")

    def trials(self, _namespace, name):
        return list(self.of.get(name, ()))

    def events(self, _namespace, _name):
        return []

    def changes(self, _namespace, _name, cursor):
        return self.pending.pop(0) if self.pending else Changes(cursor)


class TestPatience:
    def test_an_answer_or_an_error_comes_back(self):
        assert answer_within(lambda: 3, 60, "to count") == 3
        assert answer_within(lambda: 3, None, "to count") == 3
        with pytest.raises(NotFound, match="gone"):
            answer_within(lambda: (_ for _ in ()).throw(NotFound("gone")), 60, "to find")

    def test_a_place_that_hangs_is_waited_for_no_longer_than_allowed(self):
        free = threading.Event()
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.01 s when asked to hang"):
            answer_within(free.wait, 0.01, "to hang")
        free.set()

    def test_a_time_out_of_the_call_itself_stays_what_it_is(self):
        def times_out():
            raise TimeoutError("of the call")

        with pytest.raises(TimeoutError, match="of the call"):
            answer_within(times_out, 60, "to wait")


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "built_in"),
        [
            (NotFound("n"), RuntimeError),
            (Conflict("c"), RuntimeError),
            (Denied("d"), RuntimeError),
            (StoreUnavailable("s"), RuntimeError),
            (DeadlineExceeded("t"), TimeoutError),
            (InvalidExperiment([Problem("spec", "is wrong")]), ValueError),
            (InvalidExperiment([Problem("spec", "is wrong")]), RuntimeError),
        ],
    )
    def test_an_error_is_ours_and_katibs_at_once(self, error, built_in):
        with pytest.raises(built_in) as caught, katib_errors():
            raise error
        assert isinstance(caught.value, type(error))
        assert isinstance(caught.value, KatibError)
        assert str(caught.value) == str(error)
        assert type(caught.value).__name__ == type(error).__name__
        assert getattr(caught.value, "problems", None) == getattr(error, "problems", None)

    def test_an_error_that_passes_twice_is_made_once(self):
        with pytest.raises(NotFound) as caught, katib_errors(), katib_errors():
            raise NotFound("n")
        assert type(caught.value).__bases__ == (NotFound, RuntimeError)


class TestLines:
    @pytest.mark.parametrize(
        ("pieces", "lines"),
        [
            ([], []),
            ([b"a\nb\n"], ["a", "b"]),
            ([b"a", b"b\r\nc"], ["ab", "c"]),
            (["ä".encode()[:1], "ä".encode()[1:], b"\n\n"], ["ä", ""]),
            ([b"\xff\n"], ["\ufffd"]),
        ],
    )
    def test_pieces_become_lines(self, pieces, lines):
        assert list(log_lines(pieces)) == lines

    def test_a_line_without_end_is_handed_on_in_pieces(self):
        pieces = (b"x" * 300_000 for _ in range(10))
        lengths = [len(line) for line in log_lines(pieces)]
        assert sum(lengths) == 3_000_000
        assert max(lengths) <= 1 << 20


class TestTables:
    def test_columns_have_types_and_what_is_missing_is_missing(self):
        trials = [
            a_trial(0),
            a_trial(1, TrialState.RUNNING, loss=None, assignments=(("x", "0.5"), ("kind", "b"))),
            a_trial(2, TrialState.FAILED, loss="nan", reason="TrialFailed", message="no luck"),
        ]
        table = trials_dataframe(an_experiment(), trials)
        assert {name: str(kind) for name, kind in table.dtypes.items() if name.startswith(("params", "metrics"))} == {
            "params.x": "float64",
            "params.n": "Int64",
            "params.kind": "object",
            "metrics.loss": "float64",
        }
        assert table["params.n"].isna().tolist() == [False, True, False]
        assert table["metrics.loss"][0] == 0.5  # the strategy says: the least
        assert table["metrics.loss"].isna().tolist() == [False, True, True]
        assert table["ended"].isna().tolist() == [False, True, False]
        assert table["message"][2] == "no luck"

    def test_no_trials_are_an_empty_table(self):
        table = trials_dataframe(an_experiment(), [])
        assert len(table) == 0
        assert "params.x" in table.columns

    def test_words_stay_words(self):
        assert trials_dataframe(an_experiment(), [a_trial(0, loss="good")])["metrics.loss"][0] == "good"

    @pytest.mark.parametrize(("latest", "told"), [("nan", "nan"), ("unavailable", "nan"), ("genotype", "genotype")])
    def test_without_an_extreme_it_is_what_was_reported_last(self, latest, told):
        metric = Metric(name="loss", min="unavailable", max="unavailable", latest=latest)
        trials = [a_trial(0), a_trial(1, observation=Observation(metrics=[metric]))]
        column = trials_dataframe(an_experiment(), trials)["metrics.loss"]
        assert str(column[1]) == told
        assert column.dtype == (object if latest == "genotype" else "float64")

    def test_a_study_has_every_trial_with_its_state(self):
        trials = [
            a_trial(0),
            a_trial(1, TrialState.RUNNING, loss=None),
            a_trial(2, TrialState.EARLY_STOPPED),
            a_trial(3, TrialState.FAILED, loss=None),
            a_trial(4, TrialState.KILLED, loss=None, started=None),
            a_trial(5, TrialState.SUCCEEDED, loss="0.25"),
        ]
        study = optuna_study(an_experiment(), trials)
        states = [trial.state.name for trial in study.trials]
        assert states == ["COMPLETE", "RUNNING", "PRUNED", "FAIL", "FAIL", "COMPLETE"]
        assert study.best_value == 0.25
        assert study.best_params == {"x": 0.25, "n": 3, "kind": "a"}
        assert study.metric_names == ["loss"]


class TestNames:
    def test_a_trial_is_found_by_its_name_alone(self):
        short, long = "exp", "a-name-that-is-so-long-that-the-names-of-its-trials-are-cut-to-fit"
        cut = f"{long[:54]}-bcdfghjk"
        in_short = TrialRecord(0, "exp-bcdfghjk", TrialState.CREATED, (), NOW)
        in_long = TrialRecord(0, cut, TrialState.CREATED, (), NOW)
        strange = TrialRecord(0, "strange", TrialState.CREATED, (), NOW)
        place = FakeExperiments(
            [an_experiment(short), an_experiment(long), an_experiment("other")],
            {short: [in_short], long: [in_long], "other": [strange]},
        )
        for record, name in ((in_short, short), (in_long, long), (strange, "other")):
            experiment, found = found_trial(place, "default", record.name)
            assert (experiment.metadata.name, found) == (name, record)
        with pytest.raises(NotFound, match="has no trial 'exp-absent'"):
            found_trial(place, "default", "exp-absent")


class TestWaiting:
    def quiet(self):
        return progress_view("none")

    def test_it_ends_with_the_condition(self):
        running, done = an_experiment("exp", "Created", "Running"), an_experiment("exp", "Created", "Succeeded")
        place = FakeExperiments([running], changes=[Changes("1", (running,)), Changes("2"), Changes("3", (done,))])
        assert wait_for(place, "default", "exp", view=self.quiet) is done

    @pytest.mark.parametrize("end", ["Failed", "Stopped"])
    def test_another_end_is_said_with_its_reason(self, end):
        over = an_experiment("exp", "Created", end)
        place = FakeExperiments([over], changes=[Changes("1", (over,))])
        with pytest.raises(Conflict, match=f"is {end}, not Running: it is {end}"):
            wait_for(place, "default", "exp", condition="Running", view=self.quiet)

    def test_one_that_has_succeeded_has_run(self):
        over = an_experiment("exp", "Created", "Succeeded")
        place = FakeExperiments([over], changes=[Changes("1", (over,))])
        assert wait_for(place, "default", "exp", condition="Running", view=self.quiet) is over

    def test_one_that_is_deleted_is_waited_for_no_longer(self):
        running = an_experiment("exp", "Running")
        place = FakeExperiments([running], changes=[Changes("1", deleted=(("default", "exp", "uid"),))])
        with pytest.raises(NotFound, match="was deleted while it was waited for"):
            wait_for(place, "default", "exp", view=self.quiet)


class TestIdleness:
    """Whoever waits for what nothing happens to is told once, and by the error."""

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        monkeypatch.setattr("katib.client.waiting._SILENCE", 0.0)

    def waited(self, place, timeout=0.3):
        with pytest.raises(DeadlineExceeded) as caught:
            wait_for(place, "default", "exp", timeout=timeout, view=lambda: progress_view("none"))
        return str(caught.value)

    def test_a_place_says_why_once(self, capsys):
        place = FakeExperiments([an_experiment("exp")])
        asked = []
        place.idle_reason = lambda experiment: asked.append(experiment) or "no operator watches namespace 'default'"
        said = self.waited(place)
        assert "it has no condition yet. Nothing happens to it: no operator watches namespace 'default'" in said
        told = capsys.readouterr().err
        assert told == "katib: nothing happens to experiment 'exp': no operator watches namespace 'default'\n"
        assert len(asked) == 2

    def test_over_grpc_it_says_what_may_be_so(self, capsys):
        said = self.waited(FakeExperiments([an_experiment("exp")]))
        assert "no operator watches namespace 'default', or it does not run" in said
        assert "kubectl get deployments --all-namespaces" in capsys.readouterr().err

    def test_what_is_under_way_is_waited_for_in_silence(self, capsys):
        said = self.waited(FakeExperiments([an_experiment("exp", "Created", "Running")]))
        assert said.endswith("It goes on; wait for it again, with a longer timeout")
        assert capsys.readouterr().err == ""

    def test_a_place_that_cannot_say_it_keeps_nobody_from_waiting(self, capsys):
        place = FakeExperiments([an_experiment("exp")])

        def unknown(_):
            raise StoreUnavailable("away")

        place.idle_reason = unknown
        assert self.waited(place).endswith("with a longer timeout")
        assert capsys.readouterr().err == ""

    def test_nothing_is_said_before_it_has_had_its_time(self, capsys, monkeypatch):
        monkeypatch.setattr("katib.client.waiting._SILENCE", 3600.0)
        assert "Nothing happens to it" in self.waited(FakeExperiments([an_experiment("exp")]))
        assert capsys.readouterr().err == ""

    def test_a_sweep_that_nobody_begins_is_an_error_and_not_waited_for_to_stop(self, capsys):
        class Unattended(FakeExperiments):
            stopped = ()

            def create(self, namespace, document, **_):
                made = json.loads(document)
                self.experiments[made["metadata"]["name"]] = an_experiment(made["metadata"]["name"])
                return self.get(namespace, made["metadata"]["name"])

            def stop(self, namespace, name, **_):
                self.stopped += (name,)
                return self.get(namespace, name)

        def objective(x):
            return x

        place = Unattended([])
        with (
            KatibClient(backend="kubernetes", experiments=place, namespace="default") as client,
            pytest.raises(TimeoutError, match="Nothing happens to it: nothing has taken it up"),
        ):
            katib.tune(
                objective, {"x": katib.search.double(0, 1)}, name="exp", timeout=0.2, progress="none", client=client
            )
        assert place.stopped == ("exp",)
        assert "nothing happens to experiment 'exp'" in capsys.readouterr().err


class TestSuggestions:
    def test_a_suggestion_has_the_points_that_were_given(self):
        trials = [a_trial(0, labels={"rung": "1"}), a_trial(1, imported=True)]
        suggestion = suggestion_resource(an_experiment("exp", "Created", "Running"), trials)
        assert suggestion.metadata.name == "exp"
        assert suggestion.spec.requests == suggestion.status.suggestion_count == 1
        assert suggestion.status.suggestions[0].labels == {"rung": "1"}
        assert [condition.type for condition in suggestion.status.conditions] == ["Created", "Running"]


class TestClosing:
    def test_a_client_of_a_place_that_is_open_leaves_it_open(self):
        place = FakeExperiments([an_experiment()])
        with KatibClient(backend="local", experiments=place) as client:
            assert client.get_experiment("exp").metadata.name == "exp"
        client.close()

    @pytest.mark.parametrize("wrong", [{"name": 3}, {"name": None}, {"name": "exp", "namespace": 3}])
    def test_what_is_no_name_is_refused(self, wrong):
        client = KatibClient(backend="local", experiments=FakeExperiments([an_experiment()]))
        with pytest.raises(ValueError, match="must be text"):
            client.get_experiment(**wrong)

    def test_it_shows_itself(self):
        with KatibClient(backend="local", experiments=FakeExperiments([]), namespace="here") as client:
            assert repr(client) == "<KatibClient backend='local' namespace='here'>"


class TestDbManager:
    @pytest.fixture
    def address(self):
        def answer(request, context):
            if request.trial_name == "absent":
                context.abort(grpc.StatusCode.INTERNAL, "sql: no rows")
            log = wire.ObservationLog(
                metric_logs=[
                    wire.MetricLog(time_stamp="2026-01-02T03:04:05Z", metric=wire.Metric(name="loss", value="0.5"))
                ]
            )
            return wire.GetObservationLogReply(observation_log=log)

        handler = grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=wire.GetObservationLogRequest.FromString,
            response_serializer=wire.GetObservationLogReply.SerializeToString,
        )
        server = grpc.server(futures.ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("api.v1.beta1.DBManager", {"GetObservationLog": handler})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()

    def test_katibs_db_manager_may_be_asked(self, address):
        client = SimpleNamespace(get=lambda name: remote_metric_logs(address, name, 30))
        (log,) = client.get("exp-1")
        assert (log.metric.name, log.metric.value, log.time_stamp) == ("loss", "0.5", "2026-01-02T03:04:05Z")
        with pytest.raises(StoreUnavailable, match="INTERNAL: sql: no rows"):
            client.get("absent")


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: mine
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts:
- {name: mine, context: {cluster: c, user: u, namespace: team-a}}
- {name: other, context: {cluster: c, user: u}}
"""


def test_on_a_cluster_the_namespace_is_that_of_the_context(tmp_path):
    config = tmp_path / "config"
    config.write_text(KUBECONFIG)
    for arguments, namespace in (
        ({}, "team-a"),
        ({"context": "other"}, "default"),
        ({"namespace": "team-b"}, "team-b"),
        ({"backend": "local"}, "default"),
    ):
        place = {} if "backend" in arguments else {"backend": "kubernetes", "config_file": str(config)}
        with KatibClient(**place, **arguments, experiments=FakeExperiments([])) as client:
            assert client.namespace == namespace
