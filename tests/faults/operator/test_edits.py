"""What users change of an experiment, and what they get wrong: each is said on the object that it is about."""

import json
import time

import pytest
from conftest import served
from world import condition, experiment, of_absent_kind, state, status, words

from katib.kube.errors import Invalid
from katib.kube.resource import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, JOBS, PODS, Resource
from katib.operator import silence
from katib.operator.kinds import EXPERIMENTS, TRIAL_LABEL, TRIALS


def test_an_invalid_experiment_says_all_that_is_wrong(world, start):
    start(world)
    body = experiment(settings=[("random_state", "many")])
    body["spec"]["earlyStopping"] = {"algorithmName": "no-such-stopper"}
    world.create(body)
    refused = world.reason_is("InvalidExperiment", EXPERIMENTS)
    assert state(refused) == "Failed"
    said = condition(refused)["message"]
    assert "random_state" in said
    assert "no-such-stopper" in said
    assert not world.trials()
    world.until(lambda: len(world.events("InvalidExperiment")) == 1, what="it is told once")


def test_trials_whose_output_cannot_be_read_are_not_begun(world, start):
    start(world)
    body = experiment(trials=2)
    body["spec"]["metricsCollectorSpec"] = {"collector": {"kind": "StdOut"}}
    pod = body["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    container["args"] = container.pop("command")
    world.create(body)
    refused = world.reason_is("InvalidExperiment", EXPERIMENTS)
    assert "command" in condition(refused)["message"]
    assert not world.trials()


def test_a_finished_experiment_stays_what_it_is_when_its_template_is_gone(world, start):
    operator = start(world)
    body = experiment(trials=2)
    template = body["spec"]["trialTemplate"]
    job = template.pop("trialSpec")
    template["configMap"] = {"configMapName": "templates", "configMapNamespace": world.namespace, "templatePath": "job"}
    kept = {"metadata": {"name": "templates"}, "data": {"job": json.dumps(job)}}
    world.client.create(CONFIG_MAPS, kept, world.namespace)
    world.create(body)
    before = status(world.ended())
    operator.stop()
    world.client.delete(CONFIG_MAPS, "templates", world.namespace)
    start(world)
    time.sleep(5)  # it is looked at when an operator begins
    assert status(world.get())["conditions"] == before["conditions"]


def test_an_invalid_experiment_runs_once_it_is_mended(world, start):
    start(world)
    world.create(experiment(trials=2, settings=[("random_state", "many")]))
    world.reason_is("InvalidExperiment", EXPERIMENTS)
    algorithm = {"algorithmName": "random", "algorithmSettings": [{"name": "random_state", "value": "7"}]}
    world.edit(algorithm=algorithm)
    world.until(lambda: state(world.get()) != "Failed", what="it is looked at again")
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert world.states() == ["Succeeded"] * 2
    with pytest.raises(Invalid, match="algorithm cannot be changed"):
        world.edit(algorithm={"algorithmName": "grid"})


def test_a_template_in_a_config_map_may_come_after_the_experiment(world, start):
    start(world)
    body = experiment(trials=2)
    template = body["spec"]["trialTemplate"]
    job = template.pop("trialSpec")
    template["configMap"] = {"configMapName": "templates", "configMapNamespace": world.namespace, "templatePath": "job"}
    world.create(body)
    refused = world.reason_is("InvalidExperiment", EXPERIMENTS)
    assert "templates" in condition(refused)["message"]
    kept = {"metadata": {"name": "templates"}, "data": {"job": json.dumps(job)}}
    world.client.create(CONFIG_MAPS, kept, world.namespace)
    world.until(lambda: state(world.get()) != "Failed", what="it is looked at again")
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert "InvalidExperiment" not in str(status(ended))


def test_a_budget_that_is_raised_lets_a_finished_experiment_go_on(world, start):
    start(world)
    world.create(experiment(trials=3, resumePolicy="LongRunning"))
    world.ended()
    before = [trial["metadata"]["uid"] for trial in world.trials()]
    world.edit(maxTrialCount=6)
    world.until(lambda: len(world.trials()) == 6, what="there are more")
    ended = world.ended()
    assert condition(ended)["reason"] == "ExperimentMaxTrialsReached"
    assert world.states() == ["Succeeded"] * 6
    assert [trial["metadata"]["uid"] for trial in world.trials()][:3] == before
    assert [each["type"] for each in status(ended)["conditions"]].count("Succeeded") == 1


def test_a_finished_experiment_that_may_not_go_on_is_left_as_it_is(world, start):
    start(world)
    world.create(experiment(trials=2))
    world.ended()
    with pytest.raises(Invalid, match="resumePolicy"):
        world.edit(maxTrialCount=6)


def test_fewer_run_at_a_time_after_that_is_edited(world, start):
    start(world)
    world.create(experiment(rule="seconds=0.6", trials=9, parallel=4))
    world.until(lambda: len(world.jobs()) == 4, what="four run")
    world.edit(parallelTrialCount=1)
    world.until(lambda: len(world.active()) == 1, what="one is left")
    world.most["search"] = 0
    ended = world.ended()
    assert status(ended)["trialsSucceeded"] == 9
    assert world.most["search"] <= 1


def test_a_stopped_experiment_runs_on_when_the_stop_is_taken_back(world, start):
    start(world)
    world.create(experiment(rule="seconds=1.5", trials=4))
    world.until(lambda: len(world.jobs()) == 2, what="two run")
    world.annotate(stop="true")
    stopped = world.ended()
    assert state(stopped) == "Stopped"
    world.until(lambda: not world.jobs(), what="no job is left")
    names = [trial["metadata"]["name"] for trial in world.trials()]
    assert world.states() == ["Killed", "Killed"]
    world.annotate(stop=None)
    world.until(lambda: state(world.get()) != "Stopped", what="it goes on")
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert world.states() == ["Succeeded"] * 4
    assert [trial["metadata"]["name"] for trial in world.trials()][:2] == names
    assert "completionTime" in status(ended)
    assert world.most["search"] <= 2


def test_trials_that_have_not_started_are_ended_with_their_experiment(world, start):
    operator = start(world)
    world.create(of_absent_kind(trials=6, parallel=3))
    world.until(lambda: len(world.trials()) == 3, what="there are trials")
    world.annotate(stop="true")
    assert state(world.ended()) == "Stopped"
    assert world.states() == ["Killed"] * 3

    def orders():
        return sum(
            count for (verb, resource, _), count in operator.counts.items() if (verb, resource) == ("patch", "trials")
        )

    world.until(lambda: orders() >= 3, what="the operator has told what it sent")
    time.sleep(0.5)
    assert orders() == 3, "an order is written once"


def test_a_stop_is_carried_out_by_the_next_operator(world, start):
    first = start(world)
    world.create(experiment(rule="end=never", trials=4))
    world.until(lambda: len(world.jobs()) == 2, what="two run")
    first.kill()
    world.annotate(stop="true")
    start(world)
    assert state(world.ended()) == "Stopped"
    world.until(lambda: not world.jobs(), what="no job is left")


def test_an_experiment_ends_when_its_time_is_over(world, start):
    start(world)
    world.create(experiment(rule="end=never", trials=4, maxRuntime="3s"))
    ended = world.ended()
    assert condition(ended)["reason"] == "ExperimentMaxRuntimeReached"
    assert state(ended) == "Failed"
    assert set(world.states()) == {"Killed"}
    world.until(lambda: not world.jobs(), what="no job is left")


def test_a_trial_fails_when_its_time_is_over(world, start):
    start(world)
    world.create(experiment(rule="end=never", trials=2, trialTimeout="2s", maxFailedTrialCount=2))
    ended = world.ended()
    assert state(ended) == "Failed"
    assert world.states() == ["Failed", "Failed"]
    assert {condition(trial)["reason"] for trial in world.trials()} == {"TrialTimeout"}


def widget_definition(group):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [version],
        },
    }


