"""From what was typed to what is meant."""

import pytest

from katib.cli.lookup import Kind, Reference, experiment_named, find_trial, parse_reference
from katib.errors import InvalidInput, NotFound


@pytest.mark.parametrize(
    ("words", "kind", "names"),
    [
        ("", Kind.EXPERIMENT, ()),
        ("digits", Kind.EXPERIMENT, ("digits",)),
        ("exp", Kind.EXPERIMENT, ()),
        ("experiments", Kind.EXPERIMENT, ()),
        ("Experiment a b", Kind.EXPERIMENT, ("a", "b")),
        ("trials", Kind.TRIAL, ()),
        ("tr a", Kind.TRIAL, ("a",)),
        ("tr/a", Kind.TRIAL, ("a",)),
        ("exp/a exp/b", Kind.EXPERIMENT, ("a", "b")),
        ("trial tr/a", Kind.TRIAL, ("a",)),
        ("sug", Kind.SUGGESTION, ()),
        ("SUGGESTION/a", Kind.SUGGESTION, ("a",)),
        ("trial.kubeflow.org/a", Kind.TRIAL, ("a",)),
        ("experiment.kubeflow.org/a exp/b", Kind.EXPERIMENT, ("a", "b")),
    ],
)
def test_references(words, kind, names):
    stated = words not in {"", "digits"}
    assert parse_reference(words.split()) == Reference(kind, names, is_stated=stated)


@pytest.mark.parametrize("word", ["exp", "trials", "suggestion"])
def test_kind_alone_is_a_name_where_a_name_is_needed(word):
    assert parse_reference([word], needs_name=True) == Reference(Kind.EXPERIMENT, (word,), is_stated=False)
    assert parse_reference([word, "a"], needs_name=True).names == ("a",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("foo/bar", "'foo' is no kind; there are experiments, trials and suggestions"),
        ("trail/bar", "did you mean 'trial'?"),
        ("exp/a tr/b", "'tr/b' is a trial, and experiments are asked for"),
        ("trials exp/b", "'exp/b' is a experiment, and trials are asked for"),
        ("exp/", "'exp/' has no name"),
    ],
)
def test_references_to_nothing(words, said):
    with pytest.raises(InvalidInput) as caught:
        parse_reference(words.split())
    assert said.replace("a experiment", "an experiment") in str(caught.value)


def test_experiment_is_found_by_name_and_by_kind_and_name(store, stored):
    uid = stored(name="digits").metadata.uid
    for name in ("digits", "exp/digits", "experiments/digits"):
        assert experiment_named(store, "default", name).metadata.uid == uid


def test_experiment_called_exp_is_found(store, stored):
    uid = stored(name="exp").metadata.uid
    assert experiment_named(store, "default", "exp").metadata.uid == uid


def test_missing_experiment_says_what_is_like_it_or_where_it_is(store, stored):
    stored(name="digits")
    stored(name="elsewhere", namespace="team")
    with pytest.raises(NotFound, match="did you mean 'digits'"):
        experiment_named(store, "default", "digit")
    with pytest.raises(NotFound, match=r"there is one in namespace team \(-n team\)"):
        experiment_named(store, "default", "elsewhere")
    with pytest.raises(NotFound, match=r"'qqq'$"):
        experiment_named(store, "default", "qqq")
    with pytest.raises(InvalidInput):
        experiment_named(store, "default", "tr/digits")


def test_trial_is_found_by_its_name_alone_among_experiments_with_like_names(store, stored, specimens):
    stored(specimens.trial(0, name="exp-aaaaaaaa"), name="exp")
    stored(specimens.trial(0, name="exp-two-bbbbbbbb"), name="exp-two")
    for name, owner in (("exp-aaaaaaaa", "exp"), ("exp-two-bbbbbbbb", "exp-two"), ("tr/exp-aaaaaaaa", "exp")):
        experiment, record = find_trial(store, "default", name)
        assert experiment.metadata.name == owner
        assert record.name == name.removeprefix("tr/")


def test_trial_of_an_experiment_with_a_long_name_is_found(store, stored, specimens):
    name = "a-very-long-name-of-forty-characters-aaa"
    stored(specimens.trial(0, name=f"{name[:39]}-bbbbbbbb"), name=name)
    assert find_trial(store, "default", f"{name[:39]}-bbbbbbbb")[0].metadata.name == name


def test_missing_trial_says_what_was_meant(store, stored, specimens):
    stored(specimens.trial(0, name="exp-aaaaaaaa"), name="exp")
    with pytest.raises(NotFound, match="did you mean 'exp-aaaaaaaa'"):
        find_trial(store, "default", "exp-aaaaaaab")
    with pytest.raises(NotFound, match="`katib trials exp` lists its trials"):
        find_trial(store, "default", "exp")
    with pytest.raises(NotFound):
        find_trial(store, "default", "nothing")
    with pytest.raises(InvalidInput):
        find_trial(store, "default", "exp/exp-aaaaaaaa")
