"""An experiment with a template, and rendering it."""

import pytest
import yaml

from katib.api.defaults import with_defaults
from katib.api.document import load
from katib.api.parse import parse_experiment
from katib.template.render import render
from katib.template.source import load_template


class NoConfigMaps:
    """A cluster without any."""

    def read(self, namespace, name, key):
        raise AssertionError((namespace, name, key))


@pytest.fixture
def made():
    """Make a defaulted experiment whose template is the given YAML text, quotes and all."""

    def make(template, *, references=None, parameters=("x", "y"), conditions=None, metadata=None, **stated):
        listed = [
            {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}}
            | ({"condition": conditions[name]} if conditions and name in conditions else {})
            for name in parameters
        ]
        if references is None:
            references = {name: name for name in parameters}
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": metadata or {"name": "tune", "namespace": "team"},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "algorithm": {"algorithmName": "random"},
                "parameters": listed,
                "trialTemplate": {
                    "primaryContainerName": "main",
                    "successCondition": "status.ok",
                    "failureCondition": "status.bad",
                    "trialParameters": [{"name": name, "reference": ref} for name, ref in references.items()],
                    **stated,
                },
            },
        }
        text = (
            yaml.safe_dump(document)
            + "\n    trialSpec:\n"
            + "".join(f"      {line}\n" for line in template.strip("\n").splitlines())
        )
        # The text is put below trialTemplate, which therefore has to come last.
        experiment = with_defaults(parse_experiment(load(text)[0].content))
        experiment.spec.trial_template.trial_spec = load_template(
            experiment.spec.trial_template, config_maps=NoConfigMaps()
        )
        return experiment

    return make


@pytest.fixture
def rendered(made):
    """Render a template for a trial with these values."""

    def run(template, /, values, **more):
        experiment = made(template, **more)
        return render(experiment, "tune-1", list(values.items()), template=experiment.spec.trial_template.trial_spec)

    return run
