"""Where metrics come from (facts 2.8, items 13 and 14)."""

import pytest

SOURCE = "spec.metricsCollectorSpec.source"


@pytest.fixture
def collector(spec, messages):
    """Return what is said about a collector."""

    def check(kind, source=None, custom=None):
        spec["metricsCollectorSpec"] = {
            "collector": {"kind": kind} | ({"customCollector": custom} if custom is not None else {})
        } | ({"source": source} if source is not None else {})
        return {path.removeprefix("spec.metricsCollectorSpec."): message for path, message in messages().items()}

    return check


@pytest.mark.parametrize("kind", ["StdOut", "Push", "File", "TensorFlowEvent", "PrometheusMetric"])
def test_kind_alone_is_enough(collector, kind):
    assert collector(kind) == {}


@pytest.mark.parametrize(
    ("kind", "path", "wanted"),
    [
        ("File", {"path": "/x", "format": "JSON"}, {}),
        ("File", {"path": "x"}, {"path": "must be an absolute path"}),
        ("File", {"path": "/x", "kind": "Directory"}, {"kind": "must be File for this collector"}),
        ("TensorFlowEvent", {"path": "/x", "kind": "File"}, {"kind": "must be Directory for this collector"}),
        ("TensorFlowEvent", {"path": "x/y"}, {"path": "must be an absolute path"}),
        ("TensorFlowEvent", {"path": "/x", "format": ""}, {}),
        (
            "TensorFlowEvent",
            {"path": "/x", "format": "TEXT"},
            {"format": "must be left out: event files have one format"},
        ),
    ],
)
def test_paths(collector, kind, path, wanted):
    found = collector(kind, {"fileSystemPath": path})
    assert found == {f"source.fileSystemPath.{field}": message for field, message in wanted.items()}


def test_json_has_no_filter(collector):
    source = {"fileSystemPath": {"path": "/x", "format": "JSON"}, "filter": {"metricsFormat": ["(a)=(b)"]}}
    assert list(collector("File", source)) == ["source.filter"]


@pytest.mark.parametrize("port", [0, -1, 65_536, "http", "", "1e3"])
def test_port_is_a_number(collector, port):
    assert list(collector("PrometheusMetric", {"httpGet": {"port": port}})) == ["source.httpGet.port"]


def test_port_as_text_and_path_from_the_root(collector):
    assert collector("PrometheusMetric", {"httpGet": {"port": "9090", "path": "/m"}}) == {}
    assert list(collector("PrometheusMetric", {"httpGet": {"path": "m"}})) == ["source.httpGet.path"]


def test_custom_needs_a_container(collector):
    assert list(collector("Custom")) == ["collector.customCollector"]
    assert collector("Custom", custom={"name": "c", "image": "i"}) == {}
    found = collector("Custom", {"fileSystemPath": {"path": "x"}}, {"name": "c"})
    assert list(found) == ["source.fileSystemPath.path", "source.fileSystemPath.kind"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)", None),
        ("(a)(b)(c)", None),
        ("(?P<name>a)(b)", None),
        ("(a)=b", "must have two groups"),
        ("(?:a)(b)", "must have two groups"),
        ("", "must have two groups"),
        ("(a", "is no regular expression (RE2)"),
        ("(a)(b)(?=c)", "is no regular expression (RE2)"),
        (r"(a)\1(b)", "is no regular expression (RE2)"),
        ("(a){99999}(b)", "is no regular expression (RE2)"),
    ],
)
@pytest.mark.parametrize("kind", ["StdOut", "File"])
def test_filters(collector, kind, pattern, said):
    found = collector(kind, {"filter": {"metricsFormat": ["(x)(y)", pattern]}})
    if said is None:
        assert found == {}
    else:
        assert found["source.filter.metricsFormat[1]"].startswith(said)
        assert len(found) == 1
