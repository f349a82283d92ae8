"""What a caller gets of an API server: the object, or one sentence of the server's with a type that says what to do."""

import subprocess
import sys
import time

import pytest
from fake_api_server import SilentProxy, config_map, status
from kube_world import client_of, kubeconfig

from katib.errors import Conflict as AnyConflict
from katib.errors import Denied, InvalidInput, KatibError, Overloaded, RemoteFault, Retry, Unsupported
from katib.errors import NotFound as AnyNotFound
from katib.errors import Unauthenticated as AnyUnauthenticated
from katib.kube import errors
from katib.kube.client import Client
from katib.kube.resource import CONFIG_MAPS, EVENTS, JOBS, NAMESPACES, Resource


def say(api, *answers):
    api.answers = [(code, document, headers) for code, document, headers in answers]
    api.answers.append((200, config_map("a", 1), {}))


ANSWERS = [
    (404, status(404, "NotFound"), errors.NotFound, AnyNotFound),
    (404, b"404 page not found\n", errors.UnknownKind, AnyNotFound),
    (409, status(409, "AlreadyExists"), errors.AlreadyExists, AnyConflict),
    (409, status(409, "Conflict"), errors.Conflict, AnyConflict),
    (401, status(401, "Unauthorized"), errors.Unauthenticated, AnyUnauthenticated),
    (403, status(403, "Forbidden"), errors.Forbidden, Denied),
    (422, status(422, "Invalid"), errors.Invalid, InvalidInput),
    (400, status(400, "BadRequest"), errors.Invalid, InvalidInput),
    (410, status(410, "Expired"), errors.Gone, AnyNotFound),
    (429, status(429, "TooManyRequests"), errors.TooManyRequests, Overloaded),
    (500, status(500, "InternalError"), errors.ServerAway, RemoteFault),
    (502, b"<html>Bad Gateway</html>", errors.ServerAway, RemoteFault),
    (418, b"teapot", errors.StrangeAnswer, RemoteFault),
    (302, b"elsewhere", errors.StrangeAnswer, RemoteFault),
    (200, b"no JSON", errors.StrangeAnswer, RemoteFault),
    (200, b"[]", errors.StrangeAnswer, RemoteFault),
]


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: f"{row[0]}-{row[2].__name__}")
def test_each_answer_has_its_type_and_the_server_s_own_words(api, client, row):
    code, document, kind, general = row
    api.answers = (code, document, {})
    with pytest.raises(KatibError) as caught:
        client.create(CONFIG_MAPS, {"metadata": {"name": "a"}}, "team")
    assert type(caught.value) is kind
    assert isinstance(caught.value, general)
    words = "said the server" if isinstance(document, dict) else {200: "answers with something"}.get(code)
    assert (words or document.decode().strip()) in str(caught.value)
    assert "/api/v1/namespaces/team/configmaps" in str(caught.value)


def test_causes_of_a_refusal_are_problems(api, client):
    causes = [{"field": "spec.a", "message": "must be more", "reason": "FieldValueInvalid"}]
    api.answers = (422, status(422, "Invalid", "a is invalid: spec.a: must be more", causes=causes), {})
    with pytest.raises(errors.Invalid, match="a is invalid") as caught:
        client.get(CONFIG_MAPS, "a", "team")
    assert [(each.path, each.message) for each in caught.value.problems] == [("spec.a", "must be more")]
    assert errors.has_cause(caught.value, "FieldValueInvalid")
    assert not errors.has_cause(caught.value, "NamespaceTerminating")


def test_reading_is_repeated_while_the_server_fails(api, client):
    say(api, (500, status(500, "InternalError"), {}), (429, status(429, "TooManyRequests"), {"Retry_After": "0"}))
    assert client.get(CONFIG_MAPS, "a", "team")["metadata"]["name"] == "a"
    assert [count for _, count in sorted(client.requests.counts().items())] == [1, 1, 1]
    assert client.requests.total(verb="get", resource="configmaps", code=500) == 1


def test_creating_is_not_repeated_when_it_may_have_been_done(api, client):
    say(api, (500, status(500, "InternalError"), {}))
    with pytest.raises(errors.ServerAway) as caught:
        client.create(CONFIG_MAPS, config_map("a", 1), "team")
    assert caught.value.maybe_done
    assert caught.value.retry is Retry.LATER
    assert len(api.requests) == 1


def test_creating_is_repeated_when_it_was_certainly_not_done(api, client):
    say(api, (429, status(429, "TooManyRequests"), {"Retry_After": "0"}))
    assert client.create(CONFIG_MAPS, config_map("a", 1), "team")["metadata"]["name"] == "a"
    assert len(api.requests) == 2


