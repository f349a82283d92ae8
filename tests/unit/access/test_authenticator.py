"""Which ways to know a caller are used, and in which order."""

import pytest

from katib.access import AccessOptions, Everyone, FirstOf, Identity, Role, authenticator_for
from katib.access.token_file import TokenFile
from katib.errors import InvalidInput, StoreUnavailable, Unauthenticated, Unsupported


class Knows:
    """Knows one token, and of others says or raises what it was told to."""

    asks_others = False

    def __init__(self, token, otherwise):
        self.token, self.otherwise, self.asked = token, otherwise, []

    def identity(self, token):
        self.asked.append(token)
        if token == self.token:
            return Identity(f"who has {token}", {})
        raise self.otherwise


def test_everyone_may_everything_whatever_the_token():
    for token in (None, "", "whatever"):
        who = Everyone().identity(token)
        assert who.name == "anonymous"
        assert who.may("*", Role.ADMIN)
        assert who.may("any", Role.ADMIN)
        assert who.namespaces() is None


class TestFirstOf:
    def test_the_first_that_knows_counts_and_the_rest_are_not_asked(self):
        first, second = Knows("a", Unauthenticated("1")), Knows("a", Unauthenticated("2"))
        assert FirstOf(first, second).identity("a").name == "who has a"
        assert second.asked == []

    def test_the_next_is_asked_about_what_the_first_does_not_know(self):
        assert FirstOf(Knows("a", Unauthenticated("1")), Knows("b", Unauthenticated("2"))).identity("b")

    def test_where_nobody_knows_the_first_says_why(self):
        with pytest.raises(Unauthenticated, match="1"):
            FirstOf(Knows("a", Unauthenticated("1")), Knows("b", Unauthenticated("2"))).identity("c")

    def test_not_to_find_out_is_no_refusal(self):
        with pytest.raises(StoreUnavailable):
            FirstOf(Knows("a", Unauthenticated("1")), Knows("b", StoreUnavailable("away"))).identity("c")

    def test_one_that_asks_others_is_enough(self):
        slow = Knows("b", Unauthenticated("2"))
        slow.asks_others = True
        assert FirstOf(Knows("a", Unauthenticated("1")), slow).asks_others
        assert not FirstOf(Knows("a", Unauthenticated("1"))).asks_others


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tokens.yaml"
    path.write_text("tokens: []")
    return path


def test_its_own_machine_is_everyone():
    assert isinstance(authenticator_for(AccessOptions(loopback=True)), Everyone)


def test_its_own_machine_with_a_file_is_not(file):
    asked = authenticator_for(AccessOptions(loopback=True, token_file=file))
    assert isinstance(asked, TokenFile)
    with pytest.raises(Unauthenticated):
        asked.identity(None)


def test_an_open_door_is_only_left_to_who_says_so():
    with pytest.raises(InvalidInput, match="--token-file: is needed where other machines can call"):
        authenticator_for(AccessOptions(loopback=False))
    assert isinstance(authenticator_for(AccessOptions(loopback=False, insecure_anonymous=True)), Everyone)


def test_contradictions_are_told_together(file):
    with pytest.raises(InvalidInput) as refused:
        authenticator_for(AccessOptions(loopback=False, token_file=file, audiences=("katib",), insecure_anonymous=True))
    assert [problem.path for problem in refused.value.problems] == ["--token-audience", "--insecure-anonymous"]


def test_a_file_that_is_not_there_is_told_before_anything_is_served(tmp_path):
    with pytest.raises(InvalidInput, match=r"absent.yaml: cannot be read: No such file"):
        authenticator_for(AccessOptions(loopback=False, token_file=tmp_path / "absent.yaml"))


def test_no_cluster_to_ask(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "")
    with pytest.raises(Unsupported, match="run inside one, or set KUBECONFIG"):
        authenticator_for(AccessOptions(loopback=False, token_review=True))
