"""Reading a trial's output while it grows, and showing it on a terminal."""

import threading

import pytest

from katib.cli.commands.logs import follow, tail_start, terminal_texts


@pytest.fixture
def log(tmp_path):
    return tmp_path / "output.log"


@pytest.mark.parametrize("content", [b"", b"\n", b"one", b"one\n", b"one\ntwo", b"one\ntwo\n", b"\n\n\n", b"a\n\nb\n"])
@pytest.mark.parametrize("lines", [0, 1, 2, 3, 100])
def test_tail_is_the_last_lines(log, content, lines):
    log.write_bytes(content)
    kept = content.splitlines(keepends=True)
    expected = b"".join(kept[len(kept) - min(lines, len(kept)) :])
    assert content[tail_start(log, lines) :] == expected


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537])
def test_tail_of_lines_longer_than_what_is_read_at_once(log, size):
    content = b"first\n" + b"x" * size + b"\n" + b"y" * size + b"\n"
    log.write_bytes(content)
    assert content[tail_start(log, 2) :] == b"x" * size + b"\n" + b"y" * size + b"\n"
    assert tail_start(log, 3) == 0


def test_tail_of_a_huge_file_reads_only_its_end(log):
    with log.open("wb") as file:  # sparse: a terabyte that no disk holds
        file.seek(1 << 40)
        file.write(b"\nlast but one\nlast")
    with log.open("rb") as file:
        file.seek(tail_start(log, 2))
        assert file.read() == b"last but one\nlast"
    assert b"".join(follow(log, 1, None)) == b"last"


def test_log_is_read_whole_without_follow(log):
    content = b"line\n" * 50_000 + b"no newline at the end"
    log.write_bytes(content)
    assert b"".join(follow(log, None, None)) == content


def test_what_is_written_while_following_is_seen_to_the_last_byte(log):
    log.write_bytes(b"begin ")
    steps = iter([b"middle ", b"end", None])

    def goes_on():
        """Write the next piece, as the trial would; the last one is written just before the end."""
        piece = next(steps)
        if piece is None:
            return False
        with log.open("ab") as file:
            file.write(piece)
        return True

    assert b"".join(follow(log, None, goes_on)) == b"begin middle end"


def test_file_that_appears_late_is_waited_for(log):
    asked = 0

    def goes_on():
        nonlocal asked
        asked += 1
        if asked == 3:
            log.write_bytes(b"late")
        return asked < 5

    assert b"".join(follow(log, None, goes_on)) == b"late"


def test_file_that_never_appears_ends_with_the_trial(log):
    answers = iter([True, False])
    assert list(follow(log, None, lambda: next(answers))) == []


def test_tail_and_follow_go_together(log):
    log.write_bytes(b"old\nolder\nnew\n")
    written = threading.Event()

    def goes_on():
        if not written.is_set():
            with log.open("ab") as file:
                file.write(b"newest\n")
            written.set()
            return True
        return False

    assert b"".join(follow(log, 1, goes_on)) == b"new\nnewest\n"


def on_terminal(*chunks, color=True):
    return "".join(terminal_texts(chunks, color=color))


def test_characters_and_colours_that_are_cut_in_two_stay_whole():
    text = "\x1b[31mλ🧪\x1b[0m done".encode()
    for at in range(len(text) + 1):
        assert on_terminal(text[:at], text[at:]) == "\x1b[31mλ🧪\x1b[0m done\x1b[0m"
        assert on_terminal(text[:at], text[at:], color=False) == "λ🧪 done"


def test_colours_of_a_log_end_with_it():
    assert on_terminal(b"\x1b[31mred for ever").endswith("\x1b[0m")
    assert on_terminal(b"plain") == "plain"


def test_sequence_that_never_ends_is_shown():
    assert on_terminal(b"end\x1b[3") == "end\\x1b[3"


def test_what_is_no_text_is_shown_as_replacement():
    assert on_terminal(b"a\xff\xfeb\xe2\x82") == "a\ufffd\ufffdb\ufffd"
