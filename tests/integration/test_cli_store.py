"""``katib store upgrade`` and ``katib store check``, on files and on servers."""

from katib.cli.main import main
from katib.store import open_store


def test_a_store_on_a_server_is_made_and_checked(server, capsys):
    url = server.new_database()
    assert main(["store", "check", "--url", url]) == 10
    assert "run: katib store upgrade --url" in capsys.readouterr().err
    assert main(["store", "upgrade", "--url", url]) == 0
    assert "has been created with schema" in capsys.readouterr().out
    assert main(["store", "upgrade", "--url", url]) == 0
    assert "already" in capsys.readouterr().out
    assert main(["store", "check", "--url", url]) == 0
    told = capsys.readouterr()
    assert f"({server.name} " in told.out
    assert "p%40ss" not in told.out + told.err
    open_store(url).close()


def test_the_store_of_the_home_is_meant_without_a_url(tmp_path, capsys):
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "store", "check"]) == 10
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()
    assert main([*home, "store", "upgrade"]) == 0
    assert main([*home, "store", "check"]) == 0
    assert "SQLite" in capsys.readouterr().out


def test_a_url_of_nothing_known_is_refused(capsys):
    assert main(["store", "check", "--url", "oracle://host/db"]) == 6
    assert "postgresql+psycopg://" in capsys.readouterr().err
