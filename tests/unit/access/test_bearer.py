"""The token of a call is found however it is sent, and never repeated."""

import base64

import pytest

from katib.access import token_of
from katib.access.bearer import LONGEST_TOKEN
from katib.errors import Unauthenticated

SENT = "katib_a-b.c_d~e+f/0123456789=="


def basic(text):
    return "Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {SENT}"},
        {"authorization": f"bearer {SENT}"},
        {"AUTHORIZATION": f"BEARER   {SENT} "},
        {"Authorization": basic(f"somebody:{SENT}")},
        {"authorization": basic(f":{SENT}").replace("Basic", "basic")},
        {"Grpc-Metadata-developer_key": SENT, "Grpc-Metadata-email": "somebody@example.org"},
        {"grpc-metadata-developer-key": SENT},
        [("developer_key", SENT), ("x-other", "1")],
        {"Grpc-Metadata-developer_key": SENT, "Grpc-Metadata-developer-key": SENT},
        {"Authorization": f"Bearer {SENT}", "Grpc-Metadata-developer_key": SENT},
        [("authorization", f"Bearer {SENT}"), ("authorization", f"Bearer {SENT}")],
    ],
)
def test_every_way(headers):
    assert token_of(headers) == SENT


@pytest.mark.parametrize("headers", [{}, [], {"Cookie": SENT}, {"Grpc-Metadata-developer_key": " "}])
def test_none(headers):
    assert token_of(headers) is None


HUSH = "hush-hush-secret"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Authorization": ""}, "must be 'Bearer TOKEN'"),
        ({"Authorization": "Bearer"}, "the token after Bearer is no token"),
        ({"Authorization": "Bearer "}, "the token after Bearer is no token"),
        ({"Authorization": HUSH}, "must be 'Bearer TOKEN'"),
        ({"Authorization": f"Digest {HUSH}"}, "must be 'Bearer TOKEN'"),
        ({"Authorization": f"Bearer {HUSH} {HUSH}"}, "is no token"),
        ({"Authorization": f"Bearer {HUSH}, Bearer {HUSH}"}, "is no token"),
        ({"Authorization": f"Bearer {HUSH}\r\nX-Evil: 1"}, "is no token"),
        ({"Authorization": f"Bearer {HUSH}é"}, "is no token"),
        ({"Authorization": f"Bearer {HUSH}\udcff"}, "is no token"),
        ({"Authorization": f"Bearer ={HUSH}"}, "is no token"),
        ({"Authorization": "Bearer " + "x" * (LONGEST_TOKEN + 1)}, "at most|1 to 8192"),
        ({"Authorization": "Bearer " + "x" * 10_000_000}, "too long"),
        ({"Authorization": "Basic"}, "not USER:TOKEN in base64"),
        ({"Authorization": f"Basic {HUSH}!"}, "not USER:TOKEN in base64"),
        ({"Authorization": "Basic é"}, "not USER:TOKEN in base64"),
        ({"Authorization": basic(HUSH)}, "not USER:TOKEN in base64"),
        ({"Authorization": basic(b"\xff\xfe:" + HUSH.encode())}, "not USER:TOKEN in base64"),
        ({"Authorization": basic("somebody:")}, "the password, which is taken as the token, is no token"),
        ({"Authorization": basic(f"somebody:{HUSH}:{HUSH}")}, "is no token"),
        ({"Grpc-Metadata-developer_key": f"{HUSH} {HUSH}"}, "the developer key is no token"),
        ({"Authorization": f"Bearer {HUSH}", "authorization": f"Bearer {HUSH}2"}, "two tokens that differ"),
        ({"Authorization": f"Bearer {HUSH}", "developer_key": f"{HUSH}2"}, "two tokens that differ"),
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(headers, said):
    with pytest.raises(Unauthenticated, match=said) as refused:
        token_of(headers)
    assert HUSH not in str(refused.value)
    assert len(str(refused.value)) < 300
