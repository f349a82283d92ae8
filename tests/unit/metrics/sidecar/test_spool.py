"""The spool: whole records or none, wherever it is cut off, and the same numbers after every restart."""

import errno
import os
import resource
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.metrics.sample import Sample
from katib.metrics.sidecar.spool import Spool

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def samples(*texts):
    return [Sample("loss", text) for text in texts]


def everything(spool):
    found = []
    while (record := spool.read()) is not None:
        found += [(record.first + place, sample[1]) for place, sample in enumerate(record.samples)]
    return found


def test_what_was_written_is_read_with_its_numbers(tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.append(samples("a", "b"), {"at": 1}, NOON)
    spool.append([Sample("loss", "c", NOON, 7)], {"at": 2}, NOON)
    first, second = spool.read(), spool.read()
    assert (first.first, first.samples) == (
        0,
        [["loss", "a", NOON.timestamp(), None], ["loss", "b", NOON.timestamp(), None]],
    )
    assert (second.first, second.samples, second.checkpoint) == (2, [["loss", "c", NOON.timestamp(), 7]], {"at": 2})
    assert spool.read() is None
    assert (spool.following, spool.durable) == (3, {"at": 2})


def test_another_process_goes_on(tmp_path):
    Spool(tmp_path / "spool").append(samples("a", "b"), {"at": 1}, NOON)
    spool = Spool(tmp_path / "spool")
    assert (spool.following, spool.durable) == (2, {"at": 1})
    spool.append(samples("c"), {"at": 2}, NOON)
    assert everything(spool) == [(0, "a"), (1, "b"), (2, "c")]


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=6), cut=st.integers(0, 2000))
def test_cut_off_anywhere_it_has_whole_records_and_the_place_before_what_is_missing(tmp_path_factory, sizes, cut):
    path = tmp_path_factory.mktemp("spool") / "spool"
    spool = Spool(path)
    ends = [(0, 0)]
    for size in sizes:
        spool.append(samples(*["x"] * size), {"at": len(ends)}, NOON)
        ends.append((path.stat().st_size, spool.following))
    spool.close()
    os.truncate(path, min(cut, path.stat().st_size))
    whole = [place for place, (size, _) in enumerate(ends) if size <= cut]
    found = Spool(path)
    assert found.following == ends[whole[-1]][1]
    assert found.durable == ({"at": whole[-1]} if whole[-1] else {})
    assert [number for number, _ in everything(found)] == list(range(found.following))


def test_what_was_found_together_is_one_record_for_recovery(tmp_path):
    path = tmp_path / "spool"
    spool = Spool(path)
    spool.append(samples("first"), {"at": 1}, NOON)
    spool.append(samples(*map(str, range(2_500))), {"at": 2}, NOON)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    path.write_bytes(b"".join(lines[:3]))
    found = Spool(path)
    assert (found.following, found.durable) == (1, {"at": 1})
    found.append(samples(*map(str, range(2_500))), {"at": 2}, NOON)
    assert len(everything(found)) == 2_501


@pytest.mark.parametrize(
    "garbage", [b"no json\n", b"[]\n", b'{"first": 0}\n', b"[" * 100_000 + b"\n", b"\0" * 512, b"\n"]
)
def test_garbage_and_what_follows_it_is_cut_off(tmp_path, garbage):
    path = tmp_path / "spool"
    Spool(path).append(samples("a"), {"at": 1}, NOON)
    with path.open("ab") as file:
        file.write(garbage)
    found = Spool(path)
    assert everything(found) == [(0, "a")]
    found.append(samples("b"), {"at": 2}, NOON)
    assert everything(Spool(path)) == [(0, "a"), (1, "b")]


def test_what_the_store_has_is_given_back(tmp_path):
    path = tmp_path / "spool"
    spool = Spool(path)
    for _ in range(20):
        spool.append(samples(*["x" * 1_000] * 60), {"at": 1}, NOON)
    while spool.read():
        pass
    spool.tidy(spool.following - 1)
    assert path.stat().st_size > 1 << 20
    spool.tidy(spool.following)
    assert path.stat().st_size < 1_000
    spool.append(samples("next"), {"at": 2}, NOON)
    assert everything(spool) == [(1_200, "next")]
    assert everything(Spool(path)) == [(1_200, "next")]


def test_it_is_full_at_its_limit(tmp_path):
    spool = Spool(tmp_path / "spool", most_bytes=100)
    assert not spool.is_full
    spool.append(samples("x" * 100), {}, NOON)
    assert spool.is_full


class TestFullDisk:
    @pytest.fixture
    def full(self, monkeypatch):
        write = os.pwrite

        def refuse(file, data, at):
            if at + len(data) > 200:
                write(file, data[: max(0, 200 - at)], at)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(file, data, at)

        return lambda: monkeypatch.setattr(os, "pwrite", refuse)

    def test_records_are_held_and_read_in_order_and_the_disk_has_whole_ones(self, tmp_path, full, monkeypatch):
        path = tmp_path / "spool"
        spool = Spool(path)
        spool.append(samples("a"), {"at": 1}, NOON)
        full()
        spool.append(samples("b" * 200), {"at": 2}, NOON)
        spool.append(samples("c"), {"at": 3}, NOON)
        assert spool.fault == "No space left on device"
        assert (spool.durable, spool.following) == ({"at": 1}, 3)
        assert [number for number, _ in everything(spool)] == [0, 1, 2]
        assert everything(Spool(path)) == [(0, "a")]
        spool.rewind()
        assert [number for number, _ in everything(spool)] == [0, 1, 2]
        monkeypatch.undo()
        spool.tidy(3)
        assert spool.durable == {"at": 3}
        spool.append(samples("d"), {"at": 4}, NOON)
        assert everything(spool) == [(3, "d")]
        assert Spool(path).following == 4

    def test_only_so_much_is_held(self, tmp_path, full):
        spool = Spool(tmp_path / "spool")
        full()
        for _ in range(50):
            spool.append(samples("x" * 100_000), {}, NOON)
        assert spool.is_full


def test_a_link_that_somebody_put_there_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "spool").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Spool(tmp_path / "spool")
    assert (tmp_path / "elsewhere").read_text() == "precious"


def test_a_large_spool_is_recovered_in_little_memory(tmp_path):
    path = tmp_path / "spool"
    spool = Spool(path)
    for number in range(200):
        spool.append(samples(*["x" * 1_000] * 100), {"at": number}, NOON)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert Spool(path).following == 20_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10
