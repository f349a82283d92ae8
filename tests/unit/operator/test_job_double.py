"""The double of the Job controller does what a Job's annotation says, and nothing it does not understand."""

import pytest

from katib.testing.job_double import RULE, Rule, loss_of


def job(rule="", command=(), args=()):
    pod = {"containers": [{"name": "main", "command": list(command), "args": list(args)}]}
    return {"metadata": {"annotations": {RULE: rule} if rule else None}, "spec": {"template": {"spec": pod}}}


SCHEDULES = [
    ("", [(0.0, "report 0"), (0.0, "complete")]),
    ("seconds=2 end=fail", [(2.0, "report 0"), (2.0, "fail")]),
    ("reports=0", [(0.0, "complete")]),
    ("seconds=1 reports=2 end=never", [(0.5, "report 1"), (1.0, "report 0")]),
    ("seconds=1 late=3", [(1.0, "complete"), (4.0, "report 0")]),
    ("seconds=1 reports=2 late=3", [(0.5, "report 1"), (1.0, "complete"), (4.0, "report 0")]),
]


@pytest.mark.parametrize(("rule", "due"), SCHEDULES)
def test_what_happens_when(rule, due):
    assert list(Rule.of(job(rule)).due()) == due


@pytest.mark.parametrize("rule", ["speed=3", "seconds=soon", "reports"])
def test_a_rule_nobody_understands_is_an_error(rule):
    with pytest.raises(ValueError, match=r"speed|soon|invalid literal"):
        Rule.of(job(rule))


def test_a_loss_is_made_of_the_numbers_among_the_arguments():
    assert loss_of(job(command=["train", "--lr=0.05"], args=["--depth=1e0", "--name=x", "5"])) == pytest.approx(
        0.02**2 + 0.97**2
    )
    assert loss_of(job()) == 0
