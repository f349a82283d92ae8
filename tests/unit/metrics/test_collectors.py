"""Collectors on real files: live, exactly once, in constant memory, whatever the trial writes."""

import json
import math
import struct
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboardX import SummaryWriter

from katib.api.experiment import MetricsCollectorSpec
from katib.client.reporting import report_metrics
from katib.errors import Unsupported
from katib.metrics.collector import make_collector
from katib.metrics.event_file import EventFile, crc32c
from katib.metrics.line_parser import JsonLines, TextLines
from katib.metrics.line_reader import MAX_LINE, LineReader


def collector(folder, kind="StdOut", metrics=("loss", "accuracy"), **source):
    spec = {"collector": {"kind": kind}}
    if source:
        spec["source"] = source
    return make_collector(
        MetricsCollectorSpec.model_validate(spec),
        metrics,
        stdout=folder / "output.log",
        root=folder / "files",
        push=folder / "push.jsonl",
    )


def pairs(batch):
    return [(sample.name, sample.text) for sample in batch.samples]


def append(path, text):
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def test_line_is_seen_by_the_next_poll_and_half_a_line_is_not(tmp_path):
    tail, path = collector(tmp_path), tmp_path / "output.log"
    assert pairs(tail.poll()) == []
    append(path, "epoch 1 loss=0.5\nepoch 2 lo")
    assert pairs(tail.poll()) == [("loss", "0.5")]
    append(path, "ss=0.25")
    assert pairs(tail.poll()) == []
    append(path, " accuracy=1e-3\n")
    assert pairs(tail.poll()) == [("loss", "0.25"), ("accuracy", "1e-3")]


def test_last_line_needs_no_end_once_the_trial_is_over(tmp_path):
    tail = collector(tmp_path)
    append(tmp_path / "output.log", "loss=1\nloss=2")
    assert [pair for batch in tail.drain() for pair in pairs(batch)] == [("loss", "1"), ("loss", "2")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("loss=0.5", [("loss", "0.5")]),
        ("  loss = -1.5e+3, accuracy=.5", [("loss", "-1.5e+3"), ("accuracy", ".5")]),
        ("loss=nan accuracy=-inf", [("loss", "nan"), ("accuracy", "-inf")]),
        ("loss=NaN accuracy=+Infinity", [("loss", "NaN"), ("accuracy", "+Infinity")]),
        ("loss=infant", []),
        ("val_loss=0.5", []),
        ("loss: 0.5", []),
        ("loss=", []),
        ("loss=1 loss=2", [("loss", "1"), ("loss", "2")]),
        ("2026-01-02T03:04:05Z loss=1", [("loss", "1")]),
        ("|loss=1|", []),
        ("(loss=1)", [("loss", "1")]),
    ],
)
def test_default_filter_reads_what_katibs_reads(line, expected):
    assert [(sample.name, sample.text) for sample in TextLines(["loss", "accuracy"]).parse(line)] == expected


def test_names_with_other_characters_are_found():
    parsed = TextLines(["val/acc", "top-1", "f1.macro"]).parse("val/acc=0.5 top-1=0.9 f1.macro=0.7 f1xmacro=1")
    assert [(sample.name, sample.text) for sample in parsed] == [
        ("val/acc", "0.5"),
        ("top-1", "0.9"),
        ("f1.macro", "0.7"),
    ]


def test_own_filter_may_read_words(tmp_path):
    tail = collector(tmp_path, metrics=["Best-Genotype"], filter={"metricsFormat": [r"([\w-]+)=(Genotype.*)"]})
    append(tmp_path / "output.log", "Best-Genotype=Genotype(normal=[])\n")
    assert pairs(tail.poll()) == [("Best-Genotype", "Genotype(normal=[])")]


def test_time_is_the_first_word_when_it_is_one():
    parser = TextLines(["loss"])
    assert parser.parse("2026-01-02T03:04:05.5+01:00 loss=1")[0].time == datetime(2026, 1, 2, 2, 4, 5, 500_000, UTC)
    assert parser.parse("today loss=1")[0].time is None


def test_json_takes_numbers_and_texts_and_passes_over_broken_lines():
    parser = JsonLines(["loss", "accuracy"])
    line = '{"loss": 0.5, "accuracy": "0.9", "other": 1, "timestamp": 1638422847.28721}'
    samples = parser.parse(line)
    assert [(sample.name, sample.text) for sample in samples] == [("loss", "0.5"), ("accuracy", "0.9")]
    assert math.isclose(samples[0].time.timestamp(), 1638422847.28721, abs_tol=1e-5)
    assert [parser.parse(bad) for bad in ("{", "[1]", '{"loss": {}}', '{"loss": true}', "loss=1")] == [[]] * 5
    assert parser.parse('{"loss": NaN, "timestamp": 1e99}')[0].text == "nan"