def test_server_that_asks_for_more_time_than_there_is_is_not_waited_for(api, client):
    api.answers = (429, status(429, "TooManyRequests"), {"Retry_After": "3600"})
    with pytest.raises(errors.TooManyRequests) as caught:
        client.get(CONFIG_MAPS, "a", "team")
    assert errors.retry_after(caught.value) == 3600
    assert len(api.requests) == 1


def test_attempts_are_few(api, client):
    api.answers = (503, b"", {})
    with pytest.raises(errors.ServerAway):
        client.get(CONFIG_MAPS, "a", "team", timeout=60)
    assert len(api.requests) == 4


def test_silence_costs_no_more_than_the_time_of_the_request(api, tmp_path):
    proxy = SilentProxy(api.port)
    proxy.silent.set()
    with client_of(proxy.url, tmp_path) as client:
        begun = time.monotonic()
        with pytest.raises(errors.ServerAway, match="did not answer within"):
            client.get(CONFIG_MAPS, "a", "team", timeout=0.3)
        assert time.monotonic() - begun < 30  # and not the 75 s of a watch
        assert client.requests.total(code=0) == 1
    proxy.close()


def test_answer_that_drips_is_given_up(api, client):
    def drip(handler, _verb, _query):
        handler.begin_stream()
        while True:
            handler.chunk(b" ")
            time.sleep(0.05)

    api.on_request = drip
    with pytest.raises(errors.ServerAway, match="in time"):
        client.get(CONFIG_MAPS, "a", "team", timeout=0.5)


def test_refused_connection_is_one_sentence(api, client):
    api.stop()
    with pytest.raises(errors.ServerAway, match=r"127\.0\.0\.1:\d+ cannot be reached") as caught:
        client.create(CONFIG_MAPS, config_map("a", 1), "team", timeout=0.3)
    assert not caught.value.maybe_done
    assert "\n" not in str(caught.value)
    api.start()


def test_fenced_client_asks_before_each_attempt_to_write_and_not_to_read(api, client):
    asked = []

    def leading_once():
        asked.append(len(api.requests))
        if len(asked) > 1:
            raise errors.NotLeading("not leading")

    api.put("a")
    fenced = client.fenced(leading_once)
    assert fenced.get(CONFIG_MAPS, "a", "team")
    assert fenced.list(CONFIG_MAPS, "team")
    assert asked == []
    say(api, (503, b"", {}))
    with pytest.raises(errors.NotLeading):
        fenced.merge_patch(CONFIG_MAPS, "a", {"data": {"x": "1"}}, "team")
    assert asked == [2, 3]
    assert len(api.requests) == 3
    writes = [
        lambda: fenced.create(CONFIG_MAPS, config_map("b", 1), "team"),
        lambda: fenced.apply(CONFIG_MAPS, config_map("b", 1)),
        lambda: fenced.json_patch(CONFIG_MAPS, "a", [], "team"),
        lambda: fenced.delete(CONFIG_MAPS, "a", "team"),
        lambda: fenced.delete_collection(CONFIG_MAPS, "team", label_selector="x"),
        lambda: fenced.request("POST", "/anything"),
    ]
    for write in writes:
        with pytest.raises(errors.NotLeading):
            write()
    assert len(api.requests) == 3
    assert fenced.requests is client.requests


def test_delete_says_whether_it_was_there(api, client):
    api.put("a")
    assert client.delete(CONFIG_MAPS, "a", "team")
    assert not client.delete(CONFIG_MAPS, "a", "team")
    text = "Precondition failed: UID in precondition: x, UID in object meta: y"
    api.answers = (409, status(409, "Conflict", text), {})
    assert not client.delete(CONFIG_MAPS, "a", "team", uid="x")
    with pytest.raises(errors.Conflict):
        client.delete(CONFIG_MAPS, "a", "team")


def test_everything_is_not_deleted_by_an_empty_selector(client):
    with pytest.raises(ValueError, match="selector"):
        client.delete_collection(CONFIG_MAPS, "team", label_selector="")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_name_that_leaves_its_place_in_a_path_is_refused(client, name):
    with pytest.raises(InvalidInput, match="no name"):
        client.get(CONFIG_MAPS, name, "team")
    with pytest.raises(InvalidInput, match="no name"):
        client.get(CONFIG_MAPS, "a", name or "..")


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (CONFIG_MAPS, ("team", "a"), "/api/v1/namespaces/team/configmaps/a"),
        (JOBS, (None, None), "/apis/batch/v1/jobs"),
        (JOBS, ("team", "a", "status"), "/apis/batch/v1/namespaces/team/jobs/a/status"),
        (NAMESPACES, ("ignored", "a"), "/api/v1/namespaces/a"),
        (EVENTS, ("team", "a/../../b?c"), "/api/v1/namespaces/team/events/a%2F..%2F..%2Fb%3Fc"),
    ],
)
def test_paths(resource, arguments, path):
    assert resource.path(*arguments) == path


