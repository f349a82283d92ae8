"""Reading documents from anyone: what is refused, what scalars become, and which line a value has."""

import json
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.api.document import MAX_BYTES, MAX_DEPTH, MAX_DOCUMENTS, MAX_VALUES, load
from katib.api.scalars import PlainText
from katib.errors import InvalidExperiment

SEEDED = settings(derandomize=True, database=None, deadline=None, max_examples=200)


def content(text):
    return load(text)[0].content


def laughs(levels):
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


BOMBS = {
    "billion laughs": laughs(12),
    "quadratic alias": "a: &x " + "y" * 500_000 + "\nb: [" + ", ".join(["*x"] * 40_000) + "]",
    "alias of a long key": "? &x " + "y" * 500_000 + "\n: [" + ", ".join(["*x"] * 40_000) + "]",
    "laughs over documents": "\n---\n".join([laughs(4)] * 10),
    "deep lists": "a: " + "[" * 500_000,
    "deep mappings": "a: " + "{a: " * 200_000,
    "deep blocks": "\n".join(" " * depth + "a:" for depth in range(1_300)),
    "dashes": "- " * 500_000,
    "question marks": "? " * 300_000,
    "flat list": "a: [" + "x," * 500_000 + "]",
    "flat mapping": "{" + ",".join(f"k{i}: 1" for i in range(90_000)) + "}",
    "anchors": "a: [" + ",".join(f"&a{i} x" for i in range(90_000)) + "]",
    "empty documents": "---\n" * 260_000,
    "small documents": "--- {}\n" * 140_000,
    "unfinished keys": "{" + "? " * 300_000,
    "backslashes": '{"a": "' + "\\" * 900_000 + "\\ud83d\\ude00",
    "tabs": "{" + "\n\t" * 400_000,
    "huge scalar": "a: " + "x" * 2_000_000,
    "huge integer": "a: " + "9" * 1_000_000,
    "huge hexadecimal": "a: 0x" + "f" * 1_000_000,
    "huge exponent": "a: 1e" + "9" * 1_000_000,
    "huge fraction": "a: 0." + "1" * 1_000_000,
    "too large for a double": "a: 1e999",
    "a cycle": "a: &a [*a]",
    "a long path below a long key": "? " + "k" * 400_000 + "\n: " + "{a: [" * 31 + "x," * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_with_one_problem_and_little_memory(name):
    text = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(InvalidExperiment) as caught:
            load(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(caught.value.problems) == 1
    assert len(str(caught.value)) < 500
    assert peak < 32 << 20


def test_a_path_that_is_long_in_every_place_costs_no_memory():
    keys = "".join(" " * depth + "k" * 900 + str(depth) + ":\n" for depth in range(50))
    text = keys + "".join(" " * 50 + f"- v{i}\n" for i in range(10_000))
    tracemalloc.start()
    try:
        document = load(text)[0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert document.line_of("k" * 900 + "0") == 1
    assert peak < 32 << 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("a: !!python/name:os.system", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: !!set {x}", "tag"),
        ("a: !!timestamp 2020-01-01", "tag"),
        ("a: !mine 1", "tag"),
        ("%TAG ! tag:example.com,2000:\n---\na: !mine 1", "tag"),
        ("a: !!int abc", "!!int does not fit 'abc'"),
        ("a: !!seq text", "tag"),
        ("a: !!map [1]", "tag"),
        ("a: \0", "control characters"),
        (b"a: \x00", "control characters"),
        ("a: \x1b[31m", "control characters"),
        ("a: 1".encode("utf-16"), "not UTF-8"),
        ("a: é".encode("latin-1"), "not UTF-8"),
        (bytes(range(256)), "not UTF-8"),
        ("a: \ud800", "no text has"),
        ("a: 1\na: 2", "twice"),
        ('{"a": 1, "a": 2}', "twice"),
        ("a: {b: 1, 'b': 2}", "twice"),
        ("a: &x {k: 1}\nb:\n  <<: *x", "merge keys"),
        ("a: *nothing", "stands for nothing"),
        ("? [1]\n: x", "a key must be text"),
        ("? {a: 1}\n: x", "a key must be text"),
        ("a: [1", "not valid YAML"),
        ("a:\n\tb: 1", "not valid YAML"),
        ("a: 'b", "not valid YAML"),
        ("%YAML 3.0\n---\na: 1", "not valid YAML"),
        ("a: .inf", "no number that JSON has"),
        ("a: .nan", "no number that JSON has"),
        ("- 1", "not a list"),
        ("text", "not text"),
        ("12", "not a number"),
        ("yes", "not a boolean"),
        ("", "empty"),
        ("# only a comment", "empty"),
        ("---\n---\n", "empty"),
        ("null", "empty"),
    ],
)
def test_what_is_no_document_is_refused_with_one_sentence(text, said):
    with pytest.raises(InvalidExperiment, match=said) as caught:
        load(text)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", True),
        ("No", False),
        ("on", True),
        ("OFF", False),
        ("true", True),
        ("y", "y"),
        ("n", "n"),
        ("'yes'", "yes"),
        ("~", None),
        ("null", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("1_000", 1000),
        ("010", 8),
        ("0o10", 8),
        ("08", 8.0),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("0b101", 5),
        ("0b_", "0b_"),
        ("0x_", "0x_"),
        ("1e3", 1000.0),
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.5", -0.5),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        ("٣", "٣"),
        ("'12'", "12"),
        ('"1e3"', "1e3"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!float 1", 1),
        ("!!bool 'yes'", True),
        ("|\n  yes", "yes"),
    ],
)
def test_scalars_are_typed_as_kubernetes_tools_type_them(written, value):
    read = content(f"a: {written}")["a"]
    assert read == value
    assert isinstance(read, type(value))


def test_text_without_quotes_can_be_told_from_text_with_quotes():
    read = content("plain: word\nquoted: 'word'\nfolded: >-\n  word")
    assert [isinstance(read[key], PlainText) for key in ("plain", "quoted", "folded")] == [True, False, False]


@pytest.mark.parametrize("written", ["3.10", "1e-3", "010", "1_000", "0x10", "1.0e5", "+5"])
def test_number_written_in_another_way_keeps_its_text(written):
    assert content(f"a: {written}")["a"].text == written


@pytest.mark.parametrize("written", ["3.1", "5", "-0.5", "1e-07"])
def test_number_written_as_it_prints_is_a_plain_number(written):
    assert type(content(f"a: {written}")["a"]) in (int, float)


def test_limits_are_what_they_say():
    assert content("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    with pytest.raises(InvalidExperiment, match="deeper than 64"):
        load("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH)
    # The mapping, the key and the list count too.
    assert len(content("a: [" + "x," * (MAX_VALUES - 3) + "]")["a"]) == MAX_VALUES - 3
    with pytest.raises(InvalidExperiment, match="more than 50000 values"):
        load("a: [" + "x," * (MAX_VALUES - 2) + "]")
    assert len(load("--- {a: 1}\n" * MAX_DOCUMENTS)) == MAX_DOCUMENTS
    with pytest.raises(InvalidExperiment, match="more than 1000 documents"):
        load("--- {a: 1}\n" * (MAX_DOCUMENTS + 1))
    assert content("a: " + "x" * (MAX_BYTES - 3))
    with pytest.raises(InvalidExperiment, match=f"more than the {MAX_BYTES} bytes"):
        load("a: " + "é" * ((MAX_BYTES - 3) // 2) + "x" * 2)


def test_aliases_are_allowed_within_the_limits():
    assert content("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\n&y d: *y") == {
        "a": {"k": [1, 2]},
        "b": {"k": [1, 2]},
        "c": [{"k": [1, 2]}, {"k": [1, 2]}],
        "d": "d",
    }


def test_documents_of_a_file_are_separate():
    first, second = load("a: &x 1\n---\n---\nb: 2\n", source="file.yaml")
    assert (first.content, second.content) == ({"a": 1}, {"b": 2})
    assert (first.source, second.line_of("b")) == ("file.yaml", 4)
    with pytest.raises(InvalidExperiment, match="stands for nothing"):
        load("a: &x 1\n---\nb: *x\n")


LINED = """\
metadata:
  labels:
    a.b/c: x
    d: e
spec:
  list:
    - name: first

    - {name: second, more: [1,
        2]}
  text: |
    several
    lines
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 1),
        ("metadata", 1),
        ("metadata.labels", 2),
        ("metadata.labels.a.b/c", 3),
        ("spec", 5),
        ("spec.list", 6),
        ("spec.list[0].name", 7),
        ("spec.list[1]", 9),
        ("spec.list[1].more[1]", 10),
        ("spec.text", 11),
        ("spec.list[0].missing.deeper[3].x", 7),
        ("spec.list[7]", 6),
        ("spec.list[x]", 6),
        ("spec.a[", 5),
        ("spec..", 5),
        ("[0]", 1),
        ("nothing", 1),
    ],
)
def test_line_is_that_of_the_value_or_of_what_is_around_it(path, line):
    assert load(LINED)[0].line_of(path) == line


def test_problem_of_the_reader_has_line_and_path():
    with pytest.raises(InvalidExperiment) as caught:
        load("a:\n  - b\n  - c: 1\n    c: 2\n")
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("a[1].c", 4)


def test_json_is_read_also_with_tabs_escapes_and_a_byte_order_mark():
    value = {"a": [1, 2.5, None, True, "yes", '\t"/\\', "\U0001f600 é"], "b": {"c": {}}}
    for text in (json.dumps(value), json.dumps(value, indent="\t"), json.dumps(value, ensure_ascii=False)):
        assert content(text) == value
        assert content(b"\xef\xbb\xbf" + text.encode()) == value
        assert content("\ufeff" + text) == value
    assert content('{"a": "\\/"}') == {"a": "/"}
    assert load('{\n\t"a": {\n\t\t"b": 1\n\t}\n}')[0].line_of("a.b") == 3
    for backslashes in range(6):
        text = json.dumps({"a": "\\" * backslashes + "\U0001f600", "b": "\\" * backslashes + "\\ud83d\\ude00"})
        assert content(text) == json.loads(text)
    assert content('\t{"a":\t1}') == {"a": 1}


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc.[]- 1", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@SEEDED
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), trees, min_size=1, max_size=4))
def test_json_comes_back_equal(tree):
    assert content(json.dumps(tree)) == tree
    assert content(json.dumps(tree, ensure_ascii=False, indent=2)) == tree


@SEEDED
@given(st.text("a:-[]{}&*!|>'\"#%@,? \n\t1.e~", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        documents = load(text)
    except InvalidExperiment:
        return
    assert all(isinstance(document.content, dict) for document in documents)


@SEEDED
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data):
    try:
        documents = load(data)
    except InvalidExperiment:
        return
    assert documents


def test_without_libyaml_it_reads_the_same(monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert content("a: [1, yes, 'x', *y]\n".replace(", *y", "")) == {"a": [1, True, "x"]}
    with pytest.raises(InvalidExperiment, match="more than 50000"):
        load(BOMBS["billion laughs"])
