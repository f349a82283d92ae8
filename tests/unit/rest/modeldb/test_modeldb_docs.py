"""docs/modeldb.md lists the operations that there are."""

import re
from pathlib import Path

from katib.rest.modeldb.api import ModeldbApi

TEXT = (Path(__file__).parents[4] / "docs" / "modeldb.md").read_text(encoding="utf-8")
OPERATIONS = ModeldbApi().operations()


def test_every_operation_is_listed_and_no_other():
    table = TEXT.split("## Calls")[1].split("The address that")[0]
    said = {
        f"{service}/{name}"
        for service, names in re.findall(r"^\| `([-a-z]+)/` \| (.*) \|$", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    there = {operation.name for operation in OPERATIONS if operation.path.startswith("/api/v1/modeldb/")}
    assert there - {"artifacts/put", "artifacts/get"} == said


def test_short_paths_lead_to_the_same_operations():
    paths = {root: set() for root in ("/api/v1/modeldb/", "/v1/")}
    for operation in OPERATIONS:
        for root, found in paths.items():
            if operation.path.startswith(root):
                found.add((operation.method, operation.path.removeprefix(root), operation.name, operation.access))
    assert paths["/v1/"] == paths["/api/v1/modeldb/"]


def test_no_operation_is_there_twice():
    routes = [(operation.method, operation.path) for operation in OPERATIONS]
    assert len(routes) == len(set(routes))
