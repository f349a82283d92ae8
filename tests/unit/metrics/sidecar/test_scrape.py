"""Prometheus' text format, read for a few names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.metrics.sidecar.scrape import Scraper, parse_exposition
from katib.metrics.sidecar.settings import HttpSource


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("loss 0.5", ("loss", "", "0.5", None)),
        ("  loss\t0.5 ", ("loss", "", "0.5", None)),
        ("loss{} 1e-3 1700000000123", ("loss", "", "1e-3", 1700000000123)),
        ('loss{set="a b",x="\\"}"} NaN', ("loss", '{set="a b",x="\\"}"}', "NaN", None)),
        ("a:b_total +Inf", ("a:b_total", "", "+Inf", None)),
    ],
)
def test_lines(line, found):
    assert list(parse_exposition(f"# TYPE loss gauge\n{line}\n")) == [found]


@pytest.mark.parametrize(
    "line", ["", "# loss 1", "loss", "loss{ 1", "1loss 2", "loss 1 2 3", 'loss{a="b} 1', "loss " + "1" * 20_000]
)
def test_what_is_none_is_passed_over(line):
    assert list(parse_exposition(line)) == []


@given(st.text(max_size=200))
def test_anything_can_be_read(text):
    list(parse_exposition(text))


class Looked(Scraper):
    """A server that says what it is told."""

    def __init__(self, *texts, metrics=("loss",)):
        super().__init__(HttpSource(port=1), metrics)
        self.texts = list(texts)

    def _look(self, _):
        return self.texts.pop(0)


def polled(scraper, times):
    return [(sample.name, sample.text) for _ in range(times) for sample in scraper.poll().samples]


def test_a_value_is_a_report_when_it_changed():
    assert polled(Looked("loss 1", "loss 1", "loss 2", "", "loss 1"), 5) == [
        ("loss", "1"),
        ("loss", "2"),
        ("loss", "1"),
    ]


def test_one_without_labels_comes_first_and_labels_can_be_named():
    text = 'loss{set="train"} 1\nloss{set="valid"} 2\nloss 3\nacc{set="valid"} 4\n'
    assert polled(Looked(text), 1) == [("loss", "3")]
    assert polled(Looked(text, metrics=('loss{set="valid"}', "acc")), 1) == [('loss{set="valid"}', "2"), ("acc", "4")]


def test_of_several_series_the_first_counts_and_that_is_said():
    scraper = Looked('loss{set="train"} 1\nloss{set="valid"} 2\n')
    assert polled(scraper, 1) == [("loss", "1")]
    assert scraper.evidence()[-1].startswith("There are several series loss, of which the first was taken")


def test_it_goes_on_where_a_checkpoint_was():
    first = Looked("loss 1")
    place = first.poll().checkpoint
    second = Looked("loss 1", "loss 2")
    second.restore(place)
    assert polled(second, 2) == [("loss", "2")]
