"""Trials that are worse than the others are stopped while they run, and keep what they measured."""

import contextlib
import os
import textwrap
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "features" / "early-stopping.yaml"
SOON = textwrap.indent(
    textwrap.dedent("""\
    earlyStopping:
      algorithmName: medianstop
      algorithmSettings: [{name: min_trials_required, value: "1"}, {name: start_step, value: "2"}]
    initialTrials:
      - parameterAssignments: [{name: x, value: "0.125"}]
    """),
    "  ",
)
"""A trial with x = 0.125 comes first; whatever reports twice and is never better than that is stopped."""
WASTE = """
x = float(sys.argv[1])
print(f"loss={x}", flush=True)
if x > 0.125:
    print(f"loss={x}", flush=True)
    time.sleep(600)
"""


def by_state(katib, name="exp"):
    found = {}
    for trial in katib.get("trials", name)["items"]:
        found.setdefault(katib.condition(trial)["type"], []).append(trial)
    return found


def value(trial):
    return float(trial["spec"]["parameterAssignments"][0]["value"])


def test_example_stops_some_trials_and_not_the_best(katib):
    katib("run", EXAMPLE)
    experiment = katib.get("get", "experiment", "early-stopping")
    status = experiment["status"]
    trials = by_state(katib, "early-stopping")
    stopped, succeeded = trials.pop("EarlyStopped"), trials.pop("Succeeded")
    assert trials == {}
    assert len(stopped) >= 3
    assert katib.condition(experiment)["reason"] == "ExperimentMaxTrialsReached"
    assert (status["trialsEarlyStopped"], status["trialsSucceeded"]) == (len(stopped), len(succeeded))
    assert len(stopped) + len(succeeded) == status["trials"] == 15
    assert set(status["earlyStoppedTrialList"]) == {trial["metadata"]["name"] for trial in stopped}
    # The best rate is 0.01; no trial nearer to it was stopped than any that was not best.
    distances = {trial["metadata"]["name"]: abs(value(trial) / 0.01 - 1) for trial in succeeded}
    best = status["currentOptimalTrial"]["bestTrialName"]
    assert best in distances
    rows = katib("export", "early-stopping", "--series").stdout.splitlines()
    reports = {trial["metadata"]["name"]: sum(trial["metadata"]["name"] in row for row in rows) for trial in stopped}
    assert all(4 <= count < 30 for count in reports.values())
    for trial in stopped:
        condition = katib.condition(trial)
        assert condition["reason"] == "TrialEarlyStopped"
        assert condition["message"].startswith("Trial is early stopped: the best loss of its first ")
        assert trial["status"]["observation"]["metrics"][0]["name"] == "loss"
        told = katib("describe", trial["metadata"]["name"]).stdout
        assert "TrialEarlyStopped" in told
        assert "greater than" in told
    with_rules = [
        trial["spec"]["earlyStoppingRules"] for trial in succeeded + stopped if "earlyStoppingRules" in trial["spec"]
    ]
    assert with_rules
    for (rule,) in with_rules:
        assert (rule["name"], rule["comparison"], rule["startStep"]) == ("loss", "greater", 4)
        float(rule["value"])
    assert "medianstop (min_trials_required=3, start_step=4)" in katib("describe", "early-stopping").stdout


@pytest.mark.parametrize(
    ("collector", "script"),
    [
        ("{collector: {kind: StdOut}}", WASTE),
        (
            "{collector: {kind: File}, source: {fileSystemPath: {path: /logs/metrics.txt, kind: File}}}",
            WASTE.replace("print(f", "print(file=open(os.environ['METRICS'], 'a'), *[f").replace(", flush=True)", "])"),
        ),
        ("{collector: {kind: Push}}", "import katib\n" + WASTE.replace('print(f"loss={x}", flush=True)', "katib.report_metrics({'loss': x})")),
    ],
    ids=["StdOut", "File", "Push"],
)  # fmt: skip
def test_every_collector_that_reads_a_running_trial_lets_it_be_stopped(katib, collector, script):
    command = '[sh, -c, "METRICS=/logs/metrics.txt python trial.py ${trialParameters.x}"]'
    katib(
        "run",
        katib.write(
            script=script, trials=4, parallel=2, command=command, extra=SOON + f"  metricsCollectorSpec: {collector}"
        ),
    )
    trials = by_state(katib)
    assert {
        state: all((value(trial) > 0.125) is (state == "EarlyStopped") for trial in found)
        for state, found in trials.items()
    } == {
        "Succeeded": True,
        "EarlyStopped": True,
    }


