"""Whether trials can be collected from is known before the first of them is made."""

from pathlib import Path

import pytest

from katib.admission import admit
from katib.template.collection_check import collection_problems
from katib.template.source import LocalConfigMaps

TEMPLATES = Path(__file__).parents[3] / "trial_templates"


def experiment(kind, change=("", "")):
    text = (TEMPLATES / kind / "experiment.yaml").read_text()
    assert change[0] in text
    return admit(text.replace(*change) if change[0] else text, config_maps=LocalConfigMaps(Path("nowhere")))


@pytest.mark.parametrize("kind", sorted(path.parent.name for path in TEMPLATES.glob("*/experiment.yaml")))
def test_every_example_can_be_collected_from_where_there_is_a_webhook(kind):
    assert collection_problems(experiment(kind), webhook=True) == []


def test_pods_that_a_controller_makes_need_it():
    stdout = experiment("trainjob")
    spec = stdout.spec.metrics_collector_spec
    spec.collector.kind = "StdOut"
    [problem] = collection_problems(stdout, webhook=False)
    assert "webhook" in problem.message


def test_what_an_image_runs_by_itself_is_not_wrapped():
    [problem] = collection_problems(experiment("job", ("command:", "args:")), webhook=True)
    assert problem.path.endswith("containers[0].command")
