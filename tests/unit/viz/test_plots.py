"""Every plot of every kind of experiment: a figure or a sentence, never a traceback, and never more than a page can hold."""

import json
import sys

import optuna
import plotly.graph_objects as go
import pytest

import katib.viz
from katib.api.trial import TrialState
from katib.errors import InvalidInput, NotFound, Unsupported

PLOTS = {
    plot.__name__: plot
    for plot in (
        katib.viz.history,
        katib.viz.parallel_coordinates,
        katib.viz.slices,
        katib.viz.contour,
        katib.viz.importance,
        katib.viz.learning_curves,
        katib.viz.pareto,
        katib.viz.timeline,
    )
}
SIZE = 2_000_000
NASTY = "<a href='javascript:alert(1)'>%{secret}</a>"


@pytest.fixture(params=PLOTS.values(), ids=PLOTS)
def plot(request):
    return request.param


def drawn(figure):
    """A figure as a page gets it, checked."""
    assert isinstance(figure, go.Figure)
    text = figure.to_json()
    assert len(text) < SIZE
    document = json.loads(text)
    if not document["data"]:
        [said] = document["layout"]["annotations"]
        assert said["text"].endswith(".")
    return document


def test_nothing_has_happened_yet(plot, searched):
    assert drawn(plot((searched.experiment(), [])))["data"] == []


def test_no_trial_has_a_value(plot, searched):
    states = [
        TrialState.FAILED,
        TrialState.RUNNING,
        TrialState.CREATED,
        TrialState.KILLED,
        TrialState.METRICS_UNAVAILABLE,
    ]
    trials = [searched.trial(index, state=state) for index, state in enumerate(states)]
    document = drawn(plot((searched.experiment(), trials)))
    assert bool(document["data"]) == (plot is katib.viz.timeline)


@pytest.mark.parametrize("count", [1, 2, 3, 25])
def test_few_trials(plot, searched, reported, count):
    trials = searched.trials(count)
    series = {trial.name: reported("loss", [3.0, 2.0, 1.0]) for trial in trials}
    drawn(plot((searched.experiment(), trials, series)))


def test_values_that_are_no_numbers(plot, searched, reported):
    values = ["nan", "inf", "-inf", "a word", "1e308", "-1e308", "0", "0"]
    trials = [searched.trial(index, values={"loss": value}) for index, value in enumerate(values)]
    series = {trial.name: reported("loss", [float("nan"), float("inf"), 2.0]) for trial in trials}
    document = drawn(plot((searched.experiment(), trials, series)))
    assert "NaN" not in json.dumps(document["data"])


def test_parameters_that_never_change(plot, searched):
    given = {"lr": "0.1", "depth": "3", "batch": "32", "kind": "sgd"}
    trials = [searched.trial(index, parameters=given, values={"loss": index}) for index in range(6)]
    drawn(plot((searched.experiment(), trials)))


def test_one_parameter_of_one_value(plot, searched):
    space = [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "2", "max": "2"}}]
    trials = [searched.trial(index, parameters={"x": "2.0"}, values={"loss": index}) for index in range(3)]
    drawn(plot((searched.experiment(parameters=space), trials)))


def test_no_parameters_at_all(plot, searched):
    trials = [searched.trial(index, parameters={"architecture": "[[3]]"}, values={"loss": index}) for index in range(3)]
    drawn(plot((searched.experiment(parameters=[]), trials)))


def test_parameters_that_depend_on_others(plot, searched):
    trials = [
        searched.trial(index, parameters={"kind": "sgd", "lr": f"0.{index + 1}"} if index % 2 else {"kind": "adam"})
        for index in range(8)
    ]
    drawn(plot((searched.experiment(), trials)))


def test_values_from_outside_of_the_space(plot, searched):
    given = [
        ("-5", "77", "48", "rmsprop"),
        ("0.1", "3", "32", "sgd"),
        ("many", "x", "", "<b>"),
        ("0.2", "5", "16", "adam"),
    ]
    trials = [
        searched.trial(
            index, parameters=dict(zip(("lr", "depth", "batch", "kind"), values, strict=True)), values={"loss": index}
        )
        for index, values in enumerate(given)
    ]
    drawn(plot((searched.experiment(), trials)))