GROUP = {
    "kind": "APIResourceList",
    "resources": [
        {"name": "widgets", "kind": "Widget", "namespaced": True},
        {"name": "widgets/status", "kind": "Widget", "namespaced": True},
        {"name": "planets", "kind": "Planet", "namespaced": False},
    ],
}


def test_kinds_of_a_group_cost_one_question(api, client):
    api.answers = (200, GROUP, {})
    assert client.resource_for("example.com/v1", "Widget") == Resource("example.com", "v1", "widgets", "Widget")
    assert client.resource_for("example.com/v1", "Planet") == Resource(
        "example.com", "v1", "planets", "Planet", namespaced=False
    )
    assert len(api.requests) == 1


def test_kind_that_is_not_there_is_asked_for_again_but_not_by_each_who_wants_it(api, client):
    clock = client._discovery._clock = Clock()
    api.answers = (404, b"404 page not found\n", {})
    for _ in range(100):
        with pytest.raises(errors.UnknownKind, match=r"no Widget of example\.com/v1"):
            client.resource_for("example.com/v1", "Widget")
    assert len(api.requests) == 1
    clock.now += 6
    api.answers = (200, GROUP, {})
    assert client.resource_for("example.com/v1", "Widget").plural == "widgets"
    with pytest.raises(errors.UnknownKind):
        client.resource_for("example.com/v1", "Gadget")
    assert len(api.requests) == 2


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("api_version", ["", "/", "a/b/c", "../v1", "a/.."])
def test_api_version_that_is_none_is_refused(client, api_version):
    with pytest.raises(InvalidInput):
        client.resource_for(api_version, "Widget")


def test_token_of_a_pod_is_read_again_when_it_was_exchanged(api, tmp_path, monkeypatch):
    from kubernetes.config import incluster_config

    token = tmp_path / "token"
    token.write_text("first")
    certificate = tmp_path / "ca.crt"
    certificate.write_text("unused: the fake speaks plain HTTP")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate))
    monkeypatch.setattr(incluster_config, "_join_host_port", lambda host, port: f"{host}:{port}")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
    loader = incluster_config.InClusterConfigLoader._load_config

    def plain(self):
        loader(self)
        self.host, self.ssl_ca_cert = api.url, None

    monkeypatch.setattr(incluster_config.InClusterConfigLoader, "_load_config", plain)
    api.put("a")
    with Client.connect() as client:
        sent = []
        api.on_request = lambda handler, *_: sent.append(handler.headers["Authorization"].split()[1])
        client.get(CONFIG_MAPS, "a", "team")
        token.write_text("second")
        api.on_request = lambda handler, *_: (
            sent.append(handler.headers["Authorization"].split()[1])
            or (sent[-1] != "second" and handler.answer(401, status(401, "Unauthorized")) is None)
        )
        client.get(CONFIG_MAPS, "a", "team")
        assert sent == ["first", "first", "second"]


def test_without_a_cluster_it_says_how_to_get_to_one(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(Unsupported, match=r"there is no kubeconfig .*/missing"):
        Client.connect()
    broken = tmp_path / "broken"
    broken.write_text("clusters: [\n")
    with pytest.raises(Unsupported, match="no Kubernetes cluster"):
        Client.connect(kubeconfig=str(broken))


def test_unknown_context_is_named(api, tmp_path):
    with pytest.raises(Unsupported, match="elsewhere"):
        Client.connect(kubeconfig=kubeconfig(api.url, tmp_path), context="elsewhere")


def test_without_the_extra_it_is_one_sentence():
    program = (
        "import sys; sys.modules['kubernetes'] = None\n"
        "from katib.kube import client, reflector, lease, event_recorder, work_queue\n"
        "try: client.Client.connect()\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "Unsupported talking to Kubernetes needs: pip install 'katib[kubernetes]'\n"


def test_kubernetes_is_not_imported_before_it_is_needed():
    program = (
        "import sys\n"
        "from katib.kube import client, reflector, lease, event_recorder, work_queue\n"
        "print([name for name in ('kubernetes', 'urllib3') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_secret_is_in_no_error(api, tmp_path):
    api.answers = (500, b"", {})
    with client_of(api.url, tmp_path, token="-".join(["s3cret"] * 3)) as client:
        with pytest.raises(errors.ServerAway) as caught:
            client.get(CONFIG_MAPS, "a", "team", timeout=0.2)
        assert "s3cret" not in repr(caught.value)