def test_a_kind_whose_definition_comes_later_is_waited_for(world, start, client, reports):
    group = f"{world.namespace}.test"
    start(world)
    body = experiment(trials=1, parallel=1)
    template = body["spec"]["trialTemplate"]
    template["trialSpec"] = {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "spec": {"lr": "${trialParameters.lr}"},
    }
    template |= {
        "successCondition": 'status.phases.#(name=="Done")',
        "failureCondition": 'status.phases.#(name=="Bad")',
    }
    world.create(body)
    said = world.until(lambda: world.events("UnknownKind"), seconds=40, what="it is said")
    assert "Widget" in words(said[0])
    [trial] = client.list(TRIALS, world.namespace)[0]
    [condition] = trial["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Created", "True", "UnknownKind")
    assert f"the cluster has no Widget of {group}/v1: its CRD is not installed" in condition["message"]
    client.apply(CUSTOM_RESOURCE_DEFINITIONS, widget_definition(group))
    served(client, f"{group}/v1", "Widget")
    widgets = Resource(group, "v1", "widgets", "Widget")
    widget = world.until(lambda: client.list(widgets, world.namespace)[0], seconds=40, what="the job is made")[0]
    assert float(widget["spec"]["lr"]) > 0
    name = widget["metadata"]["name"]
    reports(world.namespace, name, {"loss": "0.5"})
    done = {"status": {"phases": [{"name": "Done", "reason": "AllDone"}]}}
    client.merge_patch(widgets, name, done, world.namespace, subresource="status")
    assert state(world.ended()) == "Succeeded"
    assert world.states() == ["Succeeded"]


