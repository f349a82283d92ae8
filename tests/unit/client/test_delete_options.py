"""``delete_options``: what is said in Kubernetes' words, and what of it holds where there is no API server."""

import warnings

import pytest
from kubernetes import client as kubernetes

from katib.api.base import ObjectMeta
from katib.api.experiment import Experiment, ExperimentSpec
from katib.client.delete_options import DeleteOptions
from katib.errors import Conflict, InvalidInput

FOUND = Experiment(metadata=ObjectMeta(name="search", namespace="default", uid="u-1"), spec=ExperimentSpec())
VERSIONED = Experiment(metadata=ObjectMeta(name="search", uid="u-1", resource_version="7"), spec=ExperimentSpec())


def test_nothing_is_nothing():
    assert DeleteOptions(None).document == {}
    assert DeleteOptions(kubernetes.V1DeleteOptions()).document == {}


@pytest.mark.parametrize(
    "given",
    [
        kubernetes.V1DeleteOptions(
            api_version="v1",
            kind="DeleteOptions",
            dry_run=["All"],
            grace_period_seconds=0,
            preconditions=kubernetes.V1Preconditions(uid="u-1", resource_version="7"),
            propagation_policy="Foreground",
        ),
        {
            "dry_run": ["All"],
            "grace_period_seconds": 0,
            "preconditions": {"uid": "u-1", "resource_version": "7"},
            "propagation_policy": "Foreground",
        },
        {
            "apiVersion": "v1",
            "dryRun": "All",
            "gracePeriodSeconds": 0,
            "preconditions": kubernetes.V1Preconditions(uid="u-1", resource_version="7"),
            "propagationPolicy": "Foreground",
            "orphanDependents": None,
        },
    ],
    ids=["object", "python", "document"],
)
def test_they_are_read_in_every_spelling(given):
    options = DeleteOptions(given)
    assert options.document == {
        "dryRun": ["All"],
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u-1", "resourceVersion": "7"},
        "propagationPolicy": "Foreground",
    }
    assert options.is_dry_run


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Foreground", "must be a V1DeleteOptions or a dict"),
        ({"propagation": "Foreground"}, "has no 'propagation'; did you mean 'propagation_policy'"),
        ({"propagation_policy": "Forground"}, "propagation_policy: must be one of .* did you mean 'Foreground'"),
        ({"grace_period_seconds": -1}, "grace_period_seconds: must be a whole number from 0 on"),
        ({"grace_period_seconds": True}, "must be a whole number"),
        ({"dry_run": ["Some"]}, "dry_run: must be"),
        ({"dry_run": True}, "dry_run: must be"),
        ({"preconditions": {"name": "x"}}, "preconditions: has no 'name'"),
        ({"preconditions": {"uid": 1}}, "preconditions: must have a uid"),
        ({"preconditions": "u-1"}, "preconditions: must have a uid"),
        ({"orphan": object()}, "cannot stand"),
    ],
)
def test_what_is_no_option_is_refused(given, said):
    with pytest.raises(InvalidInput, match=said):
        DeleteOptions(given)


def test_what_must_be_true_is_held_to():
    DeleteOptions({"preconditions": {"uid": "u-1"}}).hold(FOUND)
    DeleteOptions({"preconditions": {"uid": "u-1", "resource_version": "7"}}).hold(VERSIONED)
    with pytest.raises(Conflict, match="'search' is not deleted: its uid is u-1, and was to be u-2"):
        DeleteOptions({"preconditions": {"uid": "u-2"}}).hold(FOUND)
    with pytest.raises(Conflict, match="its resourceVersion is 7, and was to be 6"):
        DeleteOptions({"preconditions": {"resource_version": "6"}}).hold(VERSIONED)


@pytest.mark.parametrize("policy", [None, "Foreground", "Background"])
def test_what_is_so_anyway_is_not_warned_of(policy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DeleteOptions({"propagation_policy": policy}).hold(FOUND)


def test_what_means_nothing_is_warned_of_in_one_sentence():
    given = {
        "grace_period_seconds": 5,
        "propagation_policy": "Orphan",
        "preconditions": {"resource_version": "7"},
    }
    with pytest.warns(UserWarning, match="means nothing here in gracePeriodSeconds.*Orphan.*resourceVersion") as told:
        DeleteOptions(given).hold(FOUND)
    assert len(told) == 1
