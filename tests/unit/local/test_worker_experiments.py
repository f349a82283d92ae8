"""Trials in callers' hands: who holds what and until when, what becomes of it, and that all of it survives the server."""

import threading
import time

import pytest

from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.status import over
from katib.errors import Conflict, InvalidInput, NotFound, Overloaded, StoreUnavailable
from katib.experiments.protocol import Measurement, Outcome
from katib.local.budget import with_budget
from katib.local.home import Home
from katib.local.hosted_answers import AskedFor
from katib.local.hosted_edits import record_edit
from katib.local.runtime import WORKERS, with_runtime
from katib.local.worker_experiments import WorkerExperiments
from katib.store import open_store

LOSS = [Measurement("loss", "0.5")]


class Search:
    """An experiment of callers on a store of its own, which can be served anew."""

    def __init__(self, folder, **spec):
        self.home = Home(folder)
        self.store = open_store(self.home.store_path)
        body = {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": 2,
            "maxTrialCount": 6,
            "seed": 3,
            "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
        } | spec
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "search", "namespace": "team"},
            "spec": body,
        }
        self.experiment = self.store.create_experiment(with_runtime(with_defaults(parse_experiment(document)), WORKERS))
        self.uid = self.experiment.metadata.uid
        self.workers = None
        self.serve()

    def serve(self):
        """Begin to serve it, or end that and begin anew."""
        if self.workers is not None:
            self.workers.close()
        self.workers = WorkerExperiments(self.home, self.store)
        self.workers.host(self.store.experiment("team", "search"))

    def ask(self, client="a", wait=20.0, **more):
        return self.workers.suggest("team", "search", client, wait=wait, **more).result(30)

    def one(self, client="a", **more):
        (trial,) = self.ask(client, **more).trials
        return trial

    def report(self, trial, value, client="a", request_id=""):
        measured = [Measurement("loss", str(value))]
        return self.workers.report("team", "search", trial, client, measured, request_id=request_id).result(30)

    def tell(self, trial, client="a", outcome=Outcome.COMPLETED, measurements=LOSS, **more):
        answer = self.workers.complete("team", "search", trial, client, outcome, measurements=measurements, **more)
        return answer.result(30)

    def beat(self, client="a", trials=(), **more):
        return self.workers.heartbeat("team", "search", client, trials, **more).result(30)

    def edit(self, *, resumes, **counts):
        asked = AskedFor(self.store, "team", "", "edit")
        record_edit(self.store, "team", "search", lambda found: with_budget(found, **counts), asked, resumes=resumes)

    def trials(self):
        return self.store.trials(self.uid)

    def status(self):
        return self.store.experiment("team", "search").status

    def until(self, condition, what):
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.01)

    def close(self):
        self.workers.close()
        self.store.close()


@pytest.fixture
def search(tmp_path):
    opened = []

    def make(**spec):
        opened.append(Search(tmp_path / str(len(opened)), **spec))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_search_ends_when_its_trials_are_told(search):
    made = search()
    told = {}
    while not (answer := made.ask()).over:
        for trial in answer.trials:
            value = abs(float(dict(trial.assignments)["x"]) - 0.3)
            told[trial.name] = value
            assert made.tell(trial.name, measurements=[Measurement("loss", str(value))]).state is TrialState.SUCCEEDED
    assert (answer.state, "max trial count" in answer.reason) == ("Succeeded", True)
    assert {trial.name: trial.state for trial in made.trials()} == dict.fromkeys(told, TrialState.SUCCEEDED)
    assert len(told) == 6
    best = made.status().current_optimal_trial
    assert best.best_trial_name == min(told, key=told.get)
    made.until(lambda: not made.workers.is_hosted(made.uid), "nobody drives what is over")
    assert made.ask().over


