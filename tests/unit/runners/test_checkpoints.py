"""A trial's folder begins as a copy of its parent's: whole or not at all, once, and never of anything outside."""

import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import pytest

from katib.errors import InvalidInput, RunnerError
from katib.runners.checkpoints import inherit


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture
def parent(tmp_path):
    folder = inherit(tmp_path / "root", "parent", None)
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "weights").write_text("1 2 3")
    (folder / "deep" / "er" / "state").write_text("epoch 4")
    return folder


def test_trial_without_a_parent_has_an_empty_folder(tmp_path):
    folder = inherit(tmp_path / "a" / "root", "t-1", None)
    assert folder == tmp_path / "a" / "root" / "t-1"
    assert list(folder.iterdir()) == []


def test_child_begins_with_what_its_parent_left_and_changes_nothing_of_it(parent):
    child = inherit(parent.parent, "child", "parent")
    assert files(child) == files(parent) == {"weights": "1 2 3", "deep/er/state": "epoch 4"}
    (child / "weights").write_text("4 5 6")
    assert (parent / "weights").read_text() == "1 2 3"
    assert sorted(path.name for path in parent.parent.iterdir()) == [".lock", "child", "parent"]


def test_again_leaves_what_the_trial_did_since(parent):
    child = inherit(parent.parent, "child", "parent")
    (child / "weights").write_text("later")
    (parent / "weights").write_text("much later")
    assert inherit(parent.parent, "child", "parent") == child
    assert (child / "weights").read_text() == "later"


def test_missing_parent_is_told_and_the_child_begins_with_nothing(tmp_path, caplog):
    child = inherit(tmp_path, "child", "lost")
    assert list(child.iterdir()) == []
    assert "its parent lost has no folder" in caplog.text


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\0b", "a\n", "x" * 254, "-a"])
def test_names_cannot_leave_the_root(tmp_path, name):
    for trial, parent in ((name, None), ("child", name)):
        with pytest.raises(InvalidInput, match="no name of a trial"):
            inherit(tmp_path / "root", trial, parent)
    assert list(tmp_path.iterdir()) == []


def test_links_are_copied_as_links_and_never_followed(parent, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private")
    (parent / "out").symlink_to(secret)
    (parent / "key").symlink_to(secret / "key")
    (parent / "gone").symlink_to("nowhere")
    (parent / "circle").symlink_to(".")
    (parent / "latest").symlink_to("weights")
    (parent / "absolute").symlink_to(parent / "deep")
    child = inherit(parent.parent, "child", "parent")
    assert "private" not in files(child).values()
    assert all((child / name).is_symlink() for name in ("out", "key", "gone", "circle", "latest", "absolute"))
    assert (child / "latest").resolve() == child / "weights"
    assert (child / "absolute").resolve() == child / "deep"


@pytest.mark.parametrize("which", ["child", "parent"])
def test_link_or_file_in_the_place_of_a_folder_is_refused(tmp_path, which):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "key").write_text("private")
    root = tmp_path / "root"
    root.mkdir()
    (root / which).symlink_to(elsewhere)
    with pytest.raises(RunnerError, match="it is no folder"):
        inherit(root, "child", "parent")
    assert files(elsewhere) == {"key": "private"}


def test_what_is_no_file_is_left_out(parent):
    os.mkfifo(parent / "pipe")
    child = inherit(parent.parent, "child", "parent")
    assert sorted(path.name for path in child.iterdir()) == ["deep", "weights"]


def test_folders_that_may_not_be_written_are_copied_all_the_same(parent):
    (parent / "deep").chmod(0o500)
    child = inherit(parent.parent, "child", "parent")
    assert files(child) == files(parent)
    assert (child / "deep").stat().st_mode & 0o777 == 0o500


def test_very_deep_trees_are_copied(tmp_path):
    parent = inherit(tmp_path, "p", None)
    here = parent
    for _ in range(900):
        here /= "d"
    # One level at a time: the whole path is longer than a path may be given in one piece on some systems.
    here.mkdir(parents=True)
    (here / "x").write_text("deep")
    assert list(files(inherit(tmp_path, "c", "p")).values()) == ["deep"]


def test_full_disk_is_said_and_leaves_nothing(parent, monkeypatch):
    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(RunnerError, match=r"child as a copy of that of its parent parent: No space left on device"):
        inherit(parent.parent, "child", "parent")
    assert sorted(path.name for path in parent.parent.iterdir()) == [".lock", "parent"]
    monkeypatch.undo()
    assert files(inherit(parent.parent, "child", "parent")) == files(parent)


def test_root_that_is_a_file_is_said(tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(RunnerError, match="cannot make the folder"):
        inherit(tmp_path / "root", "child", None)


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from katib.runners.checkpoints import inherit
real, copied = shutil.copy2, []
def copy(*arguments, **more):
    copied.append(real(*arguments, **more))
    os.kill(os.getpid(), signal.SIGKILL)
shutil.copy2 = copy
inherit(Path(sys.argv[1]), "child", "parent")
"""


def test_killed_half_way_leaves_nothing_that_counts(parent):
    ended = subprocess.run([sys.executable, "-c", KILLED, str(parent.parent)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (parent.parent / "child").exists()
    assert files(inherit(parent.parent, "child", "parent")) == files(parent)
    assert sorted(path.name for path in parent.parent.iterdir()) == [".lock", "child", "parent"]


def _inherit(root):
    return str(inherit(root, "child", "parent"))


def test_many_at_once_make_one_folder(parent):
    for number in range(200):
        (parent / f"part{number}").write_text(str(number))
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        made = pool.map(_inherit, [parent.parent] * 8)
    assert set(made) == {str(parent.parent / "child")}
    assert files(parent.parent / "child") == files(parent)
