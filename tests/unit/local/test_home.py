"""Where local mode keeps its things, and who may drive an experiment."""

import os
import shutil
from pathlib import Path

import pytest

from katib.errors import Conflict, InvalidInput, RunnerError
from katib.local.home import Home


def test_home_is_the_stated_one_then_the_environments_then_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("KATIB_HOME", str(tmp_path / "environment"))
    assert Home.find(str(tmp_path / "stated")).path == tmp_path / "stated"
    assert Home.find().path == tmp_path / "environment"
    monkeypatch.delenv("KATIB_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert Home.find().path == tmp_path / "data" / "katib"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # to be ignored, says the XDG specification
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.find().path == tmp_path / ".local" / "share" / "katib"


def test_user_without_a_home_directory_is_told_what_to_do(monkeypatch):
    monkeypatch.delenv("KATIB_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    def nobody(_cls):
        message = "Could not determine home directory."
        raise RuntimeError(message)

    monkeypatch.setattr(Path, "home", classmethod(nobody))
    with pytest.raises(InvalidInput, match="KATIB_HOME"):
        Home.find()


def test_finding_a_home_creates_nothing(tmp_path):
    Home.find(str(tmp_path / "home")).is_driven("uid")
    assert list(tmp_path.iterdir()) == []


def test_one_process_drives_and_the_other_is_told_which(tmp_path):
    home = Home(tmp_path)
    assert not home.is_driven("u")
    with home.driving("u", "exp"):
        assert home.is_driven("u")
        assert not home.is_driven("other")
        # A second open of the file is a second holder, in this process as in any other.
        with pytest.raises(Conflict, match=rf"'exp' is being run by process {os.getpid()}; `katib stop exp`"):
            home.driving("u", "exp").__enter__()
    assert not home.is_driven("u")
    with home.driving("u", "exp"):
        assert home.is_driven("u")


@pytest.mark.parametrize("away", [shutil.rmtree, lambda folder: folder.rename(folder.with_name("elsewhere"))])
def test_right_to_drive_is_worth_nothing_without_the_folder(tmp_path, away):
    home = Home(tmp_path)
    with home.driving("u", "exp") as make_sure_it_is_there:
        make_sure_it_is_there()
        away(home.experiment_folder("u"))
        with pytest.raises(RunnerError, match="was removed while experiment 'exp' ran"):
            make_sure_it_is_there()
        with home.driving("u", "exp"), pytest.raises(RunnerError):  # another process may drive it now
            make_sure_it_is_there()


def test_right_to_drive_ends_with_its_process(tmp_path):
    home = Home(tmp_path)
    child = os.fork()
    if child == 0:
        home.driving("u", "exp").__enter__()
        os._exit(0)
    os.waitpid(child, 0)
    with home.driving("u", "exp"):
        pass


def test_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "experiments").write_text("a file")
    with pytest.raises(RunnerError, match="cannot write"), Home(tmp_path).driving("u", "exp"):
        pass


def test_removing_an_experiment_twice_is_fine(tmp_path):
    home = Home(tmp_path)
    with home.driving("u", "exp"):
        pass
    home.remove_experiment("u")
    home.remove_experiment("u")
    assert not home.experiment_folder("u").exists()


def test_folders_are_for_their_owner_only(tmp_path):
    home = Home(tmp_path / "home")
    with home.driving("u", "exp"):
        assert home.experiment_folder("u").stat().st_mode & 0o077 == 0
