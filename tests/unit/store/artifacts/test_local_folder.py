import pytest

from katib.testing.artifact_contract import ArtifactContract


class TestLocalFolder(ArtifactContract):
    @pytest.fixture
    def place(self, tmp_path):
        return str(tmp_path / "artifacts")

    def check_leftovers(self, store):
        assert store.purge(3_600) == 0
        assert store.purge(0) == 1
        assert store.purge(0) == 0
