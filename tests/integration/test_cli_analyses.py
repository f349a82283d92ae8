"""``katib compare`` and ``katib importance``, on experiments that katib drives and on others."""

import json
import math
import random

import pytest

from katib.api.trial import TrialState
from katib.cli.main import main
from katib.store import open_store
from katib.store.tracking.records import Log
from katib.testing.store_promises.specimens import Report, an_experiment, trial
from katib.testing.store_promises.tracking_base import a_run

LOG_SCALE = [
    {
        "name": "lr",
        "parameterType": "double",
        "feasibleSpace": {"min": "0.001", "max": "1", "distribution": "logUniform"},
    },
    {"name": "units", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "64"}},
]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def katib(url, capsys):
    def call(*arguments, code=0):
        capsys.readouterr()
        assert main(["-n", "team-a", *arguments, "--url", url]) == code
        told = capsys.readouterr()
        return told.out if code == 0 else told.err

    return call


@pytest.fixture
def driven(url):
    """An experiment of katib's whose loss follows the logarithm of the learning rate; its name, and the best trial."""
    chance = random.Random("driven")
    rates = [10 ** chance.uniform(-3, 0) for _ in range(30)]
    with open_store(url) as store:
        experiment = an_experiment("digits", namespace="team-a", parameters=LOG_SCALE)
        uid = store.create_experiment(experiment).metadata.uid
        records = [
            trial(
                index,
                TrialState.SUCCEEDED,
                name=f"digits-{index:04d}",
                assignments=(("lr", repr(rate)), ("units", str(chance.randint(1, 64)))),
            )
            for index, rate in enumerate(rates)
        ]
        store.record_trials(uid, records)
        tracking = store.tracking("team-a")
        for record, rate in zip(records, rates, strict=True):
            run = tracking.run_named(uid, record.name)
            tracking.log(run.id, Log(samples=[Report("loss", repr(abs(math.log10(rate) + 2)))]))
    best = min(range(30), key=lambda index: abs(math.log10(rates[index]) + 2))
    return f"digits-{best:04d}"


def test_the_best_trials_are_compared(katib, driven):
    table = katib("compare", "digits", "--best", "3").splitlines()
    assert table[0].split()[0] == driven
    assert [line.split()[0] for line in table[1:]] == ["params.lr", "params.units", "metrics.loss"]
    losses = [float(cell) for cell in table[3].split()[1:]]
    assert losses == sorted(losses)
    assert "state" in katib("compare", "digits", "--best", "3", "-o", "wide")
    document = json.loads(katib("compare", "digits", "--best", "3", "-o", "json"))
    assert [run["name"] for run in document["runs"]] == table[0].split()
    assert document["equal"]["state"] == "Succeeded"
    assert [len(values) for values in document["different"].values()] == [3, 3, 3]


def test_runs_are_named_by_name_or_id(katib, url, driven):
    with open_store(url) as store:
        tracking = store.tracking("team-a")
        others = [a_run(tracking, name="it's", log=Log(parameters={"lr": str(number)})) for number in range(2)]
        a_run(tracking, name="alone")
    assert "params.lr" in katib("compare", *others)
    assert "params.units" in katib("compare", f"trial/{driven}", "alone")
    assert katib("compare", driven, "alone", "-o", "name").split() == [driven, "alone"]
    assert "several runs are named" in katib("compare", "it's", "alone", code=4)
    assert "no run named 'nobody'" in katib("compare", "alone", "nobody", code=3)
    assert "two runs or more" in katib("compare", "alone", code=2)
    assert "name that alone" in katib("compare", "alone", driven, "--best", "2", code=2)


def test_what_matters_is_shown(katib, driven):
    lines = katib("importance", "digits").splitlines()
    assert lines[0].split() == ["PARAMETER", "IMPORTANCE"]
    assert [line.split()[0] for line in lines[1:]] == ["lr", "units"]
    document = json.loads(katib("importance", "digits", "-o", "json"))
    assert document["metric"] == "loss"
    assert sum(document["importances"].values()) == pytest.approx(1)
    assert katib("importance", "digits", "-o", "name").split() == ["lr", "units"]
    assert "two finished trials" in katib("importance", "digits", "--metric", "nothing", code=2)
    assert driven


def test_likeness_has_the_scale_of_the_search(url, driven):
    with open_store(url) as store:
        tracking = store.tracking("team-a")
        search = tracking.find_searches().items[0]
        run = tracking.run_named(search.id, driven)
        found = tracking.similar_runs(run.id, limit=29)
        rates = [math.log10(other.parameters[0].number) for other, _ in found] + [math.log10(run.parameters[0].number)]
        units = [other.parameters[1].number for other, _ in found] + [run.parameters[1].number]
        for (_, distance), rate, unit in zip(found, rates, units, strict=False):
            near = abs(rate - rates[-1]) / (max(rates) - min(rates)) + abs(unit - units[-1]) / (max(units) - min(units))
            assert distance == pytest.approx(near / 2)
