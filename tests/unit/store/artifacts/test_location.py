import builtins
import os
from pathlib import Path

import pytest

from katib.errors import Denied, InvalidInput, StoreUnavailable, Unsupported
from katib.store.artifacts import open_artifacts


@pytest.fixture(autouse=True)
def no_keys_of_this_machine(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)


def test_folder_by_path_and_by_url(tmp_path):
    folder = tmp_path / "with space/é"
    for url in (
        folder,
        str(folder),
        f"file://{tmp_path}/with%20space/%C3%A9",
        f"file://localhost{tmp_path}/with%20space/é",
    ):
        store = open_artifacts(url)
        assert store.place == str(folder)
        assert repr(store) == f"ArtifactStore({str(folder)!r})"
    assert folder.is_dir()


@pytest.mark.parametrize(
    "url",
    [
        "file://host/path",
        "file:///",
        "file:///a?b=c",
        "file:///a#b",
        "file:///a%00b",
        "s3://",
        "s3:///a",
        "s3://user:hidden@bucket/a",
        "s3://bucket:99999999/a",
        "s3://bucket:80/a",
        "s3://[bucket/a",
        "s3://bucket/a/../b",
        "s3://bucket/a//b",
        "s3://bucket/.katib",
        "s3://bucket/a%00",
        "s3://bucket/a#hidden",
        "s3://bucket?region=a&region=hidden",
        "s3://bucket?nonsense=hidden",
        "s3://bucket?insecure_http=hidden",
        "s3://bucket?endpoint=http://storage.example:9000&secret_access_key=hidden",
        "gs://bucket?service_account_key=hidden",
        "az://container?account_key=hidden",
    ],
)
def test_url_that_cannot_be_meant_is_refused_without_its_secrets(url):
    pytest.importorskip("obstore")
    with pytest.raises(InvalidInput) as caught:
        open_artifacts(url)
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("url", ["ftp://host/path", "http://host/path", "memory://", "katib://x"])
def test_other_places_are_named_as_not_possible(url):
    with pytest.raises(Unsupported, match="give a path, file:///path, s3://"):
        open_artifacts(url)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3a://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket/a%20b?region=eu-west-1&virtual_hosted_style_request=true", "s3://bucket/a b"),
        ("s3://bucket?endpoint=http://127.0.0.1:1", "s3://bucket"),
        ("s3://bucket?endpoint=http://localhost:1", "s3://bucket"),
        ("s3://bucket?endpoint=https://storage.example", "s3://bucket"),
        ("s3://bucket?endpoint=http://storage.example&insecure_http=true", "s3://bucket"),
        ("gs://bucket/a?skip_signature=true", "gs://bucket/a"),
        ("az://container/a?account_name=n&account_key=aGlkZGVu", "az://container/a"),
    ],
)
def test_buckets_are_opened_without_being_asked(url, place):
    pytest.importorskip("obstore")
    assert open_artifacts(url).place == place


def test_without_the_extra_a_bucket_names_it_and_a_folder_needs_nothing(tmp_path, monkeypatch):
    original = builtins.__import__

    def refuses(name, *arguments, **options):
        if name.startswith("obstore"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuses)
    with pytest.raises(Unsupported, match=r"pip install 'katib\[artifacts\]'"):
        open_artifacts("s3://bucket/a")
    assert open_artifacts(tmp_path / "a").put("b", b"x").size == 1


def test_folder_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises((StoreUnavailable, Denied), match="cannot make the folder"):
            open_artifacts(path)


def test_home_is_understood(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_artifacts("~/artifacts").place == str(Path(tmp_path) / "artifacts")