def test_texts_are_shown_as_they_are(plot, searched, reported):
    space = [
        {"name": NASTY, "parameterType": "categorical", "feasibleSpace": {"list": [NASTY, "b"]}},
        {"name": "<b>x</b>", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
    ]
    experiment = searched.experiment(parameters=space, name=NASTY, objectiveMetricName=NASTY)
    trials = [
        searched.trial(
            index, parameters={NASTY: (NASTY, "b")[index % 2], "<b>x</b>": f"0.{index}"}, values={NASTY: index}
        )
        for index in range(9)
    ]
    text = json.dumps(drawn(plot((experiment, trials, {one.name: reported(NASTY, [1.0]) for one in trials}))))
    assert "<a" not in text
    assert "<b>x" not in text
    assert "%{secret}" not in text


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_several_objectives(plot, searched, objectives):
    experiment, trials = searched.experiment(objectives=objectives), searched.trials(30)
    document = drawn(plot((experiment, trials)))
    if plot is katib.viz.pareto:
        front = next(trace for trace in document["data"] if trace["name"] == "On the front")
        assert front["type"] == ("scatter" if objectives == 2 else "scatter3d")
        assert ("not shown: score3" in document["layout"]["title"]["text"]) == (objectives == 4)


def test_ten_thousand_trials_fit_on_a_page(plot, searched, reported, very_many):
    trials = very_many
    asked = []

    def series(trial, metric):
        asked.append(trial)
        return reported(metric, range(2_000))

    drawn(plot((searched.experiment(objectives=2), trials, series)))
    assert len(asked) <= 100


def test_history_shows_the_best_so_far_and_says_what_is_missing(searched):
    losses = [5, 7, 3, "nan", 4, 1, 2]
    trials = [searched.trial(index, values={"loss": loss}) for index, loss in enumerate(losses)]
    trials.append(searched.trial(7, state=TrialState.FAILED))
    figure = katib.viz.history((searched.experiment(goal=0.5), trials))
    points, best = figure.data
    assert list(points.y) == [5, 7, 3, 4, 1, 2]
    assert (list(best.x), list(best.y)) == ([0, 2, 5, 6], [5, 3, 1, 1])
    assert "ended without a value and not shown: 2" in figure.layout.title.text
    assert figure.layout.shapes[0].y0 == 0.5


def test_history_of_what_is_to_grow_and_of_another_metric(searched):
    trials = [searched.trial(index, values={"loss": value, "speed": -value}) for index, value in enumerate([1, 3, 2])]
    figure = katib.viz.history((searched.experiment(type="maximize"), trials))
    assert list(figure.data[-1].y) == [1, 3, 3]
    figure = katib.viz.history((searched.experiment(), trials), metric="speed")
    assert list(figure.data[0].y) == [-1, -3, -2]


def test_infeasible_trials_are_never_best(searched):
    experiment = searched.experiment(bounds=[{"metricName": "speed", "max": 10}])
    trials = [searched.trial(index, values={"loss": 5 - index, "speed": 8 + index}) for index in range(5)]
    figure = katib.viz.history((experiment, trials))
    assert [trace.name for trace in figure.data] == ["Succeeded", "Infeasible", "Best so far"]
    assert list(figure.data[-1].y) == [5, 4, 3, 3]


def test_parallel_coordinates_have_words_and_powers_of_ten(searched):
    trials = [
        searched.trial(i, parameters={"lr": lr, "kind": kind})
        for i, (lr, kind) in enumerate([("0.001", "sgd"), ("0.1", "adam")])
    ]
    figure = katib.viz.parallel_coordinates((searched.experiment(), trials), parameters=["lr", "kind"])
    loss, lr, kind = figure.data[0].dimensions
    assert (loss.label, lr.label, kind.label) == ("loss", "lr", "kind")
    assert list(lr.values) == pytest.approx([-3, -1])
    assert (list(lr.tickvals), list(lr.ticktext)) == ([-3, -2, -1], ["0.001", "0.01", "0.1"])
    assert (list(kind.values), list(kind.ticktext)) == ([0, 1], ["sgd", "adam"])


def test_contour_is_the_surface_between_trials(searched):
    space = [
        {"name": name, "parameterType": "double", "feasibleSpace": {"min": "-1", "max": "1"}}
        for name in ("x", "y", "z")
    ]
    trials = [
        searched.trial(place, parameters={"x": str(x / 4), "y": str(y / 4), "z": "0.5"}, values={"loss": x / 4 + y / 2})
        for place, (x, y) in enumerate((x, y) for x in range(-4, 5) for y in range(-4, 5))
    ]
    figure = katib.viz.contour((searched.experiment(parameters=space), trials))
    surface, points = figure.data
    assert {figure.layout.xaxis.title.text, figure.layout.yaxis.title.text} == {"x", "y"}  # z never changes
    for row, y in zip(surface.z, surface.y, strict=True):
        assert list(row) == pytest.approx(
            [x + 2 * y if figure.layout.xaxis.title.text == "x" else 2 * x + y for x in surface.x]
        )
    assert len(points.x) == 81


def test_contours_of_three_parameters_are_three_planes(searched):
    figure = katib.viz.contour((searched.experiment(), searched.trials(30)), parameters=["lr", "depth", "kind"])
    assert [trace.type for trace in figure.data] == ["contour", "scatter"] * 3
    assert figure.layout.xaxis.type == "log"


def test_importance_finds_the_parameter_that_matters(searched):
    trials = searched.trials(60)
    figure = katib.viz.importance((searched.experiment(), trials))
    [bars] = figure.data
    assert bars.y[-1] == "lr"
    assert sum(bars.x) == pytest.approx(1)
    assert katib.viz.importance((searched.experiment(), trials)).to_json() == figure.to_json()


def test_learning_curves_go_by_step_and_the_best_one_lies_above(searched, reported):
    trials = [searched.trial(index, values={"loss": loss}) for index, loss in enumerate([2, 1, 3])]
    series = {
        trials[0].name: reported("loss", [5, 4, 2], steps=[10, 20, 30]),
        trials[1].name: reported("loss", [3, float("nan"), 1]),
        trials[2].name: [*reported("speed", [9]), *reported("loss", [1.5, 3], steps=[2, 1])],
    }
    figure = katib.viz.learning_curves((searched.experiment(), trials, series))
    first, third, best = figure.data
    assert (list(first.x), list(first.y)) == ([10, 20, 30], [5, 4, 2])
    assert (list(third.x), list(third.y)) == ([1, 2], [3, 1.5])
    assert (list(best.x), list(best.y)) == ([0, 1, 2], [3, None, 1])
    assert best.name.endswith("(best)")


def test_learning_curves_of_some_trials(searched, reported):
    trials = searched.trials(300)
    source = (searched.experiment(), trials, lambda _trial, metric: reported(metric, [2, 1]))
    assert len(katib.viz.learning_curves(source, trials=[trials[7].name]).data) == 1
    many = katib.viz.learning_curves(source)
    assert len(many.data) == 100
    assert "100 of 300" in many.layout.title.text
    with pytest.raises(NotFound, match="no trial 'nobody'"):
        katib.viz.learning_curves(source, trials=["nobody"])
    with pytest.raises(InvalidInput, match="at most 100"):
        katib.viz.learning_curves(source, trials=[trial.name for trial in trials])


def test_pareto_marks_what_no_other_trial_beats(searched):
    points = [(1, 1), (2, 2), (3, 2), (4, 9), (5, 5), (0, 0)]
    trials = [
        searched.trial(index, values={"loss": loss, "score1": score}) for index, (loss, score) in enumerate(points)
    ]
    figure = katib.viz.pareto((searched.experiment(objectives=2), trials))
    traces = {trace.name: set(zip(trace.x, trace.y, strict=True)) for trace in figure.data}
    assert traces == {"On the front": {(1, 1), (2, 2), (4, 9), (0, 0)}, "Beaten": {(3, 2), (5, 5)}}
    assert figure.layout.xaxis.title.text == "loss (less is better)"
    assert figure.layout.yaxis.title.text == "score1 (more is better)"


def test_pareto_of_metrics_that_are_named(searched):
    source = searched.experiment(), searched.trials(9)
    assert len(katib.viz.pareto(source, metrics=["loss", "speed"]).data) >= 1
    with pytest.raises(InvalidInput, match="2 or 3 metrics"):
        katib.viz.pareto(source, metrics=["loss"])


def test_timeline_has_a_line_for_each_trial_that_started(searched):
    trials = [
        searched.trial(0),
        searched.trial(1, state=TrialState.FAILED),
        searched.trial(2, state=TrialState.RUNNING),
        searched.trial(3, state=TrialState.CREATED),
    ]
    figure = katib.viz.timeline((searched.experiment(), trials))
    assert [trace.name for trace in figure.data] == ["Succeeded", "Failed", "Running"]
    assert list(figure.data[1].x) == ["2026-01-02T03:04:06.000", "2026-01-02T03:04:09.000", None]
    assert "did not start: 1" in figure.layout.title.text


def test_a_metric_that_there_is_not(plot, searched):
    source = searched.experiment(), searched.trials(3)
    if plot in {katib.viz.timeline, katib.viz.pareto}:
        return
    with pytest.raises(InvalidInput, match="no metric 'los'; its metrics are: loss, speed"):
        plot(source, metric="los")


@pytest.mark.parametrize("name", ["parallel_coordinates", "slices", "contour"])
def test_a_parameter_that_there_is_not(searched, name):
    with pytest.raises(InvalidInput, match="no parameter 'lrr'; it has: lr, depth, batch, kind"):
        PLOTS[name]((searched.experiment(), searched.trials(3)), parameters=["lrr", "lr"])


def test_a_contour_of_one_parameter_is_none(searched):
    with pytest.raises(InvalidInput, match="2 to 5"):
        katib.viz.contour((searched.experiment(), searched.trials(3)), parameters=["lr"])


def test_what_is_no_source_is_said(plot):
    with pytest.raises(InvalidInput, match="int has no trials to draw"):
        plot(3)


def test_without_plotly_the_extra_is_named(plot, searched, monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(Unsupported, match=r"katib\[viz\]"):
        plot((searched.experiment(), searched.trials(3)))


def test_an_optuna_study_is_drawn_too(plot):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="theirs", direction="maximize")

    def objective(trial):
        x, kind = trial.suggest_float("x", 1e-3, 1, log=True), trial.suggest_categorical("kind", [None, True, "a"])
        if trial.number == 3:
            raise optuna.TrialPruned
        for step in range(3):
            trial.report(x * step, step)
        return x + (kind is None)

    study.optimize(objective, n_trials=12)
    figure = plot(study)
    document = drawn(figure)
    assert "theirs" in document["layout"]["title"]["text"]
    if plot is katib.viz.history:
        assert list(figure.data[0].y) == [trial.value for trial in study.trials if trial.value is not None]