def test_file_collector_reads_below_its_root(tmp_path):
    tail = collector(
        tmp_path, "File", fileSystemPath={"kind": "File", "path": "/var/log/katib/m.json", "format": "JSON"}
    )
    path = tmp_path / "files" / "var" / "log" / "katib" / "m.json"
    path.parent.mkdir(parents=True)
    append(path, '{"loss": 1}\n')
    assert pairs(tail.poll()) == [("loss", "1")]


def test_path_cannot_leave_the_root(tmp_path):
    tail = collector(tmp_path, "File", fileSystemPath={"kind": "File", "path": "/../../secret.log", "format": "TEXT"})
    append(tmp_path / "secret.log", "loss=1\n")
    assert pairs(tail.poll()) == []


def test_push_reports_are_typed_and_ordered(tmp_path, monkeypatch):
    monkeypatch.setenv("KATIB_METRICS_FILE", str(tmp_path / "push.jsonl"))
    tail = collector(tmp_path, "Push")
    report_metrics({"loss": 0.5, "accuracy": math.nan, "ignored": 1}, step=1)
    report_metrics({"loss": math.inf}, step=2, time=datetime(2026, 1, 1, tzinfo=UTC))
    report_metrics({"loss": "unavailable"})
    samples = tail.poll().samples
    assert [(s.name, s.text, s.step) for s in samples] == [
        ("loss", "0.5", 1),
        ("accuracy", "nan", 1),
        ("loss", "inf", 2),
        ("loss", "unavailable", None),
    ]
    assert samples[2].time == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("bad", [{}, {"": 1}, {"x": None}, {"x": True}, {"x": []}, {1: 2}])
def test_bad_report_is_refused_and_writes_nothing(tmp_path, monkeypatch, bad):
    monkeypatch.setenv("KATIB_METRICS_FILE", str(tmp_path / "push.jsonl"))
    with pytest.raises((TypeError, ValueError)):
        report_metrics(bad)
    assert not (tmp_path / "push.jsonl").exists()


def test_report_outside_a_trial_is_printed(capsys, monkeypatch):
    monkeypatch.delenv("KATIB_METRICS_FILE", raising=False)
    report_metrics({"loss": 0.5, "accuracy": 1})
    assert capsys.readouterr().out == "loss=0.5 accuracy=1\n"


def test_replaced_and_truncated_files_are_read_from_their_beginning(tmp_path):
    tail, path = collector(tmp_path), tmp_path / "output.log"
    append(path, "loss=1\n")
    tail.poll()
    path.rename(tmp_path / "output.log.1")
    append(path, "loss=2\n")
    assert pairs(tail.poll()) == [("loss", "2")]
    path.write_text("")
    tail.poll()
    append(path, "loss=3\n")
    assert pairs(tail.poll()) == [("loss", "3")]


def test_endless_line_costs_no_memory_and_the_next_is_read(tmp_path):
    tail, path = collector(tmp_path), tmp_path / "output.log"
    append(path, "loss=1\n" + "loss=" * MAX_LINE)
    assert pairs(tail.poll()) == [("loss", "1")]
    assert len(tail._reader._pending) <= MAX_LINE
    append(path, "x\nloss=2\n")
    assert pairs(tail.poll()) == [("loss", "2")]
    assert "too long" in " ".join(tail.evidence())


def test_garbage_between_lines_does_no_harm(tmp_path):
    append(tmp_path / "output.log", b"\xff\xfe loss=1\n\x00\x01\x02\nloss=2\r 10%\r 20% loss=3\r\nloss=4\n")
    assert pairs(collector(tmp_path).poll()) == [("loss", "1"), ("loss", "2"), ("loss", "3"), ("loss", "4")]


