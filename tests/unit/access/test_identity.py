"""Rights add up, and nothing that was not granted is there."""

import pytest

from katib.access import EVERYWHERE, Identity, Role
from katib.errors import Denied

CI = Identity("ci", {"team-a": Role.WRITE, "team-b": Role.READ})
READER = Identity("reader", {EVERYWHERE: Role.READ, "team-a": Role.ADMIN})


@pytest.mark.parametrize(
    ("who", "namespace", "role", "may"),
    [
        (CI, "team-a", Role.READ, True),
        (CI, "team-a", Role.WRITE, True),
        (CI, "team-a", Role.ADMIN, False),
        (CI, "team-b", Role.READ, True),
        (CI, "team-b", Role.WRITE, False),
        (CI, "team-c", Role.READ, False),
        (CI, "", Role.READ, False),
        (CI, EVERYWHERE, Role.READ, False),
        (READER, "team-c", Role.READ, True),
        (READER, "team-c", Role.WRITE, False),
        (READER, "team-a", Role.ADMIN, True),
        (READER, EVERYWHERE, Role.READ, True),
        (READER, EVERYWHERE, Role.WRITE, False),
        (Identity("nobody", {}), "team-a", Role.READ, False),
    ],
)
def test_what_they_may(who, namespace, role, may):
    assert who.may(namespace, role) is may
    if may:
        who.require(namespace, role)
    else:
        with pytest.raises(Denied):
            who.require(namespace, role)


@pytest.mark.parametrize(
    ("namespace", "role", "text"),
    [
        ("team-b", Role.WRITE, "'ci' may not write in namespace 'team-b'"),
        ("team-a", Role.ADMIN, "'ci' may not administer in namespace 'team-a'"),
        (EVERYWHERE, Role.READ, "'ci' may not read in every namespace"),
        ("\x1b[31m", Role.READ, r"'ci' may not read in namespace '\x1b[31m'"),
    ],
)
def test_refusal_says_who_what_and_where(namespace, role, text):
    with pytest.raises(Denied) as refused:
        CI.require(namespace, role)
    assert str(refused.value) == text


def test_refusal_stays_short_whatever_was_asked():
    with pytest.raises(Denied) as refused:
        Identity("n" * 10_000, {}).require("x" * 100_000, Role.READ)
    assert len(str(refused.value)) < 300


def test_the_only_namespace_is_meant_where_none_is_named():
    assert Identity("one", {"team-a": Role.READ}).default_namespace == "team-a"
    assert CI.default_namespace is None
    assert READER.default_namespace is None
    assert Identity("nobody", {}).default_namespace is None


def test_namespaces_are_listed_where_they_can_be():
    assert CI.namespaces() == {"team-a", "team-b"}
    assert READER.namespaces() is None
    assert Identity("nobody", {}).namespaces() == set()


def test_rights_cannot_be_added_later():
    grants = {"team-a": Role.READ}
    who = Identity("ci", grants)
    grants["team-a"] = Role.ADMIN
    assert not who.may("team-a", Role.WRITE)
    with pytest.raises(TypeError):
        who.grants["team-a"] = Role.ADMIN
    assert who == Identity("ci", {"team-a": Role.READ})
    assert len({who, Identity("ci", {"team-a": Role.READ})}) == 1
