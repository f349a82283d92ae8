"""Asking Kubernetes who may do what, over HTTP: an API server that answers, refuses, hangs, drips, lies or is not there.

Nobody is let in and nobody is turned away by an accident.
"""

import contextlib
import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from katib.access import AccessOptions, Role, authenticator_for
from katib.access import cluster_reviews as module
from katib.access.cluster_reviews import cluster_reviews
from katib.access.token_review import TokenReviews
from katib.errors import Denied, Retry, StoreUnavailable, Unauthenticated

PATHS = {
    "TokenReview": "/apis/authentication.k8s.io/v1/tokenreviews",
    "SubjectAccessReview": "/apis/authorization.k8s.io/v1/subjectaccessreviews",
}
OWN = "own-credentials-of-the-server"
GOOD = "katib_token-of-a-collector"
USER = {"username": "system:serviceaccount:team-a:collector", "uid": "u", "groups": ["g"]}


class ApiServer:
    """Does what an API server does with reviews; and instead, once for each of ``instead``, what that says."""

    def __init__(self, port=0):
        self.users = {GOOD: USER}
        self.rights = {("system:serviceaccount:team-a:collector", "team-a", "update")}
        self.instead = []
        self.asked = []
        self.elsewhere = []
        self.released = threading.Event()
        self.connections = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                outer.connections.append(self.connection)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path == "/elsewhere":
                    outer.elsewhere.append(body)
                outer.asked.append((self.path, body))
                if outer.instead:
                    outer.instead.pop(0)(self)
                    return
                if self.headers["authorization"] != f"Bearer {OWN}":
                    self.answer(401, {"kind": "Status", "reason": "Unauthorized"})
                    return
                assert self.path == PATHS[body["kind"]]
                self.answer(201, {**body, "status": outer.status(body["kind"], body["spec"])})

            def answer(self, code, body, **headers):
                text = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(code)
                for name, value in {"content-type": "application/json", "content-length": len(text), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 100

            def handle_error(self, *_):
                pass  # clients that gave up

        self.http = Server(("127.0.0.1", port), Handler)
        self.port = self.http.server_port

    def status(self, kind, spec):
        if kind == "TokenReview":
            user = self.users.get(spec["token"])
            known = {"authenticated": True, "user": user, "audiences": spec.get("audiences", ["kubernetes"])}
            return known if user else {"error": "invalid bearer token"}
        place = spec["resourceAttributes"]
        assert (place["group"], place["resource"]) == ("kubeflow.org", "experiments")
        return {"allowed": (spec["user"], place["namespace"], place["verb"]) in self.rights}

    def __enter__(self):
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.released.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def api(tmp_path, monkeypatch):
    with ApiServer() as api:
        config = tmp_path / "kubeconfig"
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{api.port}"}}],
                    "users": [{"name": "u", "user": {"token": OWN}}],
                    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                }
            )
        )
        monkeypatch.setenv("KUBECONFIG", str(config))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield api


@pytest.fixture
def reviews(api):  # noqa: ARG001 - it has to be there
    return TokenReviews(cluster_reviews(deadline=0.5))


def away(call, *arguments):
    """Return what is said when it cannot be found out."""
    with pytest.raises(StoreUnavailable) as told:
        call(*arguments)
    assert told.value.retry is Retry.LATER
    assert GOOD not in str(told.value)
    assert OWN not in str(told.value)
    return str(told.value).removeprefix("who may do what cannot be found out: the Kubernetes API ")


def wait_out_the_pause(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.0)


def test_as_a_server_is_told_to(api):
    asked = authenticator_for(AccessOptions(loopback=False, token_review=True, audiences=("katib",)))
    who = asked.identity(GOOD)
    assert who.default_namespace == "team-a"
    assert who.may("team-a", Role.WRITE)
    with pytest.raises(Denied):
        who.require("team-b", Role.WRITE)
    with pytest.raises(Unauthenticated):
        asked.identity("katib_somebody-else")
    path, body = api.asked[0]
    assert path == PATHS["TokenReview"]
    assert body == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": GOOD, "audiences": ["katib"]},
    }


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (401, "does not let this server create a TokenReview (401 Unauthorized): bind its service account"),
        (403, "does not let this server create a TokenReview (403 Forbidden): bind its service account"),
        (429, "has too much to do (429)"),
        (404, "answers 404"),
        (500, "answers 500"),
        (503, "answers 503"),
    ],
)
def test_a_refusal_of_the_question_is_no_answer_to_it(api, reviews, code, said):
    api.instead = [lambda handler: handler.answer(code, {"kind": "Status"}, **{"retry-after": "30"})]
    assert away(reviews.identity, GOOD).startswith(said)
    assert len(api.asked) == 1
    who = reviews.identity(GOOD)
    api.instead = [lambda handler: handler.answer(code, {"kind": "Status"})]
    assert away(who.may, "team-a", Role.WRITE).startswith(said.replace("TokenReview", "SubjectAccessReview"))
    assert who.may("team-a", Role.WRITE)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"<html>welcome to the hotel's network</html>", 200),
        (b"", 200),
        (b"null", 201),
        (b"[]", 201),
        (b"{}", 201),
        (b'{"kind": "TokenReview"}', 201),
        (b'{"kind": "Status", "status": "Success"}', 200),
        (b'{"kind": "SubjectAccessReview", "status": {"authenticated": true, "allowed": true}}', 201),
        (b'{"kind": "TokenReview", "status": {"authenticated": true, "user"', 201),
        (b"\xff\xfe\x00", 201),
        (b"[" * 100_000, 201),
        (b'{"kind": "TokenReview", "status": {"authenticated": true, "user": {"username": 1}}}', 201),
    ],
)
def test_nonsense_lets_nobody_in_and_turns_nobody_away(api, reviews, answer, code):
    api.instead = [lambda handler: handler.answer(code, answer)]
    assert away(reviews.identity, GOOD) == "answers with something that is no TokenReview"
    assert reviews.identity(GOOD)


