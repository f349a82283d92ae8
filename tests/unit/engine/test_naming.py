"""Names: unique, short, valid for Kubernetes, the same for ever."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.engine.naming import trial_index, trial_name

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LAST = 27**8 - 1


def test_never_changes():
    """A running experiment must find its trials after an upgrade: these are what the first release makes."""
    assert [trial_name("tune", "7d9f", index) for index in (0, 1, LAST)] == [
        "tune-9t6nc7fz",
        "tune-th2cn475",
        "tune-n99zz9mt",
    ]


def test_ten_thousand_indices_have_ten_thousand_names():
    for uid in ("", "a", "7d9f"):
        assert len({trial_name("tune", uid, index) for index in range(10_000)}) == 10_000


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=40), st.integers(0, LAST), st.integers(0, LAST))
def test_two_indices_share_no_name(uid, one, other):
    assert (trial_name("tune", uid, one) == trial_name("tune", uid, other)) == (one == other)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.from_regex(r"\A[a-z]([-a-z0-9]{0,80}[a-z0-9])?\Z"), st.text(max_size=9), st.integers(0, LAST))
def test_names_are_labels(experiment, uid, index):
    name = trial_name(experiment, uid, index)
    assert len(name) <= 63
    assert LABEL.fullmatch(name)
    assert "--" not in name[-10:]


def test_a_cut_name_does_not_end_in_a_dash():
    assert trial_name("a" * 53 + "-" * 9 + "b", "7d9f", 0)[52:55] == "a-" + trial_name("t", "7d9f", 0)[2]


def test_experiments_differ():
    first = {trial_name("tune", "one", index) for index in range(1000)}
    assert not first & {trial_name("tune", "two", index) for index in range(1000)}


@pytest.mark.parametrize("index", [-1, LAST + 1])
def test_no_such_index(index):
    with pytest.raises(ValueError, match="no trial has index"):
        trial_name("tune", "7d9f", index)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.from_regex(r"\A[a-z]([-a-z0-9]{0,80}[a-z0-9])?\Z"), st.text(max_size=9), st.integers(0, 9_999_999))
def test_a_name_says_its_index_to_who_knows_the_experiment(experiment, uid, index):
    assert trial_index(experiment, uid, trial_name(experiment, uid, index)) == index


@pytest.mark.parametrize("name", ["tune", "tune-", "tune-aaaaaaaa", "tune-bbbb", "other-9t6nc7fz", "tune-9t6nc7fzz"])
def test_other_names_have_no_index(name):
    assert trial_index("tune", "7d9f", name) is None
    assert trial_index("tune", "another", "tune-9t6nc7fz") is None
