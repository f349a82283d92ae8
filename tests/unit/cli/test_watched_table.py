"""``get -w`` prints what is new, once."""

from katib.cli.watched_table import WatchedTable

HEADING = ["NAME", "STATUS", "AGE"]


def shown(capsys, table, *rows):
    table.show(HEADING, [list(row) for row in rows])
    return capsys.readouterr().out.splitlines()


def test_only_changed_rows_are_printed_again_and_the_heading_once(capsys):
    table = WatchedTable("nothing", passing={2})
    assert shown(capsys, table, ("a", "Running", "1s"), ("b", "Running", "1s")) == [
        "NAME   STATUS    AGE",
        "a      Running   1s",
        "b      Running   1s",
    ]
    assert shown(capsys, table, ("a", "Running", "2s"), ("b", "Failed", "2s")) == ["b      Failed    2s"]
    assert shown(capsys, table, ("a", "Running", "3s"), ("b", "Failed", "3s")) == []


def test_rows_of_one_name_in_two_namespaces_are_two(capsys):
    table = WatchedTable("nothing", passing=(), key=2)
    table.show(["NS", "NAME", "S"], [["one", "a", "1"], ["two", "a", "1"]])
    assert len(capsys.readouterr().out.splitlines()) == 3
    table.show(["NS", "NAME", "S"], [["one", "a", "1"], ["two", "a", "2"]])
    assert capsys.readouterr().out.split() == ["two", "a", "2"]


def test_empty_list_is_told_once_and_a_later_row_brings_the_heading(capsys):
    table = WatchedTable("no experiments", passing={2})
    table.show(HEADING, [])
    table.show(HEADING, [])
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no experiments\n")
    assert shown(capsys, table, ("a", "Running", "1s"))[0].startswith("NAME")
