"""What has experiments is asked for one by name, and for no more than is drawn."""

from types import SimpleNamespace

import pytest

import katib.viz
from katib.api.trial import TrialState
from katib.client.models import katib_model
from katib.engine.trial_document import trial_resource
from katib.errors import InvalidInput


class Place:
    """Experiments in one place, as the plots use them."""

    def __init__(self, experiment, trials, reports):
        self.experiment, self.found, self.reports = experiment, trials, reports
        self.asked = []

    def get(self, namespace, name):
        self.asked.append((namespace, name))
        return self.experiment

    def trials(self, *_):
        return self.found

    def observations(self, *_, metric=None, **__):
        return self.reports(metric, [2.0, 1.0])


@pytest.fixture
def place(searched, reported):
    return Place(searched.experiment(), searched.trials(4), reported)


def test_a_place_is_asked_in_the_namespace_that_was_said(place):
    figure = katib.viz.learning_curves(place, "digits", namespace="team")
    assert len(figure.data) == 4
    assert place.asked == [("team", "digits")]


def test_a_client_knows_its_namespace(place):
    katib.viz.history(SimpleNamespace(experiments=place, namespace="mine"), "digits")
    katib.viz.history(place, "digits")
    assert place.asked == [("mine", "digits"), ("default", "digits")]


def test_the_experiment_has_to_be_named(place):
    with pytest.raises(InvalidInput, match="name the experiment"):
        katib.viz.history(place)


@pytest.mark.parametrize("as_client_returns_them", [False, True])
def test_resources_are_drawn_as_records_are(searched, as_client_returns_them):
    experiment, trials = searched.experiment(), [*searched.trials(5), searched.trial(5, state=TrialState.FAILED)]
    resources = [trial_resource(trial, experiment) for trial in reversed(trials)]
    shown = experiment
    if as_client_returns_them:
        shown, resources = katib_model(experiment), [katib_model(one) for one in resources]
    assert katib.viz.results_of((shown, resources)).trials == katib.viz.results_of((experiment, trials)).trials
    for plot in (katib.viz.history, katib.viz.importance, katib.viz.timeline):
        assert plot((shown, resources)).to_json() == plot((experiment, trials)).to_json()


def test_results_are_read_once_for_many_plots(place):
    results = katib.viz.results_of(place, "digits")
    for plot in (katib.viz.history, katib.viz.slices, katib.viz.timeline):
        plot(results)
    assert len(place.asked) == 1
