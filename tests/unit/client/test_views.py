"""What notebooks and terminals show of experiments: all that is known, none of it as markup, and never an error."""

import io
import re
import sys
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter

from katib.api.base import Condition, KeyValue
from katib.api.experiment import Experiment, ExperimentStatus, Metric, Observation, OptimalTrial
from katib.api.trial import TrialState
from katib.client.views import TrialList, experiment_html, progress_view, register, trial_html, trials_html
from katib.client.views.progress import _PicturedView
from katib.engine.trial import TrialRecord
from katib.engine.trial_document import trial_resource

NASTY = "<script>alert('x')</script>\x1b[2J\u202e&"
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def experiment(*, name="digits", state="Running", best=None, strategies=None, most=4):
    spec = {
        "parameters": [
            {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "1", "step": "0.01"}},
            {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["sgd", NASTY]}},
        ],
        "objective": {
            "type": "minimize",
            "goal": 0.1,
            "objectiveMetricName": "loss",
            "metricStrategies": strategies,
        },
        "algorithm": {"algorithmName": "random"},
        "maxTrialCount": most,
        "parallelTrialCount": 2,
    }
    made = Experiment.model_validate({"metadata": {"name": name}, "spec": spec})
    made.status = ExperimentStatus(
        start_time=BEGAN,
        completion_time=BEGAN + timedelta(seconds=90),
        conditions=[Condition(type=state, message=NASTY)],
    )
    if best is not None:
        made.status.current_optimal_trial = OptimalTrial(
            best_trial_name=best.name,
            parameter_assignments=[KeyValue(name=name, value=value) for name, value in best.assignments],
            observation=best.observation,
        )
    return made


def trial(index, state=TrialState.SUCCEEDED, *, loss="0.123456789", kind="sgd", message=""):
    observation = Observation(metrics=[Metric(name="loss", min="0.1", max="9", latest=loss)])
    return TrialRecord(
        index=index,
        name=f"digits-{index}",
        state=state,
        assignments=(("lr", "0.30000000000000004"), ("kind", kind)),
        created=BEGAN,
        started=BEGAN,
        finished=None if state.is_active else BEGAN + timedelta(seconds=5 + index),
        observation=None if state.is_active else observation,
        message=message,
    )


