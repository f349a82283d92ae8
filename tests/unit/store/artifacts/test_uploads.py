import hashlib

import pytest

from katib.errors import StoreUnavailable
from katib.store.artifacts import open_artifacts
from katib.store.artifacts.local_folder import LocalFolder
from katib.store.artifacts.store import ArtifactStore


class DyingFolder(LocalFolder):
    """A folder whose user dies before its n-th change, or just after it."""

    def __init__(self, root, left, *, after):
        super().__init__(root)
        self.left, self.after = left, after

    def _live(self, change):
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.after):
            raise StoreUnavailable("killed here")
        done = change()
        if self.left == 0:
            raise StoreUnavailable("killed here")
        return done

    def write(self, key, source, **options):
        return self._live(lambda: super(DyingFolder, self).write(key, source, **options))

    def delete(self, keys):
        for key in keys:
            self._live(lambda key=key: super(DyingFolder, self).delete([key]))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("left", [1, 2, 3, 4])
def test_commit_that_was_killed_anywhere_is_finished_by_the_next(tmp_path, left, after):
    store = open_artifacts(tmp_path / "root")
    upload = store.begin("model")
    parts = [(number, store.put_part(upload, number, b"%d" % number).sha256) for number in (1, 2)]
    dying = ArtifactStore(DyingFolder(tmp_path / "root", left, after=after))
    with pytest.raises(StoreUnavailable, match="killed here"):
        dying.commit(upload, parts)
    if store.exists("model"):
        assert store.open("model").read_all() == b"12"
    for _ in range(2):
        info = open_artifacts(tmp_path / "root").commit(upload, parts)
        assert (info.path, info.sha256) == ("model", hashlib.sha256(b"12").hexdigest())
        assert store.open("model").read_all() == b"12"
    assert store.purge(0) == 1
    assert [entry.path for entry in store.list(recursive=True).entries] == ["model"]
    assert list(store.uploads()) == []


def test_parts_that_came_after_an_abort_are_seen_and_purged(tmp_path):
    store = open_artifacts(tmp_path / "root")
    upload = store.begin("model")

    def aborted_meanwhile():
        yield b"1"
        store.abort(upload)
        yield b"2"

    store.put_part(upload, 1, aborted_meanwhile())
    (left,) = store.uploads()
    assert (left.id, left.path, left.size) == (upload, None, 2)
    assert store.purge(0) == 1
    assert list(store.uploads()) == []