def test_its_child_processes_end_with_a_trial(katib):
    script = f"""
import subprocess
if float(sys.argv[1]) > 0.125:
    child = subprocess.Popen(["sleep", "600"])
    open("children", "a").write(f"{{child.pid}}\\n")
{WASTE}"""
    katib("run", katib.write(script=script, trials=4, parallel=3, extra=SOON))
    children = [int(line) for line in (katib.folder / "children").read_text().split()]
    assert len(children) == len(by_state(katib)["EarlyStopped"])
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 0)
            assert Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"


def test_algorithm_goes_on_from_trials_that_were_stopped_early(katib):
    path = katib.write(script=WASTE, trials=6, parallel=2, extra=SOON)
    path.write_text(path.read_text().replace("algorithmName: random", "algorithmName: tpe"))
    katib("run", path)
    assert katib.get("get", "experiment", "exp")["status"]["trials"] == 6


PLUGIN = """
import time
from katib.algorithm.early_stopper import EarlyStopper

class Odd(EarlyStopper, name="odd"):
    '''Does something odd.'''

    def rules(self, history, curves):
        {rules}

    def verdict(self, history, curves, trial_name):
        open("asked", "a").close()
        {verdict}
"""
PATIENT = """
print("loss=" + sys.argv[1], flush=True)
for _ in range(600):
    if os.path.exists("asked"):
        break
    time.sleep(0.1)
time.sleep(0.5)
"""
"""A trial that runs until the stopper was asked about it, and a little longer."""


@pytest.fixture
def odd(katib, tmp_path):
    """Install an early stopper that does something odd, as a package would be."""

    def install(rules="return []", verdict="return None"):
        folder = tmp_path / "site"
        information = folder / "odd_stop-1.0.dist-info"
        information.mkdir(parents=True)
        (folder / "odd_stop.py").write_text(PLUGIN.format(rules=rules, verdict=verdict))
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-stop\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text("[katib.early_stoppers]\nodd = odd_stop:Odd\n")
        katib.environment["PYTHONPATH"] = str(folder)
        return folder

    return install


@pytest.mark.parametrize(
    ("oddity", "said"),
    [
        ({"verdict": "raise OSError('out of luck')"}, "OSError: out of luck"),
        ({"rules": "raise KeyError('none')"}, "KeyError: 'none'"),
        ({"rules": "return None"}, "TypeError"),
        ({"rules": "return ['less']"}, "TypeError: its rules are no EarlyStoppingRules"),
    ],
)
def test_stopper_that_breaks_costs_a_warning_and_no_trial(katib, odd, oddity, said):
    odd(**oddity)
    katib("run", katib.write(script=PATIENT, trials=3, extra="  earlyStopping: {algorithmName: odd}"))
    assert {state: len(found) for state, found in by_state(katib).items()} == {"Succeeded": 3}
    told = katib("describe", "exp").stdout
    assert "EarlyStopperFailed" in told
    assert f"early stopper 'odd' failed, and stopped nothing: {said}" in told


def test_stopper_that_never_answers_costs_nothing_but_its_verdicts(katib, odd):
    odd(verdict="time.sleep(600)")
    katib("run", katib.write(trials=3, extra="  earlyStopping: {algorithmName: odd}"))
    assert {state: len(found) for state, found in by_state(katib).items()} == {"Succeeded": 3}


def test_stopper_that_is_gone_is_a_sentence_and_nothing_is_lost(katib, odd):
    folder = odd()
    katib("run", katib.write(trials=2, extra="  resumePolicy: LongRunning\n  earlyStopping: {algorithmName: odd}"))
    module = folder / "odd_stop.py"
    text = module.read_text()
    module.unlink()
    done = katib("resume", "exp", "--max-trials", "3", code=2)
    assert "early stopper 'odd' of odd_stop:Odd cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
    module.write_text(text)
    katib("resume", "exp", "--max-trials", "3")
    assert {state: len(found) for state, found in by_state(katib).items()} == {"Succeeded": 3}


def test_other_stopper_as_a_setting(katib):
    stopping = "  earlyStopping: {algorithmName: asha, algorithmSettings: [{name: eta, value: '2'}]}"
    script = "x = float(sys.argv[1])\nfor step in range(20):\n    print(f'loss={x}', flush=True)\n    time.sleep(0.1)"
    katib("run", katib.write(script=script, trials=8, parallel=4, extra=stopping))
    trials = by_state(katib)
    assert set(trials) == {"Succeeded", "EarlyStopped"}
    assert min(map(value, trials["Succeeded"])) < min(map(value, trials["EarlyStopped"]))
    assert "(asha)" in katib.condition(trials["EarlyStopped"][0])["message"]