lines = st.lists(
    st.sampled_from(["loss=1", "accuracy=0.5 loss=2", "nothing", "", "loss=nan", "x" * 200, "ünïcode loss=3"]),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(lines, st.lists(st.integers(1, 60), max_size=40), st.data())
def test_killed_between_any_two_polls_it_goes_on_where_it_was(tmp_path_factory, lines, sizes, data):
    """A new collector on the last checkpoint gives exactly what the old one would have given."""
    folder = tmp_path_factory.mktemp("killed")
    path = folder / "output.log"
    content = "".join(f"{index} {line}\n" for index, line in enumerate(lines)).encode()
    expected = [
        (s.name, s.text) for line in content.decode().split("\n") for s in TextLines(["loss", "accuracy"]).parse(line)
    ]
    tail, found, position = collector(folder), [], 0
    for size in [*sizes, len(content) + 1]:
        append(path, content[position : position + size])
        position += size
        batch = tail.poll(data.draw(st.integers(1, 100)))
        found += pairs(batch)
        if data.draw(st.booleans()):
            checkpoint = json.loads(json.dumps(batch.checkpoint))
            tail = collector(folder)
            tail.restore(checkpoint)
    found += [pair for batch in tail.drain() for pair in pairs(batch)]
    assert found == expected


def test_missing_metrics_are_explained(tmp_path):
    tail = collector(tmp_path)
    assert "wrote no" in tail.evidence()[0]
    append(tmp_path / "output.log", "first\nsecond\nLoss: 0.5\n")
    tail.poll()
    said = " ".join(tail.evidence())
    assert "3 lines" in said
    assert "Loss: 0.5" in said


@pytest.mark.parametrize("kind", ["PrometheusMetric", "Custom"])
def test_other_kinds_need_a_cluster(tmp_path, kind):
    with pytest.raises(Unsupported, match="Kubernetes"):
        collector(tmp_path, kind)


def gather(tail, count):
    """Poll until so many samples came: the writer has a thread of its own. The samples and the last checkpoint."""
    samples = []
    for _ in range(500):
        batch = tail.poll()
        samples += batch.samples
        if len(samples) >= count:
            return samples, batch.checkpoint
        time.sleep(0.01)
    pytest.fail(f"only {samples} came")


EVENTS = {"fileSystemPath": {"kind": "Directory", "path": "/logs"}}


def test_events_of_tensorboard_writers_are_read_live(tmp_path):
    tail = collector(tmp_path, "TensorFlowEvent", ["accuracy", "train/loss"], **EVENTS)
    assert pairs(tail.poll()) == []
    folder = tmp_path / "files" / "logs"
    with (
        SummaryWriter(str(folder), flush_secs=0.02) as writer,
        SummaryWriter(str(folder / "train"), flush_secs=0.02) as train,
    ):
        writer.add_scalar("accuracy", 0.1, 1)
        samples, checkpoint = gather(tail, 1)
        assert [(s.name, s.text, s.step) for s in samples] == [("accuracy", "0.1", 1)]
        train.add_scalar("loss", 0.7, 3)
        train.add_scalar("accuracy_other", 1, 1)
        writer.add_scalar("accuracy", float("nan"), 2)
        samples, _ = gather(tail, 2)
        assert sorted((s.name, s.text) for s in samples) == [("accuracy", "nan"), ("train/loss", "0.7")]
    again = collector(tmp_path, "TensorFlowEvent", ["accuracy", "train/loss"], **EVENTS)
    again.restore(checkpoint)
    assert sorted(pairs(again.poll())) == [("accuracy", "nan"), ("train/loss", "0.7")]


def test_half_written_record_waits_and_a_damaged_one_ends_the_file(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(3):
            writer.add_scalar("x", step, step)
    whole = next(tmp_path.glob("*tfevents*")).read_bytes()
    part = tmp_path / "part"
    part.write_bytes(whole[:-5])
    file = EventFile(part)
    assert [scalar.value for scalar in file.read(1 << 20)[0]] == [0, 1]
    append(part, whole[-5:])
    assert [scalar.value for scalar in file.read(1 << 20)[0]] == [2]
    damaged = bytearray(whole)
    damaged[-10] ^= 0xFF
    part.write_bytes(damaged)
    file = EventFile(part)
    assert [scalar.value for scalar in file.read(1 << 20)[0]] == [0, 1]
    assert file.corrupt


def test_tensor_scalars_of_tensorflow_2_are_read(tmp_path):
    """A record made by hand as TensorFlow 2 writes it: value in a tensor, not in simple_value."""

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    tensor = b"\x08\x01" + field(4, struct.pack("<f", 0.25))
    value = field(1, b"acc") + field(8, tensor)
    event = b"\x09" + struct.pack("<d", 5.0) + b"\x10\x07" + field(5, field(1, value))

    def masked(data):
        crc = crc32c(data)
        return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)

    length = struct.pack("<Q", len(event))
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(length + masked(length) + event + masked(event))
    scalar = EventFile(path).read(1 << 20)[0][0]
    assert (scalar.tag, scalar.value, scalar.step, scalar.wall_time) == ("acc", 0.25, 7, 5.0)


def test_crc32c_of_the_standard_text():
    assert crc32c(b"123456789") == 0xE3069283


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_event_reader(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "events"
    path.write_bytes(data)
    EventFile(path).read(1 << 20)


def test_reader_counts_lines(tmp_path):
    append(tmp_path / "log", "a\nb\nc\n")
    reader = LineReader(tmp_path / "log", TextLines(["loss"]))
    reader.read(1 << 20)
    assert reader.lines == 3