def test_no_trial_is_given_twice_to_many_clients(search):
    made = search(parallelTrialCount=8, maxTrialCount=60)
    given, lock = [], threading.Lock()

    def work(client):
        while not (answer := made.ask(client)).over:
            for trial in answer.trials:
                with lock:
                    given.append(trial.name)
                made.tell(trial.name, client)

    threads = [threading.Thread(target=work, args=(f"client-{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(given) == sorted(trial.name for trial in made.trials())
    assert len(given) == 60


def test_who_waits_no_more_gets_nothing(search):
    made = search(parallelTrialCount=1)
    first = made.one("a")
    gone = [made.workers.suggest("team", "search", f"gone-{number}", wait=60.0, lease=0.01) for number in range(4)]
    assert made.ask("b", wait=0.0).trials == (), "all of them wait"
    assert all(answer.cancel() for answer in gone)
    made.tell(first.name, "a")
    second = made.one("b")
    assert (second.index, second.attempt) == (1, 1)
    assert [trial.state for trial in made.trials()] == [TrialState.SUCCEEDED, TrialState.RUNNING]


def test_a_client_that_comes_back_gets_what_it_had_also_from_another_server(search):
    made = search()
    first = made.one()
    assert made.one().name == first.name
    made.report(first.name, 0.7, request_id="r1")
    made.serve()
    again = made.one()
    assert (again.name, again.assignments, again.attempt) == (first.name, first.assignments, 1)
    made.report(first.name, 0.7, request_id="r1")
    made.report(first.name, 0.6, request_id="r2")
    assert [seen.text for seen in made.store.series(made.uid, first.name)] == ["0.7", "0.6"]


def test_a_client_may_hold_several(search):
    made = search(parallelTrialCount=5)
    made.until(lambda: len(made.trials()) == 5, "there are trials")
    assert len(made.ask(count=3).trials) == 3
    few = made.ask("b", count=3)
    assert len(few.trials) == 2
    assert "5 trials run, and parallelTrialCount is 5" in few.waiting


def test_no_more_than_the_parallelism_are_given_out_and_who_waits_gets_the_next(search):
    made = search(parallelTrialCount=1)
    held = made.one("a")
    none = made.ask("b", wait=0)
    assert (none.trials, none.over) == ((), False)
    assert "parallelTrialCount is 1" in none.waiting
    waiting = made.workers.suggest("team", "search", "b", wait=30)
    made.tell(held.name)
    (trial,) = waiting.result(30).trials
    assert trial.name != held.name


def test_a_silent_client_loses_its_trial_to_another(search):
    made = search(parallelTrialCount=1)
    held = made.one("a", lease=1.0)
    made.report(held.name, 0.9)
    again = made.one("b")
    assert (again.name, again.attempt) == (held.name, 2)
    assert made.store.series(made.uid, held.name) == []
    with pytest.raises(Conflict, match="run by another client now"):
        made.report(held.name, 0.8)
    with pytest.raises(Conflict, match="run by another client now"):
        made.tell(held.name)
    (told,) = made.beat("a", [held.name])
    assert (told.lost, told.should_stop) == (True, True)
    assert made.tell(held.name, "b").state is TrialState.SUCCEEDED
    assert "WorkerLost" in {event.reason for event in made.store.events(made.uid)}


def test_a_client_that_is_heard_of_keeps_its_trial(search):
    made = search()
    held = made.one(lease=2.0)  # a loaded machine may be still for a second
    end = time.monotonic() + 4.5
    while time.monotonic() < end:
        (told,) = made.beat(lease=2.0)
        assert (told.name, told.lost, told.should_stop) == (held.name, False, False)
        time.sleep(0.05)
    assert made.one(lease=60).attempt == 1


def test_a_trial_that_three_clients_lost_has_failed(search):
    made = search(parallelTrialCount=1, maxFailedTrialCount=1)
    for client in "abc":
        assert made.one(client, lease=0.05).index == 0
    made.until(lambda: over(made.status()), "the experiment ends")
    (trial, *_) = made.trials()
    assert (trial.state, trial.reason) == (TrialState.FAILED, "WorkerLost")
    assert made.status().conditions[-1].type == "Failed"


def test_an_end_that_is_told_again_is_the_same_end(search):
    made = search()
    trial = made.one()
    first = made.tell(trial.name)
    assert made.tell(trial.name) == first
    made.serve()
    assert made.tell(trial.name) == first
    with pytest.raises(Conflict, match="ended otherwise"):
        made.tell(trial.name, outcome=Outcome.BROKEN)
    with pytest.raises(Conflict, match="not in the hands of client 'b'"):
        made.tell(trial.name, "b")
    with pytest.raises(NotFound, match="no trial 'nobody'"):
        made.tell("nobody")


def test_a_request_id_is_of_one_report_also_for_another_server_and_when_all_is_over(search):
    made = search(maxTrialCount=2, parallelTrialCount=2)
    trial, last = made.one("a"), made.one("b")
    made.report(trial.name, 0.7, request_id="r1")
    refused = pytest.raises(Conflict, match="'r1' was used for another request")
    with refused:
        made.report(trial.name, 0.6, request_id="r1")
    with refused:
        made.tell(trial.name, measurements=[Measurement("loss", "0.7")], request_id="r1")
    made.serve()
    with refused:
        made.report(trial.name, 0.6, request_id="r1")
    made.report(trial.name, 0.7, request_id="r1")
    assert [seen.text for seen in made.store.series(made.uid, trial.name)] == ["0.7"]
    ended = made.tell(trial.name, request_id="e1")

    def told_again():
        assert made.tell(trial.name, request_id="e1") == ended
        made.report(trial.name, 0.7, request_id="r1")  # its answer was lost on its way
        with pytest.raises(Conflict, match="'e1' was used for another request"):
            made.tell(trial.name, measurements=[Measurement("loss", "0.4")], request_id="e1")
        with refused:
            made.report(trial.name, 0.6, request_id="r1")
        with pytest.raises(Conflict, match=r"has ended|takes no more values"):
            made.report(trial.name, 0.6, request_id="r2")

    told_again()
    made.serve()
    told_again()
    made.tell(last.name, "b", outcome=Outcome.BROKEN, measurements=[], request_id="e2", message="it broke")
    made.until(lambda: not made.workers.is_hosted(made.uid), "nobody drives what is over")
    told_again()
    with pytest.raises(Conflict, match="'e2' was used for another request"):
        made.tell(last.name, "b", outcome=Outcome.INFEASIBLE, measurements=[], request_id="e2", message="it broke")
    assert [seen.text for seen in made.store.series(made.uid, trial.name)] == ["0.7", "0.5"]


def test_an_end_that_is_told_twice_at_once_is_recorded_once(search):
    made = search()
    trial = made.one()
    with made.store.transaction():  # so that both come into one turn
        told = [
            made.workers.complete("team", "search", trial.name, "a", how, measurements=LOSS)
            for how in (Outcome.COMPLETED, Outcome.COMPLETED, Outcome.BROKEN)
        ]
        time.sleep(0.1)
    assert told[0].result(30) == told[1].result(30)
    with pytest.raises(Conflict, match="ended otherwise"):
        told[2].result(30)
    assert [seen.text for seen in made.store.series(made.uid, trial.name)] == ["0.5"]


def test_who_never_had_a_trial_was_not_silent(search):
    made = search(parallelTrialCount=1)
    held = made.one("a", lease=0.05)
    made.until(lambda: made.store.trial(made.uid, held.name).attempt == 2, "it is lost")
    assert made.one("b").name == held.name
    for _ in range(2):
        with pytest.raises(Conflict, match="'a', was silent for too long"):
            made.tell(held.name, "a")
        with pytest.raises(Conflict, match="was never in the hands of this one, 'c'"):
            made.tell(held.name, "c")
        (told,) = made.beat("c", [held.name])
        assert (told.lost, "silent" in told.reason) == (True, False)
        made.serve()


@pytest.mark.parametrize(("outcome", "reason"), [(Outcome.BROKEN, "Broken"), (Outcome.INFEASIBLE, "Infeasible")])
def test_what_broke_has_failed_with_its_reason(search, outcome, reason):
    made = search()
    trial = made.one()
    ended = made.tell(trial.name, outcome=outcome, measurements=[], message="out of memory")
    assert (ended.state, reason in ended.reason) == (TrialState.FAILED, True)
    assert "out of memory" in ended.message
    assert made.one().name != trial.name


def test_an_end_without_the_objective_is_no_success(search):
    made = search()
    ended = made.tell(made.one().name, measurements=[Measurement("other", "1")])
    assert ended.state is TrialState.METRICS_UNAVAILABLE
    assert "client 'a' reported no value of the objective" in ended.message


def test_trials_are_told_to_stop_when_the_goal_is_reached(search):
    made = search(objective={"type": "minimize", "objectiveMetricName": "loss", "goal": 0.1})
    first, second = made.one("a"), made.one("b")
    made.tell(first.name, "a", measurements=[Measurement("loss", "0.05")])
    (told,) = made.beat("b")
    assert told.should_stop
    assert "experiment is complete" in told.reason
    order = made.workers.should_stop("team", "search", second.name, "b").result(30)
    assert order.should_stop
    assert made.tell(second.name, "b").state is TrialState.KILLED
    assert made.ask("b").over
    assert made.tell(second.name, "b").state is TrialState.KILLED, "also when nobody drives it any more"


def test_early_stopping_reaches_the_client(search):
    stopping = {
        "algorithmName": "medianstop",
        "algorithmSettings": [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "2"}],
    }
    made = search(earlyStopping=stopping, parallelTrialCount=1)
    good = made.one()
    for _ in range(4):
        made.report(good.name, 0.1)
    made.tell(good.name, measurements=[Measurement("loss", "0.1")])
    bad = made.one()
    for _ in range(4):
        made.report(bad.name, 0.9)
    made.until(lambda: made.beat()[0].should_stop, "it is told to stop")
    ended = made.tell(bad.name, measurements=[])
    assert ended.state is TrialState.EARLY_STOPPED
    assert ended.observation.metrics[0].latest == "0.9"


def test_a_stop_waits_for_clients_and_at_once_does_not(search):
    made = search()
    held = made.one()
    made.workers.stop(made.uid)
    made.until(lambda: over(made.status()), "it is over")
    assert made.store.trial(made.uid, held.name).state is TrialState.RUNNING
    assert made.beat()[0].should_stop
    made.workers.stop(made.uid, at_once=True)
    made.until(lambda: not made.workers.is_hosted(made.uid), "nothing is waited for")
    assert {trial.state for trial in made.trials()} == {TrialState.KILLED}


def test_a_stop_of_another_process_is_heard(search):
    made = search()
    made.one()
    made.store.request(made.uid, "kill")
    made.until(lambda: not made.workers.is_hosted(made.uid), "it ends")
    assert made.status().conditions[-1].type == "Stopped"


def test_another_budget_is_heeded(search):
    made = search(parallelTrialCount=1)
    made.one("a")
    waiting = made.workers.suggest("team", "search", "b", wait=30)
    made.edit(resumes=False, parallel=2)
    made.workers.edited(made.uid)
    assert len(waiting.result(30).trials) == 1


def test_a_stop_that_was_answered_outlives_its_server(search):
    made = search()
    made.one()
    made.workers.close()
    made.store.request(made.uid, "kill")
    made.serve()
    made.until(lambda: over(made.status()), "it is stopped by the next one")
    assert made.status().conditions[-1].type == "Stopped"


def test_an_experiment_that_is_resumed_while_it_winds_up_goes_on(search):
    made = search(maxTrialCount=2, parallelTrialCount=2)
    first, second = made.one("a"), made.one("b")
    made.workers.stop(made.uid)
    made.until(lambda: over(made.status()), "it is over")
    made.edit(resumes=True, max_trials=4)
    made.workers.edited(made.uid)
    made.until(lambda: not over(made.status()), "it goes on")
    for trial, client in ((first, "a"), (second, "b")):
        made.tell(trial.name, client)
    while not (answer := made.ask("a")).over:
        for trial in answer.trials:
            made.tell(trial.name)
    assert made.status().conditions[-1].type == "Succeeded"


def test_what_cannot_be_recorded_is_refused_and_nothing_is_lost(search):
    made = search()
    trial = made.one()
    full = threading.Event()

    def check():
        if full.is_set():
            raise StoreUnavailable("the disk is full")

    made.store.guard_writes(check)
    full.set()
    with pytest.raises(StoreUnavailable, match="disk is full"):
        made.tell(trial.name)
    full.clear()
    assert made.one().name == trial.name
    assert made.tell(trial.name).state is TrialState.SUCCEEDED
    assert made.store.trial(made.uid, trial.name).state is TrialState.SUCCEEDED


def test_what_a_client_may_not_say(search):
    made = search()
    workers = made.workers
    for wrong, words in (
        ({"client_id": ""}, "client_id: is required"),
        ({"client_id": "x" * 300}, "at most 255"),
        ({"lease": 0}, "lease: must be more than 0"),
        ({"lease": float("nan")}, "lease: must be"),
        ({"count": 0}, "count: must be from 1"),
    ):
        with pytest.raises(InvalidInput, match=words):
            workers.suggest("team", "search", **({"client_id": "a"} | wrong)).result(30)
    trial = made.one()
    with pytest.raises(InvalidInput, match=r"measurements\[0\].metric"):
        workers.report("team", "search", trial.name, "a", [Measurement("", "1")]).result(30)
    with pytest.raises(NotFound):
        workers.suggest("team", "nothing", "a").result(30)
    with pytest.raises(NotFound):
        workers.suggest("other", "search", "a").result(30)


def test_what_its_template_runs_is_not_given_to_callers(search):
    made = search()
    document = made.experiment.model_copy(
        update={"metadata": made.experiment.metadata.model_copy(update={"name": "jobs", "annotations": None})}
    )
    made.store.create_experiment(document)
    with pytest.raises(Conflict, match="run by its template"):
        made.workers.suggest("team", "jobs", "a").result(30)


def test_what_the_database_refuses_of_one_client_costs_the_others_nothing(search, monkeypatch):
    made = search(parallelTrialCount=2)
    good, bad = made.one("a"), made.one("b")
    append = made.store.append_reports

    def refusing(uid, reports):
        if any(report.trial == bad.name for report in reports):
            raise InvalidInput("it does not fit")
        append(uid, reports)

    monkeypatch.setattr(made.store, "append_reports", refusing)
    with made.store.transaction():  # so that both come into one turn
        told = made.workers.report("team", "search", good.name, "a", LOSS, request_id="r1")
        refused = made.workers.report("team", "search", bad.name, "b", LOSS, request_id="r2")
        time.sleep(0.1)
    assert not told.result(30).should_stop
    with pytest.raises(InvalidInput, match="does not fit"):
        refused.result(30)
    monkeypatch.undo()
    made.report(bad.name, 0.5, "b", request_id="r2")
    assert [len(made.store.series(made.uid, trial.name)) for trial in (good, bad)] == [1, 1]


def test_who_asks_about_what_is_over_keeps_nobody_waiting_and_the_line_has_a_bound(search, monkeypatch):
    made = search(maxTrialCount=1)
    made.tell(made.one().name)
    made.until(lambda: made.ask().over, "the experiment is over")
    go_on, read = threading.Event(), made.store.experiment

    def slow(*place):
        assert go_on.wait(30)
        return read(*place)

    monkeypatch.setattr(made.store, "experiment", slow)
    monkeypatch.setattr("katib.local.worker_experiments._MOST_READING", 3)
    asked = [made.workers.suggest("team", "search", "a") for _ in range(4)]
    with pytest.raises(Overloaded, match="ask again"):
        asked.pop().result(30)
    assert not any(answer.done() for answer in asked)
    go_on.set()
    assert all(answer.result(30).over for answer in asked)
    made.until(lambda: made.workers._reading == 0, "nobody waits")
    assert made.ask().over
