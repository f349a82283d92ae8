"""What Kubernetes' answers mean, and how long they are remembered."""

import logging

import pytest

from katib.access import EVERYWHERE, Role
from katib.access.token_review import TokenReviews
from katib.errors import Denied, StoreUnavailable, Unauthenticated

ACCOUNT = "system:serviceaccount:team-a:collector"
USER = {"username": ACCOUNT, "uid": "u1", "groups": ["system:serviceaccounts"], "extra": {"pod": ["p"]}}


class Cluster:
    """Answers as a cluster with some tokens and rights; notes what it was asked."""

    def __init__(self):
        self.now = 0.0
        self.users = {"good": {"authenticated": True, "user": USER}}
        self.rights = {("team-a", "get"), ("team-a", "update")}
        self.away = False
        self.asked = []

    def token_status(self, token, audiences):
        self._ask((token, audiences))
        return self.users.get(token, {"authenticated": False, "error": f"[invalid bearer token {token}]"})

    def access_status(self, spec):
        self._ask(spec)
        place = spec["resourceAttributes"]
        return {"allowed": (place["namespace"], place["verb"]) in self.rights, "reason": "RBAC"}

    def _ask(self, what):
        self.asked.append(what)
        if self.away:
            raise StoreUnavailable("away")

    def reviews(self, **options):
        return TokenReviews(self, clock=lambda: self.now, **options)


@pytest.fixture
def cluster():
    return Cluster()


def test_the_question_is_about_experiments_and_has_all_of_the_user(cluster):
    who = cluster.reviews().identity("good")
    assert who.name == ACCOUNT
    assert who.may("team-a", Role.READ)
    assert cluster.asked == [
        ("good", ()),
        {
            "user": ACCOUNT,
            "uid": "u1",
            "groups": ["system:serviceaccounts"],
            "extra": {"pod": ["p"]},
            "resourceAttributes": {
                "namespace": "team-a",
                "verb": "get",
                "group": "kubeflow.org",
                "resource": "experiments",
            },
        },
    ]


def test_each_role_is_a_verb(cluster):
    who = cluster.reviews().identity("good")
    assert [who.may("team-a", role) for role in Role] == [True, True, False]
    assert [asked["resourceAttributes"]["verb"] for asked in cluster.asked[1:]] == ["get", "update", "delete"]
    with pytest.raises(Denied, match=f"'{ACCOUNT}' may not write in namespace 'team-b'"):
        who.require("team-b", Role.WRITE)


def test_everywhere_is_no_namespace_to_kubernetes(cluster):
    cluster.rights.add(("", "get"))
    who = cluster.reviews().identity("good")
    assert who.may(EVERYWHERE, Role.READ)
    assert not who.may(EVERYWHERE, Role.WRITE)


@pytest.mark.parametrize("namespace", ["", "../x", "Team", "a" * 100_000, "\x00"])
def test_what_is_no_namespace_is_refused_and_not_asked_about(cluster, namespace):
    cluster.rights.add(("", "get"))
    who = cluster.reviews().identity("good")
    assert not who.may(namespace, Role.READ)
    assert len(cluster.asked) == 1


def test_a_service_account_means_its_own_namespace_a_person_none(cluster):
    for number, (name, namespace) in enumerate(
        [(ACCOUNT, "team-a"), ("somebody@example.org", None), ("system:serviceaccount:Not A Namespace:x", None)]
    ):
        cluster.users[str(number)] = {"authenticated": True, "user": {"username": name}}
        who = cluster.reviews().identity(str(number))
        assert who.default_namespace == namespace
        assert who.namespaces() is None


def test_nobody_is_nobody(cluster):
    reviews = cluster.reviews()
    with pytest.raises(Unauthenticated, match="not known to Kubernetes"):
        reviews.identity("bad")
    with pytest.raises(Unauthenticated, match="a token is needed"):
        reviews.identity(None)
    assert len(cluster.asked) == 1
    assert reviews.asks_others


class TestAudiences:
    def test_they_are_asked_for_and_one_is_enough(self, cluster):
        cluster.users["good"]["audiences"] = ["katib-ui"]
        assert cluster.reviews(audiences=("katib", "katib-ui")).identity("good").name == ACCOUNT
        assert cluster.asked == [("good", ("katib", "katib-ui"))]

    @pytest.mark.parametrize("audiences", [[], None, ["https://kubernetes.default.svc"], "katib"])
    def test_a_token_for_somebody_else_is_not_taken(self, cluster, audiences):
        cluster.users["good"]["audiences"] = audiences
        with pytest.raises(Unauthenticated):
            cluster.reviews(audiences=("kati", "x")).identity("good")


