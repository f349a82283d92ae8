"""The same files over HTTP and gRPC at once: one file, and the record is its, whoever wrote it last."""

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import requests
from mlflow_served import ServedHttp, whole
from tracking_client import connected, refused, uploading

NAMESPACE = "default"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    with whole(ServedHttp(f"sqlite:///{folder / 'katib.db'}", "--artifacts", str(folder / "files"))) as server:
        server.files = folder / "files"
        yield server


@pytest.fixture
def client(server):
    with connected(server, NAMESPACE) as client:
        yield client


@pytest.fixture
def run(client):
    return client.CreateRun()


def url_of(server, run, path):
    return f"{server.base}/api/2.0/mlflow-artifacts/artifacts/{run.project_id}/{run.id}/artifacts/{path}"


def downloaded(client, run, path):
    first, *rest = client.DownloadArtifact(run_id=run.id, path=path)
    return first.artifact, b"".join(part.chunk for part in rest)


def write_at_once(servers, client, run, path, contents):
    """Let one half write over gRPC and the other over HTTP of any of the servers."""

    def write(number):
        content = contents[number]
        if number % 2:
            client.UploadArtifact(requests=uploading(run.id, path, content, namespace=NAMESPACE, piece=10_000))
        else:
            server = servers[number % 4 // 2 % len(servers)]
            assert requests.put(url_of(server, run, path), data=content, timeout=60).status_code == 200

    with ThreadPoolExecutor(len(contents)) as threads:
        list(threads.map(write, range(len(contents))))


def check(server, client, run, path, contents):
    record, content = downloaded(client, run, path)
    assert content in contents
    assert (record.size, record.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    answer = server.session.get(url_of(server, run, path))
    assert (answer.content, answer.headers["etag"]) == (content, f'"{record.sha256}"')
    (file,) = [file for file in server.files.rglob(path) if run.id in file.parts]
    assert file.read_bytes() == content


def test_writers_over_both_leave_one_file_and_its_record(server, client, run):
    # Two of each size, so that a size does not tell them apart.
    contents = [bytes([number]) * (100_000 + number // 2) for number in range(8)]
    for _ in range(5):
        write_at_once([server], client, run, "same.bin", contents)
        check(server, client, run, "same.bin", contents)
    assert [artifact.path for artifact in client.ListArtifacts(run_id=run.id).artifacts] == ["same.bin"]


def test_writers_in_two_replicas_leave_one_file_and_its_record(postgresql, tmp_path):
    contents = [bytes([number]) * (100_000 + number // 2) for number in range(8)]
    url, files = postgresql.new_store(), tmp_path / "files"
    with (
        whole(ServedHttp(url, "--artifacts", str(files))) as server,
        whole(ServedHttp(url, "--artifacts", str(files))) as other,
        connected(server, NAMESPACE) as client,
    ):
        server.files = files
        run = client.CreateRun()
        for _ in range(3):
            write_at_once([server, other], client, run, "same.bin", contents)
            check(server, client, run, "same.bin", contents)


def test_writers_and_those_who_delete_leave_both_or_nothing(server, client, run):
    def write(number):
        answer = requests.put(url_of(server, run, "d/f"), data=bytes([number]) * 1_000, timeout=60)
        # Who was deleted before it was recorded is told so.
        assert answer.status_code == 200 or "deleted while it was stored" in answer.text, answer.text

    def delete(number):
        if number % 2:
            assert requests.delete(url_of(server, run, "d"), timeout=60).status_code == 200
            return
        with contextlib.suppress(grpc.RpcError):  # NotFound: somebody else was faster
            client.DeleteArtifact(run_id=run.id, path="d/f")

    for _ in range(5):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: (write, delete)[number // 4](number), range(8)))
        recorded = [artifact.path for artifact in client.ListArtifacts(run_id=run.id).artifacts]
        stored = [file.name for file in server.files.rglob("f") if run.id in file.parts]
        assert len(recorded) == len(stored)


def test_a_file_that_was_changed_is_refused_in_a_sentence_over_both(server, client, run):
    client.UploadArtifact(requests=uploading(run.id, "f", b"right", namespace=NAMESPACE))
    (file,) = [file for file in server.files.rglob("f") if run.id in file.parts]
    for wrong in (b"wrong", b"longer"):
        file.write_bytes(wrong)
        answer = server.session.get(url_of(server, run, "f"))
        assert answer.status_code == 409
        assert "is not what was recorded" in answer.json()["message"]
        with refused(grpc.StatusCode.DATA_LOSS):
            downloaded(client, run, "f")


def test_the_end_of_a_large_file_that_was_changed_is_not_sent(server, client, run):
    content = bytes(range(256)) * 10_000
    client.UploadArtifact(requests=uploading(run.id, "large", content, namespace=NAMESPACE))
    (file,) = [file for file in server.files.rglob("large") if run.id in file.parts]
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(requests.RequestException):
        server.session.get(url_of(server, run, "large"))