def test_an_answer_without_end_is_cut(api, reviews):
    api.instead = [lambda handler: handler.answer(201, b" " * (1 << 22))]
    assert away(reviews.identity, GOOD) == "answers without end"


def test_a_redirect_gets_no_token(api, reviews):
    for code in (301, 302, 303, 307, 308):
        target = {"location": f"http://127.0.0.1:{api.port}/elsewhere"}
        api.instead = [lambda handler, code=code, target=target: handler.answer(code, {}, **target)]
        assert away(reviews.identity, GOOD).startswith(f"answers {code}")
    assert api.elsewhere == []


def test_a_server_that_hangs_is_given_up_and_not_waited_for_again(api, reviews):
    api.instead = [lambda _: api.released.wait(60)]
    assert away(reviews.identity, GOOD) == "gave no answer within 0.5 s"
    assert away(reviews.identity, GOOD) == "did not answer just now; ask again in a second"
    assert len(api.asked) == 1


def test_an_answer_that_drips_is_given_up(api, reviews):
    def drip(handler):
        handler.send_response(201)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not api.released.wait(0.05):
                handler.wfile.write(b" ")

    api.instead = [drip]
    assert away(reviews.identity, GOOD) == "gave no answer within 0.5 s"


def test_a_connection_that_breaks_is_tried_again_once(api, reviews, monkeypatch):
    wait_out_the_pause(monkeypatch)

    def cut(handler):
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    api.instead = [cut]
    assert reviews.identity(GOOD)
    assert len(api.asked) == 2
    api.instead = [cut, cut]
    assert away(reviews.identity, "katib_other") == "breaks off its answers"
    assert len(api.asked) == 4


def test_an_answer_that_is_cut_short_is_none(api, reviews, monkeypatch):
    wait_out_the_pause(monkeypatch)

    def short(handler):
        handler.send_response(201)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"kind": "TokenReview", "status": {"authenticated": false}}')
        handler.close_connection = True

    api.instead = [short, short]
    assert away(reviews.identity, GOOD) == "breaks off its answers"
    assert reviews.identity(GOOD)


def test_a_server_that_is_gone_and_comes_back(api, reviews, monkeypatch):
    wait_out_the_pause(monkeypatch)
    who = reviews.identity(GOOD)
    assert who.may("team-a", Role.WRITE)
    api.stop()
    assert away(reviews.identity, "katib_other") == "cannot be reached (NewConnectionError)"
    assert away(who.may, "team-b", Role.READ) == "cannot be reached (NewConnectionError)"
    # What was found out before still holds.
    assert reviews.identity(GOOD).may("team-a", Role.WRITE)
    with ApiServer(api.port):
        with pytest.raises(Unauthenticated):
            reviews.identity("katib_other")
        assert not who.may("team-b", Role.READ)


def test_many_at_once_ask_a_few_times_and_all_get_the_answer(api, reviews):
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda _: reviews.identity(GOOD).may("team-a", Role.WRITE), range(200)))
    assert found == [True] * 200
    kinds = [body["kind"] for _, body in api.asked]
    assert kinds.count("TokenReview") <= 30


def test_a_server_that_hangs_holds_nobody_for_long(api, reviews):
    api.instead = [lambda _: api.released.wait(60)] * 100
    begun = time.monotonic()
    with ThreadPoolExecutor(40) as pool:
        told = list(pool.map(lambda number: away(reviews.identity, f"katib_{number}"), range(40)))
    assert time.monotonic() - begun < 60  # as long as one hangs; not forty
    assert len(told) == 40
    assert len(api.asked) <= 8


def test_a_token_file_goes_on_when_kubernetes_is_away(api, tmp_path):
    file = tmp_path / "tokens.yaml"
    file.write_text("tokens: [{name: ci, token: katib_token-of-the-file, namespaces: {team-a: write}}]")
    file.chmod(0o600)
    asked = authenticator_for(AccessOptions(loopback=False, token_file=file, token_review=True))
    assert asked.identity(GOOD).name == USER["username"]
    api.instead = [lambda handler: handler.answer(500, {})] * 9
    assert asked.identity("katib_token-of-the-file").name == "ci"
    assert away(asked.identity, "katib_other").startswith("answers 500")


def test_a_token_file_that_is_replaced_all_the_time_is_always_whole(tmp_path):
    from katib.access.token_file import TokenFile

    path = tmp_path / "tokens.yaml"
    texts = [
        f"tokens: [{{name: ci, token: katib_token-of-the-file, namespaces: {{team-a: {role}}}}}]"
        for role in ("read", "write")
    ]
    path.write_text(texts[0])
    file = TokenFile(path)
    stop = threading.Event()

    def replace():
        number = 0
        while not stop.is_set():
            number += 1
            new = tmp_path / "new"
            new.write_text(texts[number % 2])
            os.replace(new, path)  # noqa: PTH105 - the call that is meant

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        roles = {max(file.identity("katib_token-of-the-file").grants.values()) for _ in range(2_000)}
    finally:
        stop.set()
        thread.join()
    assert roles <= {Role.READ, Role.WRITE}
