from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from katib.rest.modeldb.links import Link, Links

LINK = Link(method="PUT", namespace="team-a", run_id="4f1c", path="a b/ü%2F.bin", part=0, caller="alice")


def asked(address):
    return dict(parse_qsl(urlsplit(address).query))


def test_an_address_says_where_and_is_known_again():
    links = Links()
    address = links.address("http://host/api", LINK)
    assert unquote(urlsplit(address).path) == "/api/artifacts/4f1c/a b/ü%2F.bin"
    assert links.is_mine(LINK, asked(address))


@pytest.mark.parametrize(
    "change",
    [{"method": "GET"}, {"namespace": "b"}, {"run_id": "4f1d"}, {"path": "a b"}, {"part": 1}, {"caller": "bob"}],
)
def test_it_allows_nothing_else(change):
    links = Links()
    assert not links.is_mine(replace(LINK, **change), asked(links.address("", LINK)))


def test_it_ends():
    now = [1_000.0]
    links = Links(lambda: now[0])
    query = asked(links.address("", LINK))
    now[0] += 900
    assert links.is_mine(LINK, query)
    now[0] += 1
    assert not links.is_mine(LINK, query)
    assert not links.is_mine(LINK, {**query, "until": "99999999999"})


@pytest.mark.parametrize("query", [{}, {"until": "x"}, {"until": "9" * 30}, {"until": "99999999999", "seal": "ü"}])
def test_what_is_no_seal_is_none(query):
    assert not Links().is_mine(LINK, query)


def test_another_server_does_not_know_it():
    assert not Links().is_mine(LINK, asked(Links().address("", LINK)))