def test_a_job_that_the_server_refuses_fails_its_trial_in_the_servers_words(world, start):
    start(world)
    body = experiment(trials=3, parallel=1, maxFailedTrialCount=1)
    pod = body["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    pod["containers"][0]["volumeMounts"] = [{"name": "nowhere", "mountPath": "/data"}]
    world.create(body)
    ended = world.ended()
    assert state(ended) == "Failed"
    [trial] = world.trials()
    assert condition(trial)["reason"] == "JobRefused"
    assert 'volumeMounts[0].name: Not found: "nowhere"' in condition(trial)["message"]


def test_a_suspended_job_says_so_on_its_trial(world, start):
    start(world)
    body = experiment(trials=1, parallel=1, trialTimeout="1h")
    body["spec"]["trialTemplate"]["trialSpec"]["spec"]["suspend"] = True
    world.create(body)
    trial = world.reason_is("JobSuspended", seconds=40)
    assert state(trial) == "Running"
    assert "for at most 1h" in condition(trial)["message"]
    name = trial["metadata"]["name"]
    world.client.merge_patch(JOBS, name, {"spec": {"suspend": False}}, world.namespace)
    assert state(world.ended()) == "Succeeded"


def test_a_trial_that_fails_says_why_and_too_many_fail_the_experiment(world, start):
    start(world)
    world.create(experiment(rule="end=fail message=OutOfLuck", trials=6, maxFailedTrialCount=2))
    ended = world.ended()
    assert state(ended) == "Failed"
    assert "Failed" in world.states()
    failed = [trial for trial in world.trials() if state(trial) == "Failed"]
    assert 2 <= len(failed) <= 3
    assert all("OutOfLuck" in condition(trial)["message"] for trial in failed)


def pod_of(world, trial, **status):
    """Make a pod of a trial's job as a node would have it; there is no node."""
    labels = {TRIAL_LABEL: trial["metadata"]["name"]}
    pod = {
        "metadata": {"name": trial["metadata"]["name"], "labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]},
    }
    world.until(lambda: world.client.create(PODS, pod, world.namespace), what="the pod is made")
    be(world, trial, **status)


def be(world, trial, **status):
    name = trial["metadata"]["name"]
    world.client.merge_patch(PODS, name, {"status": status}, world.namespace, subresource="status")


def collected(**more):
    body = experiment(trials=1, parallel=1, **more)
    body["spec"]["metricsCollectorSpec"] = {"collector": {"kind": "StdOut"}}
    return body


def test_metrics_that_come_after_a_trials_end_are_waited_for_while_its_pod_runs(world, start):
    start(world)
    world.create(collected(rule="seconds=0.5 late=1.5"))
    trial = world.until(world.trials, what="there is a trial")[0]
    pod_of(world, trial, phase="Running")
    world.until(lambda: any(status(job).get("conditions") for job in world.jobs()), what="the job is complete")
    time.sleep(2.5)
    assert world.states() == ["Running"]
    be(world, trial, phase="Succeeded")
    assert state(world.ended()) == "Succeeded"
    assert status(world.trials()[0])["observation"]["metrics"][0]["name"] == "loss"


def test_reports_that_do_not_get_to_the_store_are_told_while_the_pod_waits_for_that(world, start):
    start(world)
    world.create(collected(rule="end=never"))
    trial = world.until(world.trials, what="there is a trial")[0]
    trainer = {"name": "main", "ready": False, "restartCount": 0, "image": "none", "imageID": ""}
    ended = {**trainer, "state": {"terminated": {"exitCode": 0}}}
    collector = {**trainer, "name": "katib-collector", "state": {"running": {}}}
    pod_of(world, trial, phase="Running", containerStatuses=[ended], initContainerStatuses=[collector])
    said = condition(world.reason_is("WaitingForMetrics", seconds=40))["message"]
    assert "has ended with exit code 0" in said
    assert "-c katib-collector" in said


def test_a_trial_of_which_nothing_comes_says_so_until_something_does(world, start_here, reports, monkeypatch):
    monkeypatch.setattr(silence, "_LONG", 1.0)
    monkeypatch.setattr(silence, "_ASK_AGAIN", 0.5)
    start_here(world)
    world.create(collected(rule="end=never reports=0"))
    trial = world.until(world.trials, what="there is a trial")[0]
    trainer = {"name": "main", "ready": True, "restartCount": 0, "image": "none", "imageID": ""}
    running = {**trainer, "state": {"running": {}}}
    collector = {**running, "name": "katib-collector"}
    pod_of(world, trial, phase="Running", containerStatuses=[running], initContainerStatuses=[collector])

    def says(text):
        world.until(lambda: text in condition(world.trials()[0]).get("message", ""), what=f"it says {text}")

    says(f"`kubectl logs {trial['metadata']['name']} -c katib-collector`")
    assert state(world.trials()[0]) == "Running"
    assert condition(world.trials()[0])["reason"] == "TrialRunning"
    reports(world.namespace, trial["metadata"]["name"], {"loss": "0.5"})
    world.until(lambda: condition(world.trials()[0])["message"] == "Trial is running", what="it says no more")


def test_a_pod_that_cannot_start_says_why_on_its_trial_and_runs_when_it_can(world, start):
    start(world)
    world.create(collected(rule="seconds=14"))
    trial = world.until(world.trials, what="there is a trial")[0]
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    container = {"name": "main", "ready": False, "restartCount": 0, "image": "none", "imageID": ""}
    pod_of(world, trial, phase="Pending", containerStatuses=[{**container, "state": {"waiting": waiting}}])
    said = condition(world.reason_is("ImagePullBackOff", seconds=40))["message"]
    assert "Back-off pulling image" in said
    assert "without a limit (no trialTimeout)" in said
    be(world, trial, phase="Running", containerStatuses=[{**container, "state": {"running": {}}}])
    world.reason_is("TrialRunning")
    world.until(lambda: any(status(job).get("conditions") for job in world.jobs()), what="the job is complete")
    be(world, trial, phase="Succeeded")
    assert state(world.ended()) == "Succeeded"


def test_a_trial_that_reports_nothing_is_told_so(world, start):
    start(world)
    world.create(experiment(rule="reports=0", trials=2, maxFailedTrialCount=2))
    ended = world.ended()
    assert state(ended) == "Failed"
    assert world.states() == ["MetricsUnavailable"] * 2
