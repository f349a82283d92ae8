import subprocess
import sys

from katib.local.provenance import code_in, python_of


def git(folder, *arguments):
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def repository(path):
    path.mkdir()
    git(path, "init", "-b", "main")
    (path / "train.py").write_text("print('loss=1')\n")
    git(path, "add", ".")
    git(path, "commit", "-m", "First")
    return path


def head(path):
    return subprocess.run(
        ["git", "-C", path, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_code_is_the_revision_of_the_folder(tmp_path):
    path = repository(tmp_path / "code")
    assert code_in(path) == {"dirty": False, "revision": head(path), "branch": "main"}


def test_code_that_was_changed_is_dirty(tmp_path):
    path = repository(tmp_path / "code")
    (path / "train.py").write_text("print('loss=2')\n")
    assert code_in(path)["dirty"] is True


def test_a_folder_below_the_repository_says_so(tmp_path):
    path = repository(tmp_path / "code")
    (path / "models" / "small").mkdir(parents=True)
    assert code_in(path / "models" / "small")["folder"] == "models/small"


def test_the_address_of_the_repository_has_no_password(tmp_path):
    path = repository(tmp_path / "code")
    git(path, "remote", "add", "origin", "https://somebody:secret@example.com/team/code.git")
    assert code_in(path)["repository"] == "https://example.com/team/code.git"
    git(path, "remote", "set-url", "origin", "git@example.com:team/code.git")
    assert code_in(path)["repository"] == "git@example.com:team/code.git"


def test_a_repository_without_a_commit_has_no_revision(tmp_path):
    git(tmp_path, "init", "-b", "main")
    assert code_in(tmp_path) == {"dirty": False, "branch": "main"}


def test_a_folder_of_no_repository_has_no_code(tmp_path):
    assert code_in(tmp_path) is None
    assert code_in(tmp_path / "absent") is None


def test_the_interpreter_tells_its_version_and_packages(tmp_path):
    told = python_of([sys.executable, "train.py"], tmp_path)
    assert told["python"] == sys.version.split()[0]
    names = [requirement.split("==")[0].lower() for requirement in told["requirements"]]
    assert "pytest" in names
    assert "pydantic" in names
    assert names == sorted(names)


def test_a_command_that_is_no_python_tells_nothing(tmp_path):
    for command in (None, [], ["/bin/sh", "-c", "python train.py"], ["python9.99", "train.py"], ["./pythonic"]):
        assert python_of(command, tmp_path) == {}
