import os
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from katib.errors import InvalidInput, KatibError
from katib.store.artifacts import open_artifacts
from katib.store.artifacts.paths import artifact_path, folder_path, is_artifact_path

TRICKS = ["..", ".", "", "%2e%2e", "%2E%2E", "..%2f", "%2f", "..\\", "\\", "/", "//", "a", ".katib", "\0", "\n", "~", "\u2024\u2024",
          "\uff0e\uff0e", "\u2215", "\uff0f", "\ufb00", "e\u0301", "\u212b", "\ud800", "C:", "file:", " ", "\u202e", "\u037e", "x" * 255,
          "\u00e9" * 127]  # fmt: skip
HOSTILE = st.one_of(
    st.lists(st.sampled_from(TRICKS), max_size=6).map("/".join),
    st.lists(st.sampled_from([*TRICKS, "/"]), max_size=8).map("".join),
    st.text(st.characters(codec=None), max_size=40),
)


@pytest.fixture(scope="module")
def around(tmp_path_factory):
    folder = tmp_path_factory.mktemp("around")
    (folder / "secret").write_bytes(b"secret")
    return folder


def tree(folder):
    """Return all files, by their real places."""
    return {os.path.realpath(f"{at}/{name}") for at, _, names in os.walk(folder) for name in names}


@given(path=HOSTILE)
@example(path="../secret")
@example(path="a/../../secret")
@settings(max_examples=400, deadline=None)
def test_no_path_leaves_its_root(around, path):
    root = around / "root"
    store = open_artifacts(root)
    before = tree(around) - tree(root)
    try:
        stored = store.put(path, b"mine").path
    except KatibError:
        for call in (store.open, store.info, store.delete, store.begin):
            with pytest.raises(InvalidInput):
                call(path)
    else:
        assert is_artifact_path(stored)
        own = f"{os.path.realpath(root)}/.katib/"
        (file,) = (each for each in tree(root) if not each.startswith(own))
        assert file == f"{os.path.realpath(root)}/{stored}"
        assert store.open(path).read_all() == b"mine"
        assert [entry.path for entry in store.list(recursive=True).entries] == [stored]
        store.delete(path)
    assert tree(around) - tree(root) == before
    assert (around / "secret").read_bytes() == b"secret"
    assert store.list().entries == ()


@given(path=HOSTILE)
@settings(max_examples=400)
def test_path_that_is_accepted_has_only_plain_parts_and_is_accepted_again_as_it_is(path):
    try:
        stored = artifact_path(path)
    except InvalidInput:
        return
    assert artifact_path(stored) == stored
    assert stored == unicodedata.normalize("NFC", path)
    assert len(stored.encode()) <= 1_024
    for part in stored.split("/"):
        assert part not in {"", ".", ".."}
        assert len(part.encode()) <= 255
        assert not set(part) & set("\\\0\n\r")
    assert os.path.normpath(stored) == stored
    assert not stored.startswith("/")


def test_what_is_encoded_is_a_name():
    assert artifact_path("%2e%2e/%2fetc") == "%2e%2e/%2fetc"


def test_folder_may_end_with_one_slash_and_may_be_the_root():
    assert folder_path("") == ""
    assert folder_path("a/b/") == folder_path("a/b") == "a/b"
    for path in ("/", "a//", "//"):
        with pytest.raises(InvalidInput):
            folder_path(path)


def test_long_path_is_shown_in_part():
    with pytest.raises(InvalidInput, match="longer than 255 bytes") as caught:
        artifact_path("a" * 1_000)
    assert len(str(caught.value)) < 250
    with pytest.raises(InvalidInput, match="longer than 1,024 bytes"):
        artifact_path("a/" * 5_000 + "b")
