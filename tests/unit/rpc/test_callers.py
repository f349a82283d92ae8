"""Whom a service lets in, and where they are."""

import asyncio
import functools

import pytest

from katib.access import Identity, Role
from katib.errors import Denied, InvalidInput, StoreUnavailable, Unauthenticated
from katib.rpc.callers import Callers, has_token

DOWN = "down-token-0123456"


def run_in_loop(test):
    """Let a coroutine be a test."""

    @functools.wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return run


class Known:
    """Knows some tokens; ``DOWN`` is one of which it cannot tell."""

    def __init__(self, *, asks_others):
        self.asks_others = asks_others
        self.identities = {
            "one-namespace-token": Identity("one", {"team-a": Role.WRITE}),
            "two-namespaces-token": Identity("two", {"team-a": Role.READ, "team-b": Role.READ}),
            "all-namespaces-token": Identity("all", {"*": Role.READ}),
        }

    def identity(self, token):
        if token == DOWN:
            raise StoreUnavailable("ask again")
        if token not in self.identities:
            raise Unauthenticated("who?")
        return self.identities[token]


@pytest.fixture(params=[True, False])
def callers(request):
    with Callers(Known(asks_others=request.param)) as callers:
        yield callers


def said(token):
    return (("user-agent", "test"), ("blob-bin", b"\xff"), ("authorization", f"Bearer {token}"))


class TestAdmit:
    @run_in_loop
    async def test_the_namespace_that_is_meant(self, callers):
        one = await callers.admit(said("one-namespace-token"), "", Role.WRITE)
        assert (one.namespace, one.name) == ("team-a", "one")
        everywhere = await callers.admit(said("all-namespaces-token"), "", Role.READ)
        assert everywhere.namespace == "default"
        named = await callers.admit(said("all-namespaces-token"), "team-c", Role.READ)
        assert named.namespace == "team-c"

    @pytest.mark.parametrize(
        ("token", "namespace", "error"),
        [
            ("one-namespace-token", "team-b", Denied),
            ("two-namespaces-token", "", Denied),
            ("nobody-knows-this", "team-a", Unauthenticated),
            (DOWN, "team-a", StoreUnavailable),
            ("one-namespace-token", "*", InvalidInput),
        ],
    )
    @run_in_loop
    async def test_who_is_not_let_in(self, callers, token, namespace, error):
        with pytest.raises(error):
            await callers.admit(said(token), namespace, Role.READ)

    @run_in_loop
    async def test_without_an_authenticator_everybody_may(self):
        callers = Callers()
        assert not callers.known
        assert (await callers.admit((), "", Role.ADMIN)).namespace == "default"


class TestAnywhere:
    @run_in_loop
    async def test_who_may_look_everywhere_need_not_say_where(self, callers):
        for token, expected in (("all-namespaces-token", None), ("one-namespace-token", "team-a")):
            assert await callers.admit_anywhere(said(token), None, Role.READ, field="f") == expected
        with pytest.raises(InvalidInput, match="f: is required"):
            await callers.admit_anywhere(said("two-namespaces-token"), None, Role.READ, field="f")
        with pytest.raises(Denied):
            await callers.admit_anywhere(said("two-namespaces-token"), "team-c", Role.READ, field="f")


def test_a_token_that_is_none_is_no_missing_token():
    assert not has_token((("x", "y"),))
    assert has_token(said("anything-at-all"))
    with pytest.raises(Unauthenticated):
        has_token((("authorization", "nonsense"),))