class TestRemembered:
    def test_a_yes_holds_a_minute(self, cluster):
        reviews = cluster.reviews()
        for second in (0, 30, 59.9):
            cluster.now = second
            assert reviews.identity("good").may("team-a", Role.WRITE)
        assert len(cluster.asked) == 2
        del cluster.users["good"]
        cluster.now = 60
        with pytest.raises(Unauthenticated):
            reviews.identity("good")

    def test_a_no_holds_ten_seconds(self, cluster):
        reviews = cluster.reviews()
        for second in (0, 9.9):
            cluster.now = second
            assert not reviews.identity("good").may("team-b", Role.READ)
            with pytest.raises(Unauthenticated):
                reviews.identity("new")
        assert len(cluster.asked) == 3
        cluster.rights.add(("team-b", "get"))
        cluster.users["new"] = {"authenticated": True, "user": {"username": "new"}}
        cluster.now = 10
        assert reviews.identity("good").may("team-b", Role.READ)
        assert reviews.identity("new").name == "new"

    def test_rights_taken_away_are_gone_after_a_minute_also_of_who_stays(self, cluster):
        who = cluster.reviews().identity("good")
        assert who.may("team-a", Role.WRITE)
        cluster.rights.clear()
        cluster.now = 60
        assert not who.may("team-a", Role.WRITE)

    def test_to_be_away_is_neither_yes_nor_no_and_not_remembered(self, cluster):
        reviews = cluster.reviews()
        cluster.away = True
        with pytest.raises(StoreUnavailable):
            reviews.identity("good")
        cluster.away = False
        who = reviews.identity("good")
        cluster.away = True
        for role in Role:
            with pytest.raises(StoreUnavailable):
                who.may("team-a", role)
        cluster.away = False
        assert who.may("team-a", Role.READ)

    def test_made_up_tokens_push_no_good_ones_out(self, cluster):
        reviews = cluster.reviews()
        reviews.identity("good")
        for number in range(5_000):
            with pytest.raises(Unauthenticated):
                reviews.identity(f"made-up-{number}")
        cluster.away = True
        assert reviews.identity("good").name == ACCOUNT
        assert len(reviews._unknown) == 4_096

    def test_the_rights_of_one_are_not_those_of_another(self, cluster):
        cluster.users["other"] = {"authenticated": True, "user": {"username": "other"}}
        cluster.rights = set()
        reviews = cluster.reviews()
        assert not reviews.identity("good").may("team-a", Role.READ)
        cluster.rights = {("team-a", "get")}
        assert reviews.identity("other").may("team-a", Role.READ)
        assert not reviews.identity("good").may("team-a", Role.READ)


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": "true", "user": USER},
        {"authenticated": 1, "user": USER},
        {"authenticated": True},
        {"authenticated": True, "user": "root"},
        {"authenticated": True, "user": {"username": ""}},
        {"authenticated": True, "user": {"username": ["root"]}},
        {"authenticated": True, "user": {"username": "a", "groups": "system:masters"}},
        {"authenticated": True, "user": {"username": "a", "groups": [1]}},
        {"authenticated": True, "user": {"username": "a", "extra": ["x"]}},
        {"authenticated": True, "user": {"username": "a", "uid": 5}},
    ],
)
def test_an_answer_about_a_token_that_makes_no_sense_is_none(cluster, status):
    cluster.users["good"] = status
    with pytest.raises(StoreUnavailable, match="that is no TokenReview"):
        cluster.reviews().identity("good")


@pytest.mark.parametrize(
    "status", [{}, {"allowed": "true"}, {"allowed": 1}, {"allowed": None}, {"allowed": True, "denied": True}]
)
def test_an_answer_about_a_right_that_makes_no_sense_is_none(cluster, status):
    who = cluster.reviews().identity("good")
    cluster.access_status = lambda _: status
    with pytest.raises(StoreUnavailable, match="that is no SubjectAccessReview"):
        who.may("team-a", Role.READ)


def test_no_token_is_kept_shown_or_logged(cluster, caplog):
    caplog.set_level(logging.DEBUG)
    reviews = cluster.reviews()
    cluster.users["katib_hush"] = cluster.users["good"]
    who = reviews.identity("katib_hush")
    with pytest.raises(Unauthenticated) as refused:
        reviews.identity("katib_wrong")
    kept = [*reviews._known._kept, *reviews._unknown._kept]
    for text in (repr(who), repr(vars(who)), repr(kept), str(refused.value), caplog.text):
        assert "katib_" not in text
    assert "invalid bearer token" in caplog.text
