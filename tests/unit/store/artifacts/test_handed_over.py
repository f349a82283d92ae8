import threading

import pytest

from katib.store.artifacts.handed_over import send_from_here


def test_pieces_are_taken_here_and_sent_elsewhere():
    threads = set()

    def pieces():
        for number in range(20):
            threads.add(threading.get_ident())
            yield memoryview(b"%d" % number)

    def send(received):
        assert threading.get_ident() != main
        return b",".join(received)

    main = threading.get_ident()
    assert send_from_here(pieces(), send) == b",".join(b"%d" % number for number in range(20))
    assert threads == {main}


def test_sender_that_gives_up_ends_it_with_its_error():
    taken = []

    def pieces():
        for number in range(1_000_000):
            taken.append(number)
            yield memoryview(b"x")

    def send(received):
        next(received)
        raise TimeoutError("nobody there")

    with pytest.raises(TimeoutError, match="nobody there"):
        send_from_here(pieces(), send)
    assert len(taken) < 10


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), KeyboardInterrupt()])
def test_content_that_breaks_off_makes_the_sender_give_up(error):
    seen = []

    def pieces():
        yield memoryview(b"x")
        raise error

    def send(received):
        try:
            return list(received)
        except BaseException as broken:
            seen.append(broken)
            raise

    with pytest.raises(type(error)) as caught:
        send_from_here(pieces(), send)
    assert caught.value is error
    assert len(seen) == 1
