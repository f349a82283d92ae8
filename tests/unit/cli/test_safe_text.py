"""Nothing that came from a trial or a file can steer the terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.cli.safe_text import COLOUR_END, one_line, printable, split_colour, terminal_safe_log, width

ANYTHING = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("naïve λ 🧪 表", "naïve λ 🧪 表"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\rxyz", "abc\\rxyz"),
        ("x\u202eecafrus", "x\\u202eecafrus"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u2066isolate\u2069", "\\u2066isolate\\u2069"),
        ("lone\ud800", "lone\\ud800"),
        ("back\b\b", "back\\x08\\x08"),
        ("del\x7f", "del\\x7f"),
        ("line\u2028break", "line\\u2028break"),
    ],
)
def test_control_and_reordering_characters_are_shown_as_escapes(raw, shown):
    assert printable(raw) == shown
    assert one_line(raw) == shown


def test_newlines_and_tabs_stay_in_text_and_not_in_cells():
    assert printable("a\n\tb") == "a\n\tb"
    assert one_line("a\n\tb") == "a\\n\\tb"


@given(ANYTHING)
def test_no_text_leaves_a_control_character(text):
    for shown, allowed in (
        (printable(text), "\n\t"),
        (one_line(text), ""),
        (terminal_safe_log(text, color=False), "\n\t\r"),
    ):
        left = {character for character in shown if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
        assert left <= set(allowed)


@pytest.mark.parametrize(
    "colour", ["\x1b[31m", "\x1b[0m", "\x1b[m", "\x1b[1;38;5;8m", "\x1b[48;2;8;8;8m", "\x1b[38;5;8;1m"]
)
def test_log_keeps_colours(colour):
    text = f"{colour}epoch 1\x1b[0m"
    assert terminal_safe_log(text) == text
    assert terminal_safe_log(text, color=False) == "epoch 1"


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[8m",
        "\x1b[1;08m",
        "\x1b[38;5;1;8m",
        "\x1b[2J",
        "\x1b[1A",
        "\x1b]52;c;aGk=\x07",
        "\x1b[?1049h",
        "\x1bc",
        "\x1b[31",
    ],
)
def test_log_shows_every_other_sequence(sequence):
    for color in (True, False):
        shown = terminal_safe_log(f"a{sequence}b", color=color)
        assert "\x1b" not in shown
        assert shown.startswith("a\\x1b")


def test_log_keeps_what_progress_bars_use():
    assert terminal_safe_log("10%\r20%\r\n\tdone") == "10%\r20%\r\n\tdone"


@pytest.mark.parametrize("begun", ["\x1b", "\x1b[", "\x1b[3", "\x1b[38;5;"])
def test_colour_that_is_cut_in_two_is_held_back(begun):
    assert split_colour(f"abc{begun}") == ("abc", begun)


@pytest.mark.parametrize("whole", ["abc", "\x1b[31mabc", "\x1b[31m", "abc[3"])
def test_whole_text_holds_nothing_back(whole):
    assert split_colour(whole) == (whole, "")


def test_end_of_colours_is_a_colour_sequence():
    assert terminal_safe_log(COLOUR_END) == COLOUR_END


@pytest.mark.parametrize(
    ("text", "cells"), [("abc", 3), ("表表", 4), ("é", 1), ("e\u0301", 1), ("", 0), ("ｱ", 1), ("\uff21", 2)]
)
def test_width_is_in_terminal_cells(text, cells):
    assert width(text) == cells
