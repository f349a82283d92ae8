"""The process that makes a checkpoint folder: what it leaves, and what it says where it cannot."""

import os
import stat

import pytest

from katib.runners.checkpoint_folder import main


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_a_copy_of_the_parents_and_made_once(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "state").write_text("1")
    assert main([str(tmp_path), "b", "a"]) == 0
    assert (tmp_path / "b" / "deep" / "state").read_text() == "1"
    (tmp_path / "b" / "deep" / "state").write_text("2")
    assert main([str(tmp_path), "b", "a"]) == 0
    assert (tmp_path / "b" / "deep" / "state").read_text() == "2", "a pod that is started again finds what it left"


def test_it_is_open_where_nobody_knows_the_trainer(tmp_path):
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "a" / "state").write_text("1")
    (tmp_path / "a" / "state").chmod(0o640)
    (tmp_path / "a" / "link").symlink_to("/etc/passwd")
    before = mode(tmp_path / "a" / "link")
    assert main(["--open", str(tmp_path), "b", "a"]) == 0
    assert (mode(tmp_path / "b"), mode(tmp_path / "b" / "state")) == (0o777, 0o666)
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "state")) == (0o700, 0o640)
    assert mode(tmp_path / "b" / "link") == before, "what a link leads to is not touched"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_named(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "state").write_text("1")
    (tmp_path / "a" / "state").chmod(0)
    assert main([str(tmp_path), "b", "a"]) != 0
    assert "Permission denied" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_name_that_leads_elsewhere_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "c"), "../b"]) != 0
    assert "is no name of a trial" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_words_that_are_missing(capsys):
    assert main(["/x"]) == 2
    assert capsys.readouterr().err.startswith("usage:")