class Page(HTMLParser):
    """What a browser makes of it: elements that are closed, attributes, and the text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], set(), [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def page(html):
    shown = Page(html)
    assert shown.tags <= {
        "div",
        "span",
        "b",
        "u",
        "small",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
    }
    assert {name for name, _ in shown.attributes} <= {"style"}
    assert not re.search(r"https?:|url\(", html)
    assert "\x1b" not in html
    assert "\u202e" not in html
    return shown


def test_an_experiment_says_how_far_it_is_and_what_it_found():
    best = trial(1)
    trials = [trial(0, TrialState.FAILED, message="exit code 3\nmore"), best, trial(2, TrialState.RUNNING)]
    text = " ".join(page(experiment_html(experiment(best=best), trials)).text.split())
    assert "digits Running 2 of 4 trials · 1 failed · 1 succeeded · 1 running · 1m30s" in text
    assert "loss = 0.123457" in text
    assert "(digits-1: lr=0.3, kind=sgd)" in text
    assert "minimize loss (goal 0.1) · algorithm random · 2 at a time" in text
    assert "0.01 … 1, step 0.01" in text
    assert "digits-1 ★" in text
    assert "exit code 3" in text
    assert "more" not in text


def test_an_experiment_without_its_trials_is_told_by_its_status():
    made = experiment(state="Failed")
    made.status.trials_failed, made.status.trials_succeeded = 3, 1
    text = " ".join(page(experiment_html(made)).text.split())
    assert "4 of 4 trials · 1 succeeded · 3 failed" in text
    assert "alert('x')" in text  # why it failed


def test_an_experiment_that_is_only_written_down():
    bare = Experiment.model_validate({"metadata": {"name": "new"}, "spec": {}})
    assert "new Created 0 trials" in " ".join(page(experiment_html(bare, [])).text.split())


@pytest.mark.parametrize("what", ["experiment", "trials", "trial", "resource"])
def test_texts_from_elsewhere_are_no_markup(what):
    made = experiment(name=NASTY)
    bad = trial(0, TrialState.FAILED, loss=NASTY, kind=NASTY, message=NASTY)
    html = {
        "experiment": lambda: experiment_html(made, [bad]),
        "trials": lambda: trials_html([bad], made),
        "trial": lambda: trial_html(bad),
        "resource": lambda: trial_html(trial_resource(bad, made)),
    }[what]()
    assert "<script>alert('x')</script>\\x1b[2J\\u202e&" in page(html).text


def test_a_long_list_is_cut_and_says_so():
    html = trials_html([trial(index) for index in range(5_000)], experiment())
    assert len(html) < 200_000
    text = page(html).text
    assert "digits-49 " in text
    assert "digits-50 " not in text
    assert "digits-4999 " in text
    assert "4900 trials between the first and the last ones are not shown." in text


def test_a_very_long_text_is_cut():
    assert len(trial_html(trial(0, TrialState.FAILED, message="x" * 1_000_000))) < 5_000


def test_the_value_is_the_one_that_the_experiment_chose():
    made = experiment(strategies=[{"name": "loss", "value": "max"}])
    assert " 9 " in page(trials_html([trial(0)], made)).text
    assert " 9 " in page(trial_html(trial_resource(trial(0), made))).text


def test_ipython_shows_experiments_trials_and_lists_of_them():
    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    assert register(shell)
    show = shell.display_formatter.format
    made = experiment()
    for thing in (made, trial(0), trial_resource(trial(0), made), TrialList([trial(0), trial(1)], made)):
        found, _ = show(thing)
        assert "digits" in page(found["text/html"]).text
        assert "text/plain" in found


def test_what_is_not_complete_yet_is_shown_as_text():
    from katib.client.models import V1beta1Experiment, V1beta1Trial

    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    register(shell)
    for thing in (V1beta1Experiment(), V1beta1Trial()):
        found, _ = shell.display_formatter.format(thing)
        assert list(found) == ["text/plain"]


def test_without_ipython_nothing_happens(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not register()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not register()


def test_a_part_of_a_list_is_such_a_list():
    trials = TrialList([trial(0), trial(1), trial(2)], experiment())
    assert trials[0].name == "digits-0"
    assert "digits-2" in trials[1:]._repr_html_()
    assert "digits-0" not in trials[1:]._repr_html_()


# -- progress --------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_tell_each_trial_once():
    out = io.StringIO()
    with progress_view(stream=out) as view:
        view.update(experiment(), [trial(0, TrialState.RUNNING)])
        for _ in range(3):
            view.update(experiment(), [trial(0), trial(1, TrialState.RUNNING)])
        view.update(
            experiment(state="Succeeded", best=trial(0)), [trial(0), trial(1, TrialState.FAILED, message=NASTY)]
        )
    lines = out.getvalue().splitlines()
    assert lines[0] == "digits: Running, 0/4 trials, 1 running"
    assert lines[1] == "digits-0  Succeeded  loss=0.123457  lr=0.3 kind=sgd  [1/4]"
    assert lines[2].startswith("digits-1  Failed  loss=0.123457  lr=0.3 kind=sgd  <script>")
    assert lines[3] == "digits: Succeeded, 2/4 trials, 1 failed, best loss=0.123457"
    assert len(lines) == 4
    assert "\x1b" not in out.getvalue()


def test_lines_of_thousands_are_few():
    out = io.StringIO()
    with progress_view("lines", stream=out) as view:
        view.update(experiment(most=None), [trial(index) for index in range(5_000)])
    assert len(out.getvalue().splitlines()) == 22
    assert "… and 4980 more trials ended" in out.getvalue()


def test_lines_without_trials_go_by_the_status():
    out = io.StringIO()
    made = experiment()
    with progress_view("lines", stream=out) as view:
        view.update(made)
        view.update(made)
        made.status.trials_succeeded = 2
        view.update(made)
    assert out.getvalue().splitlines() == ["digits: Running, 0/4 trials", "digits: Running, 2/4 trials"]


def test_lines_for_a_stream_of_few_letters():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    with progress_view("lines", stream=out) as view:
        view.update(experiment(name="größe"), [])
    assert raw.getvalue() == b"gr\\xf6\\xdfe: Running, 0/4 trials\n"


def test_a_terminal_keeps_one_line_and_a_bar():
    out = Terminal()
    with progress_view(stream=out) as view:
        for ended in range(4):
            view.update(experiment(best=trial(0)), [trial(index) for index in range(ended + 1)])
    # Those in between came too fast to be read; the last one is shown.
    assert "4/4 trials" in out.getvalue()
    assert "2/4 trials" not in out.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_stream_that_is_gone_does_not_end_the_waiting(stream):
    out = stream()
    out.close()
    with progress_view("lines" if stream is io.StringIO else "terminal", stream=out) as view:
        view.update(experiment(), [trial(0)])


def test_nothing_is_shown_where_nothing_is_wanted(capsys):
    with progress_view("none") as view:
        view.update(experiment(), [trial(0)])
    assert capsys.readouterr() == ("", "")


def test_a_picture_that_fails_is_not_drawn_again():
    class Broken(_PicturedView):
        drawn = 0

        def draw(self, *_):
            self.drawn += 1
            raise RuntimeError

    with Broken() as view:
        view.update(experiment())
        view.update(experiment())
    assert view.drawn == 1


def test_pictures_do_not_follow_faster_than_one_can_look():
    class Counted(_PicturedView):
        drawn = ()

        def draw(self, _, standing, __):
            self.drawn += (standing.ended,)

    at = [0.0]
    view = Counted(clock=lambda: at[0])
    for index in range(100):
        at[0] = index / 20
        view.update(experiment(), [trial(place) for place in range(index)])
    view.close()
    assert len(view.drawn) == 11
    assert view.drawn[-1] == 99


def test_a_notebook_has_one_output_that_changes(monkeypatch):
    import IPython.display

    shown = []

    class Handle:
        def update(self, bundle, **_):
            shown.append(bundle)

    def display(bundle, **_):
        shown.append(bundle)
        return Handle()

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setitem(sys.modules["IPython"].__dict__, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    with progress_view() as view:
        view.update(experiment(), [trial(0)])
        view.update(experiment(state="Succeeded"), [trial(0), trial(1)])
    assert [bundle["text/plain"] for bundle in shown] == [
        "digits: Running, 1/4 trials",
        "digits: Succeeded, 2/4 trials",
    ]
    assert "digits-0" in page(shown[0]["text/html"]).text
    assert "digits-0" not in page(shown[1]["text/html"]).text
