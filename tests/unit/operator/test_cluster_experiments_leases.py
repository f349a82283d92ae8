"""The Lease of a trial that callers run: what it says, what is written on it, and how the operator reads that."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from katib.admission import admit
from katib.errors import NotFound
from katib.operator.cluster_leases import (
    TrialLease,
    is_run_by_callers,
    with_lease_template,
    without_lease_template,
)
from katib.operator.running import _says
from katib.template.condition import outcome
from katib.template.render import render

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOCUMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "search", "namespace": "team", "annotations": {"mine": "kept"}},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parameters": [
            {"name": "learning rate", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "1"}},
            {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
            {
                "name": "of a",
                "parameterType": "int",
                "feasibleSpace": {"min": "1", "max": "3"},
                "condition": {"parameter": "kind", "in": ["a"]},
            },
        ],
    },
}


class NoConfigMaps:
    def read(self, *_):
        raise NotFound("there are none")


@pytest.fixture
def experiment():
    """The experiment as the operator has it."""
    admitted = admit(json.dumps(DOCUMENT), config_maps=NoConfigMaps(), template_required=False)
    return admit(json.dumps(with_lease_template(DOCUMENT, admitted)), config_maps=NoConfigMaps())


def lease_of(experiment, *, assignments=(("learning rate", "0.5"), ("kind", "a"), ("of a", "2"))):
    """Return the Lease that the operator makes of a trial."""
    template = experiment.spec.trial_template.trial_spec
    made = render(experiment, "search-0", assignments, template=template)
    made["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    return made


def patched(lease, patch):
    """Return a Lease as an API server has it after a merge patch."""
    metadata = lease["metadata"]
    annotations = {**(metadata.get("annotations") or {}), **patch["metadata"]["annotations"]}
    return {
        **lease,
        "metadata": {
            **metadata,
            "annotations": annotations,
            "resourceVersion": str(int(metadata["resourceVersion"]) + 1),
        },
        "spec": {**lease["spec"], **patch["spec"]},
    }


def judged(experiment, lease):
    template = experiment.spec.trial_template
    return outcome(lease, template.success_condition, template.failure_condition)


def test_an_experiment_without_a_template_passes_every_check_with_the_one_of_leases(experiment):
    assert is_run_by_callers(experiment)
    assert experiment.metadata.annotations["mine"] == "kept"
    assert without_lease_template(experiment).spec.trial_template is None
    assert "trialTemplate" not in DOCUMENT["spec"]


def test_a_lease_shows_the_values_of_its_trial_as_texts(experiment):
    annotations = lease_of(experiment)["metadata"]["annotations"]
    assert sorted(annotations.values()) == ["0.5", "2", "a"]
    inactive = lease_of(experiment, assignments=(("learning rate", "0.5"), ("kind", "b")))["metadata"]["annotations"]
    assert sorted(inactive.values()) == ["0.5", "b"]


def test_what_is_written_is_what_is_read(experiment):
    made = lease_of(experiment)
    free = TrialLease.of(made)
    assert (free.holder, free.taken, free.is_open, free.is_held(NOW)) == ("", 0, True, False)
    taken = free.taken_by("a", 0.5, NOW).with_report("r-1", 3)
    again = TrialLease.of(patched(made, taken.patch()))
    assert again == replace(taken, version="2")
    assert again.is_held(NOW + timedelta(seconds=0.4))
    assert not again.is_held(NOW + timedelta(seconds=0.6))


def test_in_other_hands_it_begins_anew_and_in_the_same_it_goes_on():
    held = TrialLease("search-0", "u", "1").taken_by("a", 60, NOW).with_report("r-1", 2)
    later = NOW + timedelta(seconds=10)
    assert held.taken_by("a", 30, later) == replace(held, seconds=30, renewed=later)
    other = held.taken_by("b", 60, later)
    assert (other.holder, other.taken, other.reports) == ("b", 2, ())
    assert other.next_sequence == held.next_sequence, "numbers of the store are given once"


@pytest.mark.parametrize(
    ("how", "kind", "reason"),
    [("completed", "succeeded", ""), ("broken", "failed", "Broken"), ("infeasible", "failed", "Infeasible")],
)
def test_how_a_trial_ended_is_read_by_the_conditions_of_its_experiment(experiment, how, kind, reason):
    made = lease_of(experiment)
    assert judged(experiment, made).kind == "running"
    held = patched(made, TrialLease.of(made).taken_by("a", 60, NOW).patch())
    assert judged(experiment, held).kind == "running"
    message = 'out of "memory"\n{and} \\ more'
    ended = patched(held, TrialLease.of(held).end_patch(how, reason, message))
    found = judged(experiment, ended)
    assert (found.kind, found.reason) == (kind, reason)
    assert found.message == ("" if how == "completed" else message)
    assert (TrialLease.of(ended).outcome, TrialLease.of(ended).is_open) == (how, False)


@pytest.mark.parametrize(
    "nonsense", ["", "{", "[]", "null", '"x"', '{"next": "x", "ids": 5}', '{"next": null}', "[" * 100_000]
)
def test_what_somebody_else_wrote_on_it_counts_as_not_said(experiment, nonsense):
    made = lease_of(experiment)
    written = {"katib.kubeflow.org/reports": nonsense, "katib.kubeflow.org/lease-seconds": nonsense}
    made["metadata"]["annotations"] |= written
    assert TrialLease.of(made) == TrialLease.of(lease_of(experiment))


def test_a_heartbeat_is_no_news_to_the_operator_and_an_end_is(experiment):
    made = lease_of(experiment)
    held = patched(made, TrialLease.of(made).taken_by("a", 60, NOW).patch())
    beaten = patched(held, TrialLease.of(held).renewed_at(NOW + timedelta(seconds=1)).patch())
    assert _says(held) == _says(beaten)
    ended = patched(beaten, TrialLease.of(beaten).end_patch("completed"))
    assert _says(beaten) != _says(ended)
    # A kind that has a status says in it how it is.
    job = {"metadata": {"annotations": {"a": "1"}}, "status": {"active": 1}}
    assert _says(job) == _says({**job, "metadata": {"annotations": {"a": "2"}}})
