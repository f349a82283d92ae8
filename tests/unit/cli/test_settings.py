"""What the user said nearest to the command counts; then the environment; then the default."""

from pathlib import Path

import pytest

from katib.cli.settings import Settings
from katib.errors import InvalidInput, StoreUnavailable


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in ("KATIB_HOME", "KATIB_NAMESPACE", "NO_COLOR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().home.path == tmp_path / ".local" / "share" / "katib"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Settings().home.path == Path("/data/katib")
    monkeypatch.setenv("KATIB_HOME", "/from/environment")
    assert Settings().home.path == Path("/from/environment")
    assert Settings(home_path="/stated").home.path == Path("/stated")
    assert Settings(home_path="~/here").home.path == tmp_path / "here"


def test_user_without_a_home_is_told_what_to_set(monkeypatch):
    def nobody(_path):
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", lambda: nobody(None))
    with pytest.raises(InvalidInput, match="KATIB_HOME"):
        _ = Settings().home


def test_namespace(monkeypatch):
    assert (Settings().namespace, Settings().chosen_namespace) == ("default", None)
    monkeypatch.setenv("KATIB_NAMESPACE", "")
    assert (Settings().namespace, Settings().chosen_namespace) == ("default", None)
    monkeypatch.setenv("KATIB_NAMESPACE", "team")
    assert (Settings().namespace, Settings().chosen_namespace) == ("team", "team")
    assert Settings(stated_namespace="mine").namespace == "mine"


def test_later_words_count_more_and_switches_stay_on():
    first = Settings().merged(home="a", namespace="one", no_color=True)
    second = first.merged(namespace="two", verbose=True)
    assert second == Settings("a", "two", no_color=True, verbose=True)
    assert second.merged() == second


@pytest.mark.parametrize(
    ("terminal", "environment", "no_color", "wanted"),
    [
        (True, {}, False, True),
        (False, {}, False, False),
        (True, {}, True, False),
        (True, {"NO_COLOR": "1"}, False, False),
        (True, {"NO_COLOR": ""}, False, True),
        (True, {"TERM": "dumb"}, False, False),
    ],
)
def test_colour(monkeypatch, terminal, environment, no_color, wanted):
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert Settings(no_color=no_color).color is wanted


def test_store_is_made_where_it_is_missing_and_nobody_else_may_read_it(tmp_path):
    home = tmp_path / "a" / "b"
    with Settings(home_path=str(home)).open_store() as store:
        assert store.experiments() == []
    assert home.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_home_that_cannot_be_a_folder_is_a_sentence(tmp_path, place):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreUnavailable, match=r"file.*(it is a file, not a folder|Not a directory)"),
        Settings(home_path=str(tmp_path / place)).open_store(),
    ):
        pass
