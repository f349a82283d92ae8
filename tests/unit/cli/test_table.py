"""Tables that eyes and awk can read."""

from katib.cli.table import table_lines


def test_columns_are_aligned_and_empty_cells_are_dashes():
    assert list(table_lines(["NAME", "N"], [["a", "1"], ["longer", ""]])) == [
        "NAME     N",
        "a        1",
        "longer   -",
    ]


def test_wide_characters_take_two_cells():
    assert list(table_lines(["NAME", "N"], [["表表表", "1"]])) == ["NAME     N", "表表表   1"]


def test_cells_are_made_safe_before_they_are_measured():
    heading, row = table_lines(["A", "B"], [["\x1b[2J", "x\ny"]])
    assert row == "\\x1b[2J   x\\ny"
    assert heading.index("B") == row.index("x\\ny")


def test_rows_that_are_added_keep_the_columns_of_the_table_before():
    assert list(table_lines((), [["a", "1"]], widths=[6, 1])) == ["a        1"]
    assert list(table_lines((), [["much longer", "1"]], widths=[6, 1])) == ["much longer   1"]


def test_nothing_is_nothing():
    assert list(table_lines((), [])) == []
    assert list(table_lines(["A"], [])) == ["A"]
