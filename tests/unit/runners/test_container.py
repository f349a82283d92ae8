"""Kubernetes' rules for what a container runs."""

from pathlib import Path

import pytest

from katib.runners.container import Command, command_of, expand, main_container, replace_paths


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(A)$(B)", "12"),
        ("x$(A)y", "x1y"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(MISSING)", "$(MISSING)"),
        ("$(A", "$(A"),
        ("$A", "$A"),
        ("$", "$"),
        ("$$", "$"),
        ("$()", "$()"),
        ("$(A$(B))", "$(A$(B))"),
        ("100$", "100$"),
    ],
)
def test_expand(text, expanded):
    """The table of Kubernetes' own expansion."""
    assert expand(text, {"A": "1", "B": "2"}) == expanded


def test_expanded_value_is_not_expanded_again():
    assert expand("$(A)", {"A": "$(B)", "B": "2"}) == "$(B)"


def test_environment_sees_only_what_stands_before():
    container = {"env": [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "2"}, {"name": "C", "value": "$(B)"}]}
    assert command_of(container, {}).env == {"A": "$(B)", "B": "2", "C": "2"}


def test_fields_of_the_pod_come_from_the_job_and_others_are_left_out():
    def field(path):
        return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}

    job = {"metadata": {"name": "t", "namespace": "ns", "annotations": {"a.b/c": "note"}}}
    assert command_of({"env": [field("metadata.namespace")]}, job).env == {"X": "ns"}
    assert command_of({"env": [field("metadata.annotations['a.b/c']")]}, job).env == {"X": "note"}
    assert command_of({"env": [field("status.podIP")]}, job).env == {}
    secret = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    assert command_of({"env": [secret]}, job).env == {}


def test_primary_container_is_the_named_one_or_the_first():
    def job(*names):
        return {"spec": {"template": {"spec": {"containers": [{"name": name} for name in names]}}}}

    assert main_container(job("side", "train"), "train")["name"] == "train"
    assert main_container(job("side", "train"), "other")["name"] == "side"
    assert main_container(job("side", "train"), None)["name"] == "side"
    assert main_container({}, None) == {}


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("/var/log/m.log", "/here/m.log"),
        ("--path=/var/log/m.log", "--path=/here/m.log"),
        ("cat '/var/log/m.log'|x", "cat '/here/m.log'|x"),
        ("/var/log/m.log.1", "/var/log/m.log.1"),
        ("/mnt/var/log/m.log", "/mnt/var/log/m.log"),
        ("/var/log/events/run", "/there/run"),
        ("a:/var/log/events", "a:/there"),
        ("/var/log/events-old", "/var/log/events-old"),
    ],
)
def test_paths_are_replaced_where_they_stand_alone(text, replaced):
    paths = {"/var/log/m.log": Path("/here/m.log"), "/var/log/events/": Path("/there")}
    command = replace_paths(Command("c", ("x", text), {"E": text}, None), paths)
    assert command.argv == ("x", replaced)
    assert command.env == {"E": replaced}
