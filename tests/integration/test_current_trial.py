"""A trial that knows what it is, in a real run: its values, its place, and that it is to end."""

import json
import textwrap

SOON = textwrap.indent(
    textwrap.dedent("""\
    metricsCollectorSpec: {collector: {kind: Push}}
    earlyStopping:
      algorithmName: medianstop
      algorithmSettings: [{name: min_trials_required, value: "1"}, {name: start_step, value: "2"}]
    initialTrials:
      - parameterAssignments: [{name: x, value: "0.125"}]
    """),
    "  ",
)
"""A trial with x = 0.125 comes first; whatever reports twice and is never better than that is stopped."""

SCRIPT = """
import json
import katib

trial = katib.current_trial()
x = trial.parameters["x"]
trial.report(loss=x, step=0)
trial.report(loss=x, step=1)
stopped = False
if x > 0.125:
    for _ in range(60_000):
        if stopped := trial.should_stop():
            break
        time.sleep(0.01)
told = {"name": trial.name, "experiment": trial.experiment, "index": trial.index, "x": x, "stopped": stopped}
with open(f"{trial.name}.json", "w") as file:
    json.dump({**told, "argument": sys.argv[1], "namespace": trial.namespace}, file)
"""


def test_trial_knows_itself_and_ends_in_good_order(katib):
    katib("run", katib.write(script=SCRIPT, trials=4, parallel=2, extra=SOON))
    trials = katib.get("trials", "exp")["items"]
    said = {path.stem: json.loads(path.read_text()) for path in katib.folder.glob("exp-*.json")}
    assert {trial["metadata"]["name"] for trial in trials} == said.keys()
    assert sorted(each["index"] for each in said.values()) == [0, 1, 2, 3]
    for trial in trials:
        told = said[trial["metadata"]["name"]]
        assert (told["name"], told["experiment"], told["namespace"]) == (trial["metadata"]["name"], "exp", "default")
        assert told["x"] == float(told["argument"]) == float(trial["spec"]["parameterAssignments"][0]["value"])
        assert told["stopped"] == (told["x"] > 0.125) == (katib.condition(trial)["type"] == "EarlyStopped")
    assert any(told["stopped"] for told in said.values())
